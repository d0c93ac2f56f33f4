//! nginx, as a backend and as a peer, with the configurations in `benches/peers/`.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use roundhouse_tests::{Background, Signal, TempDir, eventually};

const BACKEND: &str = include_str!("../../../peers/nginx-backend.conf");
const PROXY: &str = include_str!("../../../peers/nginx-proxy.conf");

pub(crate) struct Nginx {
    process: Background,
    _folder: TempDir,
}

impl Nginx {
    /// Answers the same 30 bytes at every one of the addresses.
    pub(crate) fn backend(addresses: &[SocketAddr]) -> Nginx {
        let listens = lines("listen", addresses);
        Nginx::start(&BACKEND.replace("# LISTENS", &listens), addresses[0])
    }

    /// In front of them, its connections to them kept.
    pub(crate) fn proxy(listen: SocketAddr, backends: &[SocketAddr]) -> Nginx {
        let config = PROXY.replace("# LISTENS", &lines("listen", &[listen]));
        Nginx::start(&config.replace("# SERVERS", &lines("server", backends)), listen)
    }

    /// What `nginx -s reload` does.
    pub(crate) fn reload(&self) {
        self.process.signal(Signal::HUP);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn start(config: &str, answers_at: SocketAddr) -> Nginx {
        let folder = TempDir::new().expect("a temporary directory");
        let file = folder.path().join("nginx.conf");
        let config = config.replace("FOLDER", &folder.path().display().to_string());
        std::fs::write(&file, config).expect("the folder is ours");
        let mut command = Command::new(program());
        command.arg("-p").arg(folder.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
        let process = match Background::try_spawn(command) {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!(
                    "there is no `nginx` on this machine: run `make bench-registry`, it installs nginx-light"
                )
            }
            Err(error) => panic!("cannot start nginx: {error}"),
        };
        eventually(Duration::from_secs(10), "nginx takes connections", || {
            assert!(process.exit_status().is_none(), "nginx ended: {}", process.stderr());
            TcpStream::connect(answers_at)
        });
        Nginx { process, _folder: folder }
    }
}

/// Debian puts it where only root looks.
fn program() -> &'static str {
    let sbin = "/usr/sbin/nginx";
    if std::path::Path::new(sbin).exists() { sbin } else { "nginx" }
}

fn lines(directive: &str, addresses: &[SocketAddr]) -> String {
    addresses.iter().map(|address| format!("{directive} {address};\n")).collect()
}
