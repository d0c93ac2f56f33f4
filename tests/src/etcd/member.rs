//! One etcd process, alone or in a cluster.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Background, Certificates, SOON, free_port};

/// A frozen member takes the connection and does not answer.
const GLANCE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Member {
    /// First, so that it is dropped before its data.
    running: Option<Background>,
    /// Where it keeps everything; kept over a stop.
    data: TempDir,
    pub(super) port: u16,
    pub(super) peer_port: u16,
    /// Without TLS and users, for `/health` and `/metrics`.
    metrics_port: u16,
    /// A second address for clients, at the same port.
    pub(super) also: Option<IpAddr>,
}

impl Member {
    pub(super) fn stopped() -> Member {
        let data = TempDir::new().expect("a temporary directory");
        Member {
            running: None,
            data,
            port: free_port(),
            peer_port: free_port(),
            metrics_port: free_port(),
            also: None,
        }
    }

    /// Other ports, for one that was overtaken at its own.
    pub(super) fn move_ports(&mut self) {
        (self.port, self.peer_port, self.metrics_port) = (free_port(), free_port(), free_port());
    }

    pub(super) fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer_port)
    }

    /// `initial`: every member of the cluster, as `name=peer-url`.
    #[track_caller]
    pub(super) fn spawn(
        &mut self,
        name: &str,
        initial: &str,
        tls: Option<&Certificates>,
        more: &[&str],
    ) -> &Background {
        assert!(self.running.is_none(), "etcd runs already");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut client = format!("{scheme}://127.0.0.1:{}", self.port);
        if let Some(also) = self.also {
            client += &format!(",{scheme}://{also}:{}", self.port);
        }
        let mut command = Command::new("etcd");
        command.args(["--name", name]).arg("--data-dir").arg(self.data.path().join("data"));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        let peer = self.peer_url();
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", initial]);
        command.args(["--listen-metrics-urls", &format!("http://127.0.0.1:{}", self.metrics_port)]);
        // Passwords are checked in a millisecond; the default takes 50.
        command.args(["--bcrypt-cost", "4"]).args(more);
        if let Some(tls) = tls {
            let file = |option: &str, path: PathBuf| [option.into(), path.into_os_string()];
            command.arg("--client-cert-auth").args(file("--trusted-ca-file", tls.ca()));
            command.args(file("--cert-file", tls.server().cert)).args(file("--key-file", tls.server().key));
        }
        let program = match Background::try_spawn(command) {
            Ok(program) => program,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("there is no `etcd` on this machine: run `make test`, it installs etcd-server")
            }
            Err(error) => panic!("cannot start etcd: {error}"),
        };
        self.running.insert(program)
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn program(&self) -> &Background {
        self.running.as_ref().expect("etcd runs")
    }

    /// Sends the signal and waits for the end; nothing if it does not run.
    #[track_caller]
    pub(super) fn end(&mut self, signal: Signal) {
        if let Some(running) = self.running.take() {
            running.signal(signal);
            running.wait_exit(SOON);
        }
    }

    /// Forgets a process that has ended by itself.
    pub(super) fn buried(&mut self) {
        self.running = None;
    }

    pub(super) fn lose_data(&mut self) {
        assert!(self.running.is_none(), "etcd runs");
        self.data = TempDir::new().expect("a temporary directory");
    }

    /// etcd's own `/health` is a linearizable read.
    pub(super) fn is_healthy(&self) -> bool {
        self.get("/health").is_some_and(|answer| answer.contains(r#"{"health":"true"}"#))
    }

    pub(super) fn is_listening(&self) -> bool {
        self.get("/health").is_some()
    }

    pub(super) fn is_leader(&self) -> bool {
        self.running.is_some()
            && self
                .get("/metrics")
                .is_some_and(|metrics| metrics.lines().any(|line| line == "etcd_server_is_leader 1"))
    }

    fn get(&self, path: &str) -> Option<String> {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.metrics_port))?;
            stream.set_read_timeout(Some(GLANCE))?;
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().ok()
    }
}
