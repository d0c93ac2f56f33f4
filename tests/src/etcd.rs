//! A real etcd of the test's own: one member, on loopback, in a temporary directory.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roundhouse_registry::Kv;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Background, SOON, eventually, free_port};

/// A start takes a quarter of a second; a machine that compiles meanwhile takes longer.
const START: Duration = Duration::from_secs(20);

/// The server. Dropping it kills it and deletes its data.
#[derive(Debug)]
pub struct Etcd {
    /// First, so that it is dropped before its data.
    running: Option<Background>,
    /// Where it keeps everything; kept over a stop.
    data: TempDir,
    port: u16,
    peer_port: u16,
}

impl Etcd {
    /// A new, empty one that runs.
    ///
    /// # Panics
    /// When there is no etcd on this machine, or it does not start.
    #[track_caller]
    pub fn running() -> Etcd {
        let mut etcd = Etcd::stopped();
        etcd.run(true);
        etcd
    }

    /// One that has never run; its address is known already.
    pub fn stopped() -> Etcd {
        let data = TempDir::new().expect("a temporary directory");
        Etcd { data, port: free_port(), peer_port: free_port(), running: None }
    }

    /// As an operator writes it: `etcd://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("etcd://127.0.0.1:{}", self.port)
    }

    /// As an etcd client dials it.
    pub fn endpoints(&self) -> Vec<String> {
        vec![format!("http://127.0.0.1:{}", self.port)]
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection of its own under the prefix.
    pub async fn kv(&self, prefix: &str) -> Arc<dyn Kv> {
        let options = roundhouse_registry::kv::etcd::Options::plain(&self.endpoints(), prefix);
        Arc::new(roundhouse_registry::kv::etcd::Etcd::new(options))
    }

    /// The bare client, for what somebody else does to the store: compaction, keys outside the prefix.
    pub async fn client(&self) -> etcd_client::Client {
        etcd_client::Client::connect(self.endpoints(), None).await.expect("nothing is dialled yet")
    }

    /// Runs again, at the same address with the same data, and answers when it is back.
    #[track_caller]
    pub fn start(&mut self) {
        self.run(false);
    }

    /// SIGTERM, as an operator stops it, and waits for the end.
    #[track_caller]
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// SIGKILL, as the power goes, and waits for the end.
    #[track_caller]
    pub fn kill9(&mut self) {
        self.end(Signal::KILL);
    }

    /// Its disk is gone: the next start is another cluster at the same address.
    pub fn lose_data(&mut self) {
        assert!(self.running.is_none(), "etcd runs");
        self.data = TempDir::new().expect("a temporary directory");
    }

    /// SIGSTOP: connections stand and nobody answers.
    pub fn pause(&self) {
        self.program().signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.program().signal(Signal::CONT);
    }

    fn program(&self) -> &Background {
        self.running.as_ref().expect("etcd runs")
    }

    #[track_caller]
    fn end(&mut self, signal: Signal) {
        if let Some(running) = self.running.take() {
            running.signal(signal);
            running.wait_exit(SOON);
        }
    }

    /// Starts it until it is ready; one that was overtaken at a port (`new`: then another is chosen) starts again.
    #[track_caller]
    fn run(&mut self, new: bool) {
        assert!(self.running.is_none(), "etcd runs already");
        let end = Instant::now() + START;
        loop {
            let program = self.spawn();
            let ready = eventually(START, "etcd is ready or has ended", || match program.exit_status() {
                Some(_) => Some(false),
                None => self.healthy().then_some(true),
            });
            if ready {
                self.running = Some(program);
                return;
            }
            let log = program.tail();
            let overtaken = log.contains("address already in use") && Instant::now() < end;
            assert!(overtaken, "etcd does not start:\n{log}");
            if new {
                (self.port, self.peer_port) = (free_port(), free_port());
            }
        }
    }

    fn spawn(&self) -> Background {
        let client = format!("http://127.0.0.1:{}", self.port);
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(self.data.path().join("data"));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("default={peer}")]);
        // A member alone elects itself after one election timeout; and the least lease is 1.5 of them, so 1 s then.
        command.args(["--heartbeat-interval", "20", "--election-timeout", "200"]);
        match Background::try_spawn(command) {
            Ok(program) => program,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("there is no `etcd` on this machine: run `make test`, it installs etcd-server")
            }
            Err(error) => panic!("cannot start etcd: {error}"),
        }
    }

    /// etcd's own `/health` is a linearizable read.
    fn healthy(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(SOON))?;
            stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.contains(r#"{"health":"true"}"#))
    }
}
