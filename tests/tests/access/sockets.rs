//! On a host with many jobs the kernel says whose a socket is, and nobody has to guess.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::Stage;

/// A cgroup of the test's own; gone with the value.
struct Cgroup(PathBuf);

impl Cgroup {
    /// `None` where there is no cgroup v2 that can be written to.
    fn new(name: &str) -> Option<Cgroup> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
        let point = PathBuf::from(line.split(' ').nth(4)?);
        let path = point.join(format!("roundhouse-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).ok()?;
        Some(Cgroup(path))
    }

    fn id(&self) -> u64 {
        std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&self.0).unwrap())
    }

    /// A client in it: whether it gets its echo.
    fn lets_in(&self, client: std::net::IpAddr, server: std::net::SocketAddr) -> bool {
        let script = format!(
            "echo $$ > {}/cgroup.procs && exec /usr/bin/python3 -c \"import socket; \
             s = socket.create_connection(('{}', {}), 10, ('{client}', 0)); s.sendall(b'ping'); \
             print(s.recv(4).decode())\"",
            self.0.display(),
            server.ip(),
            server.port(),
        );
        let output = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).output().unwrap();
        output.stdout == b"ping\n"
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn the_owner_of_a_socket_is_whose_cgroup_made_it() {
    let (Some(good), Some(bad)) = (Cgroup::new("good"), Cgroup::new("bad")) else {
        println!("not tested: there is no cgroup v2 here that can be written to");
        return;
    };
    let stage = Stage::start();
    let lives = |job: &str, cgroup: &Cgroup| {
        let more = format!(r#","shared_ip":true,"meta":{{"cgroup":"{}"}}"#, cgroup.id());
        stage.lives(job, 0, &more);
    };
    lives("good", &good);
    lives("bad", &bad);
    stage.rule("yes", r#"{"to":{"job":"db"},"from":{"jobname":"job.good"},"action":"allow"}"#);
    // Of neither, and might be both.
    stage.wait_lets_in(0, false);
    let client = stage.client(0);
    assert!(good.lets_in(client, stage.vip), "it is the good one's");
    assert!(!bad.lets_in(client, stage.vip), "it is the bad one's");
    // A claim does not make it another one's: what the kernel says stands.
    let metrics = stage.gateway.api("/metrics").body;
    assert!(
        metrics.contains(r#"roundhouse_access_decisions_total{verdict="allow",reason="rule"} "#),
        "{metrics}"
    );
}
