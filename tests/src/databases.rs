//! Database servers that people run, unchanged, and their command line clients.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::{Background, SOON, eventually, is_root};

/// Everything that a client prints.
pub fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).trim().to_owned()
}

/// The client's answer to what it is given.
pub fn with_input(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the client is installed");
    // One that is refused early does not take all of it.
    let _ = child.stdin.take().expect("it was piped").write_all(input);
    child.wait_with_output().expect("it ends")
}

/// Without a file on disk.
#[derive(Debug)]
pub struct Redis {
    _server: Background,
    _folder: TempDir,
}

impl Redis {
    pub fn start(address: SocketAddr, more: &[&str]) -> Redis {
        let folder = TempDir::new().expect("a temporary directory");
        let mut command = Command::new("redis-server");
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(folder.path()).args(more);
        let server = Background::spawn(command);
        eventually(SOON, "redis listens", || TcpStream::connect(address).is_ok());
        Redis { _server: server, _folder: folder }
    }
}

/// Whoever comes is whom he says that he is. PostgreSQL refuses to be root, so root hands its folder to the user that the
/// package made.
#[derive(Debug)]
pub struct Postgres {
    _server: Background,
    _folder: TempDir,
}

impl Postgres {
    pub fn start(address: SocketAddr) -> Postgres {
        let folder = TempDir::new().expect("a temporary directory");
        if is_root() {
            let status = Command::new("chown").arg("postgres").arg(folder.path()).status();
            assert!(status.expect("chown is there").success());
        }
        let data = folder.path().join("data");
        let mut init = as_its_user(&program("initdb"));
        init.args(["--auth=trust", "--username=test", "--no-sync", "--pgdata"]).arg(&data);
        let output = init.current_dir(folder.path()).output().expect("postgresql is installed");
        assert!(output.status.success(), "{}", said(&output));
        let mut command = as_its_user(&program("postgres"));
        command.arg("-D").arg(&data).current_dir(folder.path());
        let settings = [
            format!("listen_addresses={}", address.ip()),
            format!("port={}", address.port()),
            format!("unix_socket_directories={}", folder.path().display()),
            "fsync=off".into(),
            "shared_buffers=16MB".into(),
            "dynamic_shared_memory_type=mmap".into(),
        ];
        for setting in &settings {
            command.args(["-c", setting]);
        }
        let server = Background::spawn(command);
        server.wait_line(SOON * 3, "ready to accept connections");
        Postgres { _server: server, _folder: folder }
    }
}

/// Debian has them in a folder a version, which is in nobody's PATH.
fn program(name: &str) -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("postgresql is installed");
    let mut found: Vec<_> = versions.flatten().map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop().expect("postgresql is installed").display().to_string()
}

fn as_its_user(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]);
    command
}

/// Without users: everybody may do everything, and is told what is wrong all the same.
#[derive(Debug)]
pub struct MariaDb {
    _server: Background,
    _folder: TempDir,
}

impl MariaDb {
    pub fn start(address: SocketAddr, more: &[&str]) -> MariaDb {
        let home = TempDir::new().expect("a temporary directory");
        let folder = home.path().join("data");
        let installed = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--user=root",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", folder.display()))
            // A server that starts removes the temporary tables of all others from a folder that they share.
            .env("TMPDIR", home.path())
            .output()
            .expect("mariadb-server is installed");
        assert!(installed.status.success(), "{}", said(&installed));
        let mut command = Command::new("mariadbd");
        command.args(["--no-defaults", "--user=root", "--skip-grant-tables", "--skip-networking=0"]);
        command.arg(format!("--datadir={}", folder.display()));
        command.arg(format!("--tmpdir={}", home.path().display()));
        command.arg(format!("--bind-address={}", address.ip()));
        command.arg(format!("--port={}", address.port()));
        command.arg(format!("--socket={}", folder.join("socket").display()));
        command.args(more);
        let server = Background::spawn(command);
        eventually(SOON * 3, "mariadb listens", || TcpStream::connect(address).is_ok());
        MariaDb { _server: server, _folder: home }
    }
}
