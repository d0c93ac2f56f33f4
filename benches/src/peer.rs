//! A program from Debian, with one of the configurations in `benches/peers/`.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use roundhouse_tests::{Background, Signal, TempDir, eventually, programs};

use crate::process;

const PINGORA: &str = "peer-pingora";
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Peer {
    name: &'static str,
    process: Background,
    _folder: TempDir,
}

impl Peer {
    /// Starts nginx; `FOLDER` in the configuration becomes a folder of its own, with these files in it.
    pub fn nginx(config: &str, files: &[(&str, &str)]) -> Peer {
        Peer::start("nginx", "nginx.conf", config, files, |command, folder| {
            command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(["-e", "stderr"]);
        })
    }

    /// The same with HAProxy, in one process that stays in the foreground.
    pub fn haproxy(config: &str, files: &[(&str, &str)]) -> Peer {
        Peer::start("haproxy", "haproxy.cfg", config, files, |command, folder| {
            command.args(["-db", "-f"]).arg(folder.join("haproxy.cfg"));
        })
    }

    /// The same with pingora-proxy, which `make bench-l7` builds; `None` where it did not.
    pub fn pingora(config: &str, files: &[(&str, &str)]) -> Option<Peer> {
        let start = || {
            Peer::start(PINGORA, "pingora.conf", config, files, |command, folder| {
                command.arg(folder.join("pingora.conf"));
            })
        };
        Path::new(&program(PINGORA)).exists().then(start)
    }

    /// Its name and the version that it says, asked with this option.
    pub fn version(name: &str, option: &str) -> String {
        let said = process::first_output(&program(name), &[option]);
        let begins_with_digit = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
        let version = said.split([' ', '/']).find(begins_with_digit);
        format!("{name} {}", version.unwrap_or("?"))
    }

    fn start(
        name: &'static str,
        file: &str,
        config: &str,
        files: &[(&str, &str)],
        arguments: impl FnOnce(&mut Command, &Path),
    ) -> Peer {
        let folder = TempDir::new().expect("a temporary directory");
        let config = config.replace("FOLDER", &folder.path().display().to_string());
        for (name, text) in files.iter().copied().chain([(file, config.as_str())]) {
            std::fs::write(folder.path().join(name), text).expect("the folder is ours");
        }
        let mut command = Command::new(program(name));
        arguments(&mut command, folder.path());
        let process = match Background::try_spawn(command) {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("there is no `{name}` on this machine: run `make tools-bench`, it installs it")
            }
            Err(error) => panic!("cannot start {name}: {error}"),
        };
        Peer { name, process, _folder: folder }
    }

    /// Waits until it takes TCP connections there.
    #[must_use]
    pub fn answering(self, at: SocketAddr) -> Peer {
        eventually(PATIENCE, &format!("{} takes connections", self.name), || {
            self.assert_runs();
            TcpStream::connect(at)
        });
        self
    }

    /// # Panics
    /// When it has ended, with what it said.
    pub fn assert_runs(&self) {
        let Peer { name, process, .. } = self;
        assert!(process.exit_status().is_none(), "{name} ended: {}", process.stderr());
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }
}

/// Debian puts both where only root looks. pingora is beside our own, in a folder of its own.
fn program(name: &str) -> String {
    if name == PINGORA {
        let built = programs::profile_folder().join("../pingora/release").join(PINGORA);
        return built.display().to_string();
    }
    let sbin = format!("/usr/sbin/{name}");
    if Path::new(&sbin).exists() { sbin } else { name.to_owned() }
}
