//! The table, the route and the sockets of *capture*, for real, in a network of the test's own. What a gateway makes of
//! them is tested with the whole program.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use roundhouse::catch::capture::route::{self, Local};
use roundhouse::catch::capture::{Installed, Listeners, Table, nft};

const SOON: Duration = Duration::from_secs(10);

/// A job's VIP on loopback, on a routed prefix, and on a routed prefix of IPv6.
const LOOPBACK: &str = "127.99.0.7:1111";
const ROUTED: &str = "10.77.0.7:1111";
const V6: &str = "[fd99::7]:1111";

#[test]
fn local_tcp_is_caught_beside_an_app_on_the_same_port() {
    inside("local_tcp_is_caught_beside_an_app_on_the_same_port", || {
        let gateway = Gateway::start();
        let app = TcpListener::bind("[::]:1111").unwrap();
        for (vip, client) in [(LOOPBACK, "127.0.0.1"), (ROUTED, "192.168.5.1"), (V6, "fd00::1")] {
            let (mut ours, mut theirs) = gateway.caught(vip);
            assert_eq!(ours.local_addr().unwrap(), address(vip));
            assert_eq!(ours.peer_addr().unwrap().ip(), client.parse::<IpAddr>().unwrap());
            assert!(ours.nodelay().unwrap(), "inherited");
            theirs.write_all(b"ping").unwrap();
            let mut read = [0; 4];
            ours.read_exact(&mut read).unwrap();
            assert_eq!(&read, b"ping");
        }
        // A port that nobody had heard of needs nothing.
        gateway.caught("127.99.200.1:65535");
        // The app's own address is not touched.
        TcpStream::connect("127.0.0.1:1111").unwrap();
        app.accept().unwrap();
        app.set_nonblocking(true).unwrap();
        assert_eq!(app.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the app got a job's client");
    });
}

#[test]
fn an_app_may_begin_to_listen_while_a_client_is_connected() {
    inside("an_app_may_begin_to_listen_while_a_client_is_connected", || {
        let gateway = Gateway::start();
        let _connection = gateway.caught(LOOPBACK);
        // The standard library sets SO_REUSEADDR, as servers do.
        TcpListener::bind("0.0.0.0:1111").unwrap();
    });
}

#[test]
fn clients_are_spread_over_workers() {
    inside("clients_are_spread_over_workers", || {
        let gateway = Gateway::start();
        let clients: Vec<_> = (0..200).map(|_| TcpStream::connect(LOOPBACK).unwrap()).collect();
        let counts: Vec<_> = gateway.listeners.families[0].tcp.iter().map(accept_all).collect();
        assert_eq!(counts.iter().sum::<usize>(), clients.len());
        // 200 in 2: fewer than 60 has a chance of one in a hundred million.
        assert!(counts.iter().all(|count| *count > 60), "{counts:?}");
    });
}

#[test]
fn installed_twice_is_installed_once_and_edits_are_seen() {
    inside("installed_twice_is_installed_once_and_edits_are_seen", || {
        let gateway = Gateway::start();
        let once = ruleset();
        let again = nft::install(&gateway.table).unwrap();
        assert_eq!(ruleset(), once);
        assert!(again.stands().unwrap() && gateway.installed.stands().unwrap());

        let name = gateway.table.name().to_owned();
        sh(&format!("nft insert rule inet {name} catch tcp dport 22 accept"));
        assert!(!again.stands().unwrap(), "an edit was not seen");
        // What somebody else has installed by now is not ours to remove.
        again.remove().unwrap();
        assert!(ruleset().contains("dport 22"));
        let repaired = nft::install(&gateway.table).unwrap();
        assert_eq!(ruleset(), once);
        sh(&format!("nft delete table inet {name}"));
        assert!(!repaired.stands().unwrap(), "a removal was not seen");

        nft::install(&gateway.table).unwrap().remove().unwrap();
        assert_eq!(ruleset(), "");
        nft::remove(&name).unwrap();
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn two_gateways_with_their_own_prefixes_do_not_meet() {
    inside("two_gateways_with_their_own_prefixes_do_not_meet", || {
        sh("ip link set lo up");
        let [one, two] = ["127.98.0.0/16", "127.99.0.0/16"].map(|prefix| Gateway::of(&[prefix]));
        let _connections = (one.caught("127.98.0.7:1111"), two.caught("127.99.0.7:1111"));
        one.installed.remove().unwrap();
        two.caught_again();
        assert!(two.installed.stands().unwrap());
    });
}

#[test]
fn connections_outlive_the_table_and_the_listeners() {
    inside("connections_outlive_the_table_and_the_listeners", || {
        let gateway = Gateway::start();
        let mut connections = [LOOPBACK, ROUTED, V6].map(|vip| gateway.caught(vip));
        drop(gateway.listeners);
        echo(&mut connections);
        gateway.installed.remove().unwrap();
        echo(&mut connections);
        // The next gateway's table takes nothing from them.
        let next = Gateway::of(&["127.99.0.0/16", "10.77.0.0/16", "fd99::/64"]);
        echo(&mut connections);
        next.caught(LOOPBACK);
    });
}

#[test]
fn a_dead_gateway_refuses() {
    inside("a_dead_gateway_refuses", || {
        let gateway = Gateway::start();
        let app = TcpListener::bind("[::]:1111").unwrap();
        let udp_app = UdpSocket::bind("[::]:1111").unwrap();
        let target = gateway.listeners.families[0].target.clone();
        drop(gateway.listeners);
        refused();
        app.set_nonblocking(true).unwrap();
        assert_eq!(app.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the app got a job's client");
        udp_app.set_nonblocking(true).unwrap();
        assert_eq!(udp_app.recv(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
        // Whoever gets our port next is not transparent and so gets nothing.
        let _next = TcpListener::bind(("127.0.0.1", target.tcp)).unwrap();
        refused();
        // An app that has nothing to do with VIPs serves as ever.
        for own in ["127.0.0.1:1111", "192.168.5.1:1111", "[::1]:1111"] {
            TcpStream::connect_timeout(&address(own), SOON).unwrap();
        }
    });
}

#[test]
fn a_killed_gateway_is_replaced_by_the_next() {
    inside("a_killed_gateway_is_replaced_by_the_next", || {
        sh("ip link set lo up; ip addr add 192.168.5.1/24 dev lo; ip -6 addr add fd00::1/128 dev lo nodad");
        let mut killed = Command::new(std::env::current_exe().unwrap());
        killed.args(["--exact", "serves_until_killed", "--nocapture"]).env(SERVES, "1");
        let mut killed = Ended(killed.stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap());
        let lines = BufReader::new(killed.0.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("serves now")));
        TcpStream::connect_timeout(&address(LOOPBACK), SOON).unwrap();
        killed.0.kill().unwrap();
        killed.0.wait().unwrap();
        refused();

        let left = ruleset();
        let gateway = Gateway::start();
        assert_ne!(ruleset(), left, "it has other ports");
        assert_eq!(ruleset().matches("chain catch").count(), 1);
        for vip in [LOOPBACK, ROUTED, V6] {
            gateway.caught(vip);
        }
        // The killed one's routes are known as ours.
        for (prefix, source) in [("10.77.0.0/16", "192.168.5.1"), ("fd99::/64", "fd00::1")] {
            let prefix = prefix.parse().unwrap();
            assert_eq!(route::ensure(prefix, source.parse().ok()), Ok(Local::Ours));
            route::remove(prefix).unwrap();
        }
        gateway.installed.remove().unwrap();
        assert_eq!(ruleset(), "");
        assert_eq!(sh("ip route show table all proto 157; ip -6 route show table all proto 157"), "");
    });
}

/// The gateway that is killed: a process, not a test.
#[test]
fn serves_until_killed() {
    if std::env::var_os(SERVES).is_some() {
        let _gateway = Gateway::start();
        println!("serves now");
        // Until the test that has started it is gone.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }
}

const SERVES: &str = "ROUNDHOUSE_TEST_SERVES";

#[test]
fn routes_are_added_once_and_only_ours_removed() {
    inside("routes_are_added_once_and_only_ours_removed", || {
        sh("ip link set lo up; ip addr add 10.77.0.0/32 dev lo");
        let routed: IpNet = "10.77.0.0/16".parse().unwrap();
        // Its first address alone is; and the host has no address that others know.
        assert_eq!(route::is_local(routed), Ok(false));
        let error = route::ensure(routed, None).unwrap_err().to_string();
        assert!(error.contains("ip route replace local 10.77.0.0/16 dev lo src <host address>"), "{error}");
        sh("ip addr add 192.168.5.1/24 dev lo; ip -6 addr add fd00::1/128 dev lo nodad");
        // A server of a failover pair: any bind succeeds, so a bind says nothing.
        sh("sysctl -qw net.ipv4.ip_nonlocal_bind=1");
        assert_eq!(route::is_local(routed), Ok(false));

        for (prefix, source) in
            [("10.77.0.0/16", "192.168.5.1"), ("fd99::/64", "fd00::1"), ("10.78.0.1/32", "192.168.5.1")]
        {
            let (prefix, source) = (prefix.parse().unwrap(), source.parse().ok());
            for _ in 0..2 {
                assert_eq!(route::ensure(prefix, source), Ok(Local::Ours));
                assert_eq!(route::is_local(prefix), Ok(true));
            }
            route::remove(prefix).unwrap();
            assert_eq!(route::is_local(prefix), Ok(false));
            route::remove(prefix).unwrap();
        }

        sh("ip route add local 10.77.0.0/16 dev lo src 192.168.5.1");
        let theirs = Local::Theirs { source: "192.168.5.1".parse().ok() };
        assert_eq!(route::ensure(routed, None), Ok(theirs));
        route::remove(routed).unwrap();
        assert_eq!(route::is_local(routed), Ok(true));
    });
}

#[test]
fn what_is_missing_is_said_with_its_cure() {
    inside("what_is_missing_is_said_with_its_cure", || {
        sh("ip link set lo up");
        let gateway = Gateway::of(&["127.99.0.0/16"]);
        // Programs that are started keep no more than this thread may pass on.
        let none = rustix::thread::CapabilitySet::empty();
        rustix::thread::remove_capability_from_bounding_set(rustix::thread::CapabilitySet::NET_ADMIN)
            .unwrap();
        let sets = rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::set_capabilities(None, sets).unwrap();
        let error = nft::install(&gateway.table).unwrap_err().to_string();
        assert!(error.contains("AmbientCapabilities=CAP_NET_ADMIN"), "{error}");
        let error = route::ensure("10.77.0.0/16".parse().unwrap(), "127.0.0.1".parse().ok()).unwrap_err();
        let cure = "run once: ip route add local 10.77.0.0/16 dev lo src";
        assert!(error.to_string().contains(cure), "{error}");
        let error = Listeners::open(&["127.99.0.0/16".parse().unwrap()], 1).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}

/// What a gateway with two workers makes, in the order in which it makes it.
struct Gateway {
    listeners: Listeners,
    table: Table,
    installed: Installed,
}

impl Gateway {
    fn start() -> Gateway {
        sh(
            "ip link set lo up; ip addr replace 192.168.5.1/24 dev lo; ip -6 addr replace fd00::1/128 dev lo nodad",
        );
        for (prefix, source) in [("10.77.0.0/16", "192.168.5.1"), ("fd99::/64", "fd00::1")] {
            route::ensure(prefix.parse().unwrap(), source.parse().ok()).unwrap();
        }
        Gateway::of(&["127.99.0.0/16", "10.77.0.0/16", "fd99::/64"])
    }

    fn of(prefixes: &[&str]) -> Gateway {
        let prefixes: Vec<IpNet> = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
        let listeners = Listeners::open(&prefixes, 2).unwrap();
        let table = Table::new(prefixes[0], listeners.targets());
        let installed = nft::install(&table).unwrap();
        Gateway { table, installed, listeners }
    }

    /// Both ends of a local client's connection.
    #[track_caller]
    fn caught(&self, vip: &str) -> (TcpStream, TcpStream) {
        let theirs = TcpStream::connect_timeout(&address(vip), SOON).unwrap();
        (self.accept(address(vip)), theirs)
    }

    fn caught_again(&self) {
        let prefix = self.listeners.families[0].target.prefixes[0];
        self.caught(&SocketAddr::new(prefix.hosts().nth(8).unwrap(), 2222).to_string());
    }

    #[track_caller]
    fn accept(&self, vip: SocketAddr) -> TcpStream {
        let listeners = &self.listeners.families[usize::from(vip.is_ipv6())].tcp;
        let stream = eventually(|| listeners.iter().find_map(|listener| listener.accept().ok())).0;
        assert_eq!(stream.local_addr().unwrap(), vip);
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }
}

/// A connected socket: it takes answers from the VIP's port alone.
fn client_of(vip: SocketAddr) -> UdpSocket {
    let any = if vip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(vip).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

/// At once, at every VIP, with TCP and UDP; a client that waited for [`SOON`] would have another error.
#[track_caller]
fn refused() {
    for vip in [LOOPBACK, ROUTED, V6, "127.99.0.7:2222"].map(address) {
        let error = TcpStream::connect_timeout(&vip, SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{vip}");
        let client = client_of(vip);
        client.send(b"ask").unwrap();
        assert_eq!(client.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{vip}");
    }
}

#[track_caller]
fn echo(connections: &mut [(TcpStream, TcpStream)]) {
    for (ours, theirs) in connections {
        let mut read = [0; 4];
        theirs.write_all(b"ping").unwrap();
        ours.read_exact(&mut read).unwrap();
        ours.write_all(&read).unwrap();
        theirs.set_read_timeout(Some(SOON)).unwrap();
        theirs.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"ping");
    }
}

fn accept_all(listener: &TcpListener) -> usize {
    std::iter::from_fn(|| listener.accept().ok()).count()
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ruleset() -> String {
    sh("nft --stateless list ruleset")
}

#[track_caller]
fn eventually<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "nothing came");
        thread::yield_now();
    }
}

#[track_caller]
fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the body in private namespaces: outside it starts this test again, alone, in there.
#[track_caller]
fn inside(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "ROUNDHOUSE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}
