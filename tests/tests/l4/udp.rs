//! Datagrams: a session a client, one instance a session, and answers from the address that was asked.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use roundhouse_tests::{Background, Gateway, SOON, eventually, seen};

/// Answers each datagram with its own name and the same bytes, until it is dropped.
struct Echo {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    serving: Option<std::thread::JoinHandle<()>>,
}

impl Echo {
    fn start(address: SocketAddr, name: &'static [u8]) -> Echo {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let serving = std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while !stopped.load(Relaxed) {
                if let Ok((n, from)) = socket.recv_from(&mut bytes) {
                    let _ = socket.send_to(&[name, &bytes[..n]].concat(), from);
                }
            }
        });
        Echo { address, stop, serving: Some(serving) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // The socket closes with its thread: who sends there next gets an ICMP error.
        let _ = self.serving.take().map(std::thread::JoinHandle::join);
    }
}

fn udp_job(gateway: &Gateway, label: &str, more: &str, instances: &[SocketAddr]) -> SocketAddr {
    gateway.write_job(label, r#""port":7000,"protocol":"udp""#, more);
    for address in instances {
        gateway.register(label, *address);
    }
    gateway.wait_up(label, instances.len());
    SocketAddr::new(gateway.vip(label), 7000)
}

fn client(gateway: &Gateway) -> UdpSocket {
    let socket = UdpSocket::bind((gateway.net.address(50), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket
}

/// The answer and its source; asks again, as those who use datagrams do.
#[track_caller]
fn ask(client: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> (Vec<u8>, SocketAddr) {
    let mut back = vec![0; 1 << 16];
    eventually(SOON, &format!("{to} answers"), || {
        client.send_to(bytes, to)?;
        let (n, from) = client.recv_from(&mut back)?;
        Ok::<_, std::io::Error>((back[..n].to_vec(), from))
    })
}

/// Drops what is still on its way from an earlier question.
fn settle(client: &UdpSocket) {
    client.set_nonblocking(true).unwrap();
    let mut bytes = [0; 16];
    while !matches!(client.recv_from(&mut bytes), Err(error) if error.kind() == ErrorKind::WouldBlock) {}
    client.set_nonblocking(false).unwrap();
}

#[test]
fn answers_come_from_the_address_that_was_asked() {
    let gateway = Gateway::start();
    let names: [&'static [u8]; 3] = [b"0:", b"1:", b"2:"];
    let apps: Vec<_> = names
        .iter()
        .zip(0..)
        .map(|(name, n)| Echo::start(SocketAddr::new(gateway.net.app(n), 7000), name))
        .collect();
    let vips: Vec<_> = apps
        .iter()
        .zip(["a", "b", "c"])
        .map(|(app, label)| udp_job(&gateway, label, "", &[app.address]))
        .collect();
    let entrypoint = gateway.put_entrypoint("udp", 7100, r#""protocol":"udp","job":"a""#);
    // One socket that asks all of them, in turns.
    let client = client(&gateway);
    for round in 0..20 {
        for (vip, name) in vips.iter().chain([&entrypoint]).zip([names[0], names[1], names[2], names[0]]) {
            settle(&client);
            let text = format!("round {round}");
            let (answer, from) = ask(&client, *vip, text.as_bytes());
            assert_eq!((answer, from), ([name, text.as_bytes()].concat(), *vip));
        }
    }
}

#[test]
fn the_least_and_the_largest_datagram_go_through() {
    let gateway = Gateway::start();
    let app = Echo::start(SocketAddr::new(gateway.net.app(0), 7000), b"");
    let vip = udp_job(&gateway, "udp", "", &[app.address]);
    let client = client(&gateway);
    for length in [0, 1, 1_472, 9_000, 65_507] {
        let bytes: Vec<u8> = (0..length).map(|n: u32| n as u8).collect();
        settle(&client);
        let (answer, from) = ask(&client, vip, &bytes);
        assert!(answer == bytes, "{} of {length} bytes", answer.len());
        assert_eq!(from, vip);
    }
}

#[test]
fn a_client_stays_at_its_instance_and_clients_are_shared_out() {
    let gateway = Gateway::start();
    let (a, b) = (SocketAddr::new(gateway.net.app(0), 7000), SocketAddr::new(gateway.net.app(1), 7000));
    let (_a, _b) = (Echo::start(a, b"a:"), Echo::start(b, b"b:"));
    let vip = udp_job(&gateway, "udp", "", &[a, b]);
    let mut shares = [0, 0];
    for _ in 0..40 {
        let client = client(&gateway);
        let first = ask(&client, vip, b"x").0;
        for _ in 0..5 {
            settle(&client);
            assert_eq!(ask(&client, vip, b"x").0, first);
        }
        shares[usize::from(first == b"b:x")] += 1;
    }
    assert!(shares[0] >= 12 && shares[1] >= 12, "{shares:?}");
}

#[test]
fn the_next_datagram_after_an_icmp_error_reaches_another_instance() {
    let gateway = Gateway::start();
    let (a, b) = (SocketAddr::new(gateway.net.app(0), 7000), SocketAddr::new(gateway.net.app(1), 7000));
    let mut apps = [Some(Echo::start(a, b"a:")), Some(Echo::start(b, b"b:"))];
    let vip = udp_job(&gateway, "udp", "", &[a, b]);
    let client = client(&gateway);
    let first = ask(&client, vip, b"x").0;
    let (gone, other) = if first == b"a:x" { (0, b"b:x") } else { (1, b"a:x") };
    apps[gone] = None;
    settle(&client);
    let answer = eventually(SOON, "the other instance answers", || {
        client.send_to(b"x", vip)?;
        let mut back = [0; 16];
        let n = client.recv(&mut back)?;
        Ok::<_, std::io::Error>(back[..n].to_vec())
    });
    assert_eq!(answer, other);
    gateway.wait_reason("unreachable", 1);
}

#[test]
fn a_quiet_session_ends_and_a_later_datagram_begins_another() {
    let mut gateway = Gateway::prepared("embedded", "[limits]\nudp_idle = \"1s\"");
    gateway.run();
    let app = Echo::start(SocketAddr::new(gateway.net.app(0), 7000), b"");
    let vip = udp_job(&gateway, "udp", "", &[app.address]);
    let client = client(&gateway);
    ask(&client, vip, b"hello");
    let sessions = || gateway.connections("?job=udp").len();
    eventually(SOON, "the session is listed", || seen(sessions(), |count| *count == 1));
    eventually(SOON, "the session ends", || seen(sessions(), |count| *count == 0));
    settle(&client);
    assert_eq!(ask(&client, vip, b"again").0, b"again");
}

#[test]
fn a_job_says_how_long_its_sessions_may_be_quiet() {
    let gateway = Gateway::start();
    let apps = [0, 1].map(|n| Echo::start(SocketAddr::new(gateway.net.app(n), 7000), b""));
    let brief = udp_job(&gateway, "brief", r#""timeouts":{"idle":"1s"}"#, &[apps[0].address]);
    let patient = udp_job(&gateway, "patient", "", &[apps[1].address]);
    let client = client(&gateway);
    for vip in [patient, brief] {
        settle(&client);
        ask(&client, vip, b"hello");
    }
    gateway.wait_reason("idle", 1);
    let open = |label| gateway.connections(&format!("?job={label}")).len();
    assert_eq!((open("brief"), open("patient")), (0, 1));
    let shown = |name: &str| {
        let metrics = gateway.api("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("roundhouse_{name} ")));
        line.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    // They are told once in half a second.
    eventually(SOON, "the sessions are counted", || seen(shown("udp_sessions_open"), |open| *open == 1));
    assert!(shown("udp_sessions_total") >= 2 && shown("udp_datagrams_to_clients_total") >= 2);
}

#[test]
fn a_session_too_many_is_counted_and_the_others_go_on() {
    let mut gateway = Gateway::prepared("embedded", "[limits]\nconnections_per_client = 2");
    gateway.run();
    let app = Echo::start(SocketAddr::new(gateway.net.app(0), 7000), b"");
    let vip = udp_job(&gateway, "udp", "", &[app.address]);
    let held = [client(&gateway), client(&gateway)];
    for one in &held {
        assert_eq!(ask(one, vip, b"mine").0, b"mine");
    }
    let third = client(&gateway);
    third.send_to(b"too many", vip).unwrap();
    gateway.wait_reason("client_full", 1);
    assert!(third.recv_from(&mut [0; 16]).is_err());
    for one in &held {
        settle(one);
        assert_eq!(ask(one, vip, b"mine").0, b"mine");
    }
}

#[test]
fn dig_asks_a_dns_server_by_udp_and_by_tcp() {
    let gateway = Gateway::start();
    let address = SocketAddr::new(gateway.net.app(0), 5353);
    let mut command = Command::new("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
    ]);
    command.args(["--user=root", "--port=5353", "--pid-file", "--no-daemon"]);
    command.arg(format!("--listen-address={}", address.ip())).arg("--address=/name.test/192.0.2.7");
    let _server = Background::spawn(command);
    eventually(SOON, "dnsmasq listens", || std::net::TcpStream::connect(address).is_ok());
    let ports =
        r#""ports":[{"name":"udp","port":53,"protocol":"udp"},{"name":"tcp","port":5353,"protocol":"tcp"}]"#;
    let record = format!(r#"{{"jobname":"job.dns",{ports},"check":null}}"#);
    assert_eq!(gateway.call("PUT", "/v1/jobs/dns", &record).status, 201);
    let instance = format!(r#"{{"address":"{}","ports":{{"udp":5353,"tcp":5353}}}}"#, address.ip());
    assert_eq!(gateway.call("POST", "/v1/instances/dns", &instance).status, 201);
    gateway.wait_up("dns", 1);
    let vip = gateway.listening_vip("dns", 5353).ip();
    for options in [&["-p", "53"][..], &["-p", "5353", "+tcp"]] {
        let mut dig = Command::new("dig");
        dig.args(["+short", "+time=2", "+tries=5", &format!("@{vip}"), "name.test"]).args(options);
        let output = dig.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "192.0.2.7", "{output:?}");
    }
}
