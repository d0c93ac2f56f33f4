//! Against the kernel: clients are processes of their own, each in a cgroup made for it. Where none can be made (no
//! privileges, no cgroup v2), those tests say so and do nothing.

use std::env;
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use roundhouse_registry::registrar::own_cgroup;

use super::*;

#[test]
fn a_tcp_peer_is_of_its_cgroup() {
    for (name, at, to) in [
        ("tcp-v4", "127.0.0.1", "127.0.0.1"),
        ("tcp-v6", "[::1]", "[::1]"),
        // An IPv6 socket that speaks IPv4, and one that is listened with.
        ("tcp-mapped", "127.0.0.1", "[::ffff:127.0.0.1]"),
        ("tcp-mapped-both", "[::]", "[::ffff:127.0.0.1]"),
        ("tcp-dual", "[::]", "127.0.0.1"),
    ] {
        let Some(cgroup) = Cgroup::new(name) else { return };
        let listener = TcpListener::bind(format!("{at}:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = cgroup.client(&format!("tcp {to}:{port}"));
        await_readable(&listener);
        let (stream, peer) = listener.accept().unwrap();
        let remote = stream.local_addr().unwrap();

        let owners = Owners::new();
        let owner = owners.owner(Protocol::Tcp, peer, remote).unwrap().unwrap();
        assert_eq!(owner.cgroup, cgroup.id(), "{name}");
        assert_ne!(owner.inode, 0, "{name}");
        assert_eq!(owner.uid, rustix::process::geteuid().as_raw(), "{name}");
        // Our end of it is another socket, of our own cgroup.
        let own = owners.owner(Protocol::Tcp, remote, peer).unwrap().unwrap();
        assert_eq!(Some(own.cgroup), own_cgroup().unwrap(), "{name}");
    }
}

#[test]
fn a_udp_peer_is_of_its_cgroup() {
    for (name, how, at, from, to) in [
        ("udp-connected-v4", "connected", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("udp-connected-v6", "connected", "[::1]", "[::1]", "[::1]"),
        ("udp-connected-mapped", "connected", "127.0.0.1", "[::]", "[::ffff:127.0.0.1]"),
        ("udp-connected-any", "connected", "127.0.0.1", "0.0.0.0", "127.0.0.1"),
        ("udp-v4", "unconnected", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("udp-any-v4", "unconnected", "127.0.0.1", "0.0.0.0", "127.0.0.1"),
        ("udp-any-v6", "unconnected", "[::1]", "[::]", "[::1]"),
        ("udp-any-mapped", "unconnected", "127.0.0.1", "[::]", "[::ffff:127.0.0.1]"),
    ] {
        let Some(cgroup) = Cgroup::new(name) else { return };
        let socket = UdpSocket::bind(format!("{at}:0")).unwrap();
        let remote = socket.local_addr().unwrap();
        let _client = cgroup.client(&format!("{how} {to}:{} {from}:0", remote.port()));
        await_readable(&socket);
        let (_, peer) = socket.recv_from(&mut [0; 16]).unwrap();

        let owners = Owners::new();
        let owner = owners.owner(Protocol::Udp, peer, remote).unwrap().expect(name);
        assert_eq!(owner.cgroup, cgroup.id(), "{name}");
        assert_ne!(owner.inode, 0, "{name}");
        // A connected one speaks to nobody else.
        let other = SocketAddr::new(remote.ip(), remote.port() ^ 1);
        let elsewhere = owners.owner(Protocol::Udp, peer, other).unwrap();
        assert_eq!(elsewhere.is_some(), how == "unconnected", "{name}");
    }
}

#[test]
fn no_socket_has_no_owner() {
    let owners = Owners::new();
    // Port 1 (tcpmux) is nobody's, and no ephemeral one.
    for (socket, remote) in
        [("127.0.0.1:1", "127.0.0.1:1"), ("[::1]:1", "[::1]:1"), ("127.0.0.1:1", "[::1]:1")]
    {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let owner = owners.owner(protocol, socket.parse().unwrap(), remote.parse().unwrap());
            assert_eq!(owner.unwrap(), None, "{protocol:?} {socket}");
        }
    }
}

/// The kernel offers the listener when it finds no connection.
#[test]
fn a_listener_at_the_peer_s_address_is_not_the_peer() {
    for at in ["127.0.0.1:0", "[::]:0"] {
        let listener = TcpListener::bind(at).unwrap();
        let socket = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
        let remote = "127.0.0.1:1".parse().unwrap();
        assert_eq!(Owners::new().owner(Protocol::Tcp, socket, remote).unwrap(), None);
    }
}

#[test]
fn a_closed_peer_is_never_taken_for_another() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap();
    let client = TcpStream::connect(remote).unwrap();
    let peer = client.local_addr().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let owners = Owners::new();
    let open = owners.owner(Protocol::Tcp, peer, remote).unwrap().unwrap();
    drop(client);
    // First FIN_WAIT2, then TIME_WAIT, of which the kernel keeps no more than its timer needs. Neither need come at
    // once: a process that another test is about to start has the descriptor until execve(2) closes it.
    let same = |owner: Option<Owner>| owner.is_none_or(|owner| owner.cgroup == open.cgroup);
    assert!(same(owners.owner(Protocol::Tcp, peer, remote).unwrap()));
    drop(stream);
    assert!(same(owners.owner(Protocol::Tcp, peer, remote).unwrap()));
}

/// What a container sees: its own cgroup is `/`, and its mount begins there.
#[test]
fn a_namespace_does_not_change_one_s_own_cgroup() {
    if let Some(report) = env::var_os(REPORT) {
        fs::write(report, format!("{:?}", own_cgroup().unwrap())).unwrap();
        return;
    }
    let Some(cgroup) = Cgroup::new("namespace") else { return };
    let report = tempfile::NamedTempFile::new().unwrap();
    let point = tempfile::tempdir().unwrap();
    // The namespace's root is the cgroup that unshare(1) is in. Mounts from before begin above it.
    let script = r#"mount -t cgroup2 none "$0" && grep -qx 0::/ /proc/self/cgroup && exec "$@""#;
    let status = cgroup
        .command("unshare")
        .args(["--cgroup", "--mount", "sh", "-c", script])
        .arg(point.path())
        .args(this_test("a_namespace_does_not_change_one_s_own_cgroup"))
        .env(REPORT, report.path())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(fs::read_to_string(report.path()).unwrap(), format!("{:?}", Some(cgroup.id())));
}

const REPORT: &str = "OWN_CGROUP_REPORT";

/// To be read with `--nocapture`.
#[test]
fn what_a_lookup_takes() {
    const ROUNDS: u32 = 2_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap();
    let stream = TcpStream::connect(remote).unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let owners = Owners::new();
    for (what, protocol, peer) in [
        ("TCP", Protocol::Tcp, stream.local_addr().unwrap()),
        ("UDP", Protocol::Udp, datagrams.local_addr().unwrap()),
        ("TCP, unknown", Protocol::Tcp, "127.0.0.1:1".parse().unwrap()),
    ] {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            owners.owner(protocol, peer, remote).unwrap();
        }
        let taken = start.elapsed() / ROUNDS;
        eprintln!("{what}: {:.1} us a lookup", taken.as_secs_f64() * 1e6);
    }
}

/// The other end, when it is run by [`Cgroup::client`]; elsewhere no test at all.
#[test]
fn client() {
    let Ok(task) = env::var(TASK) else { return };
    match task.split(' ').collect::<Vec<_>>()[..] {
        ["tcp", to] => {
            let _stream = TcpStream::connect(to).unwrap();
            stay();
        }
        ["connected", to, from] => {
            let socket = UdpSocket::bind(from).unwrap();
            socket.connect(to).unwrap();
            socket.send(b"hello").unwrap();
            stay();
        }
        ["unconnected", to, from] => {
            let socket = UdpSocket::bind(from).unwrap();
            socket.send_to(b"hello", to).unwrap();
            stay();
        }
        _ => panic!("{task}"),
    }
}

const TASK: &str = "OWNER_TEST_CLIENT";

/// Until the test has seen enough.
fn stay() {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A cgroup for one test, removed with it.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Option<Cgroup> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let point = mounts.lines().find(|mount| mount.contains(" - cgroup2 "))?.split(' ').nth(4)?;
        let path = PathBuf::from(point).join(format!("roundhouse-owner-{}-{name}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Some(Cgroup(path)),
            Err(error) => {
                eprintln!("not tested: {}: {error}", path.display());
                None
            }
        }
    }

    fn id(&self) -> u64 {
        fs::metadata(&self.0).unwrap().ino()
    }

    /// A program that is in the cgroup before it begins.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(self.0.join("cgroup.procs")).arg(program);
        command
    }

    fn client(&self, task: &str) -> Running {
        let [program, rest @ ..] = this_test("client");
        let mut command = self.command(&program);
        command.args(rest).env(TASK, task).stdin(Stdio::piped()).stdout(Stdio::null());
        Running(command.spawn().unwrap())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

/// Gone, and waited for, when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This program with that test of this module only. Tests are named without their crate.
fn this_test(name: &str) -> [String; 3] {
    let program = env::current_exe().unwrap().into_os_string().into_string().unwrap();
    let (_, module) = module_path!().split_once("::").unwrap();
    [program, "--exact".to_owned(), format!("{module}::{name}")]
}

fn await_readable(socket: &impl AsFd) {
    let deadline = Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&deadline)).unwrap(), 1, "nobody came");
}
