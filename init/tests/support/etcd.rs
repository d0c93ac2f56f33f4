//! A real etcd for one test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::until;

/// A real etcd on ports of its own, with its data in a directory that goes with it.
pub(crate) struct Etcd {
    client: u16,
    peer: u16,
    data: tempfile::TempDir,
    pub(crate) server: Option<Child>,
}

impl Etcd {
    /// One that is not running yet.
    pub(crate) fn stopped() -> Self {
        Self { client: free_port(), peer: free_port(), data: tempfile::tempdir().unwrap(), server: None }
    }

    pub(crate) fn started() -> Self {
        let mut etcd = Self::stopped();
        etcd.start();
        etcd
    }

    pub(crate) fn start(&mut self) {
        let client = format!("http://127.0.0.1:{}", self.client);
        let peer = format!("http://127.0.0.1:{}", self.peer);
        let mut etcd = Command::new("etcd");
        etcd.arg("--data-dir").arg(self.data.path());
        etcd.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        etcd.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        etcd.args(["--initial-cluster", &format!("default={peer}")]);
        let server = etcd.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.server = Some(server.expect("these tests need etcd (Debian: etcd-server, etcd-client)"));
        until("etcd to answer", || self.etcdctl(&["endpoint", "health"]).is_some());
    }

    pub(crate) fn url(&self) -> String {
        format!("etcd://127.0.0.1:{}", self.client)
    }

    /// The instances' records as JSON, one a line.
    pub(crate) fn instances(&self) -> String {
        let get = ["get", "--prefix", "/roundhouse/v1/instances/app2/", "--print-value-only"];
        self.etcdctl(&get).expect("an answer of etcd")
    }

    pub(crate) fn until_state(&self, state: &str) {
        let part = format!("\"state\":\"{state}\"");
        until(&format!("the state {state}"), || self.instances().contains(&part));
    }

    /// As an operator does it: the lease stays. Only for one instance, and known to be `from`.
    pub(crate) fn set_state(&self, from: &str, to: &str) {
        let get = ["get", "--prefix", "/roundhouse/v1/instances/app2/", "--keys-only"];
        let keys = self.etcdctl(&get).expect("an answer of etcd");
        let record =
            self.instances().replace(&format!("\"state\":\"{from}\""), &format!("\"state\":\"{to}\""));
        self.etcdctl(&["put", "--ignore-lease", keys.trim(), record.trim()]).expect("an answer of etcd");
        self.until_state(to);
    }

    /// A record, as an operator writes it.
    pub(crate) fn put(&self, key: &str, value: &str) {
        self.etcdctl(&["put", &format!("/roundhouse/v1/{key}"), value]).expect("an answer of etcd");
    }

    pub(crate) fn value(&self, key: &str) -> String {
        let get = ["get", &format!("/roundhouse/v1/{key}"), "--print-value-only"];
        self.etcdctl(&get).expect("an answer of etcd")
    }

    fn etcdctl(&self, arguments: &[&str]) -> Option<String> {
        let mut etcdctl = Command::new("etcdctl");
        etcdctl.env("ETCDCTL_API", "3").arg("--endpoints").arg(format!("127.0.0.1:{}", self.client));
        let output = etcdctl.args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
