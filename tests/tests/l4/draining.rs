//! What becomes of live connections when their instance drains, goes or fails, and when a person closes them.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use roundhouse_tests::{End, Gateway, SOON, Server, dial, dial_from, eventually, read_to_its_end, seen};

use crate::echoes;

fn state(gateway: &Gateway, label: &str, id: &str, state: &str) {
    let body = format!(r#"{{"state":"{state}"}}"#);
    let reply = gateway.call("POST", &format!("/v1/instances/{label}/{id}/state"), &body);
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// A moment in which nothing may happen: long enough for a sweep, and for the control plane to act.
fn stays_open(stream: &mut TcpStream, moment: Duration) {
    let began = Instant::now();
    while began.elapsed() < moment {
        assert!(echoes(stream, b"open"), "closed after {:?}", began.elapsed());
    }
}

#[test]
fn a_draining_instance_keeps_what_it_has_until_the_job_s_deadline() {
    let gateway = Gateway::start();
    let servers = [0, 1].map(|app| Server::echo(SocketAddr::new(gateway.net.app(app), 7000)));
    let vip = gateway.tcp_job("app", 7000, r#""drain":"2s""#, &[servers[0].address]);
    let id = gateway.job("app")["instances"][0]["id"].as_str().unwrap().to_owned();
    let mut old = dial(vip);
    assert!(echoes(&mut old, b"before"));
    gateway.register("app", servers[1].address);
    gateway.wait_up("app", 2);

    let began = Instant::now();
    state(&gateway, "app", &id, "draining");
    eventually(SOON, "it drains", || {
        let job = gateway.job("app");
        let found = job["instances"].as_array().unwrap().iter().any(|one| one["state"] == "draining");
        if found { Ok(()) } else { Err(job) }
    });
    let (before, mut fresh) = (servers[0].accepted(), dial(vip));
    stays_open(&mut old, Duration::from_secs(1));
    for _ in 0..10 {
        assert!(echoes(&mut dial(vip), b"new work goes to the other"));
    }
    assert_eq!(servers[0].accepted(), before);
    assert_eq!(read_to_its_end(&mut old).1, End::Reset);
    assert!((1_900..8_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    gateway.wait_reason("drained", 1);
    assert!(echoes(&mut fresh, b"the other one's goes on"));
}

#[test]
fn an_instance_that_comes_back_in_time_keeps_its_connections() {
    let gateway = Gateway::start();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let vip = gateway.tcp_job("app", 7000, r#""drain":"2s""#, &[server.address]);
    let id = gateway.job("app")["instances"][0]["id"].as_str().unwrap().to_owned();
    let mut client = dial(vip);
    assert!(echoes(&mut client, b"before"));
    state(&gateway, "app", &id, "draining");
    stays_open(&mut client, Duration::from_millis(500));
    state(&gateway, "app", &id, "up");
    stays_open(&mut client, Duration::from_secs(4));
}

#[test]
fn gone_and_refusing_ends_its_connections_and_gone_alone_does_not() {
    let gateway = Gateway::start();
    // Two apps: one stays where it is when its record goes, the other's listener is closed.
    let alive = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let dying = Server::echo(SocketAddr::new(gateway.net.app(1), 7001));
    let alive_vip = gateway.tcp_job("alive", 7000, "", &[alive.address]);
    let dying_vip = gateway.tcp_job("dying", 7001, "", &[dying.address]);
    let (mut kept, mut lost) = (dial(alive_vip), dial(dying_vip));
    assert!(echoes(&mut kept, b"before") && echoes(&mut lost, b"before"));
    // Its connections' threads go on; only who connects is refused.
    drop(dying);
    let began = Instant::now();
    for label in ["alive", "dying"] {
        let id = gateway.job(label)["instances"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(gateway.call("DELETE", &format!("/v1/instances/{label}/{id}"), "").status, 200);
    }
    assert_eq!(read_to_its_end(&mut lost).1, End::Reset);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    gateway.wait_reason("gone", 1);
    stays_open(&mut kept, Duration::from_secs(1));
    assert_eq!(gateway.reason("gone"), 1);
}

/// An app whose check fails while its connections go on: its listener is closed.
fn failing(gateway: &Gateway, more: &str) -> (TcpStream, SocketAddr) {
    let address = SocketAddr::new(gateway.net.app(0), 7000);
    let server = Server::echo(address);
    let check = r#""check":{"kind":"tcp","interval":"100ms","timeout":"1s","rise":1,"fall":1}"#;
    let vip = gateway.tcp_job("app", 7000, &format!("{check}{more}"), &[address]);
    gateway.wait_healthy("app", 1);
    let mut client = dial(vip);
    assert!(echoes(&mut client, b"before"));
    drop(server);
    eventually(SOON, "its check fails", || {
        seen(gateway.job("app")["instances"][0]["health"]["main"].clone(), |health| health == "unhealthy")
    });
    (client, address)
}

#[test]
fn a_failing_check_cuts_nobody() {
    let gateway = Gateway::start();
    let (mut client, address) = failing(&gateway, "");
    stays_open(&mut client, Duration::from_secs(1));
    let back = TcpListener::bind(address).unwrap();
    gateway.wait_healthy("app", 1);
    stays_open(&mut client, Duration::from_millis(300));
    drop(back);
}

#[test]
fn a_failing_check_closes_them_where_the_job_says_so() {
    let gateway = Gateway::start();
    let (mut client, _) = failing(&gateway, r#","on_unhealthy":"close""#);
    assert_eq!(read_to_its_end(&mut client).1, End::Reset);
    gateway.wait_reason("unhealthy", 1);
}

#[test]
fn connections_are_listed_and_closed_by_what_is_known_of_them() {
    let gateway = Gateway::start();
    let servers = [0, 1].map(|app| Server::echo(SocketAddr::new(gateway.net.app(app), 7000)));
    let one = gateway.tcp_job("one", 7000, "", &[servers[0].address]);
    let two = gateway.tcp_job("two", 7000, "", &[servers[1].address]);
    let (a, b) = (gateway.net.address(50), gateway.net.address(51));
    let mut clients = [dial_from(a, one), dial_from(b, one), dial_from(a, two), dial_from(b, two)];
    for client in &mut clients {
        assert!(echoes(client, &[b'x'; 1_000]));
    }
    let all = eventually(SOON, "four connections", || {
        seen(gateway.connections(""), |list| list.iter().filter(|one| one["job"].is_string()).count() == 4)
    });
    let peer = clients[0].local_addr().unwrap().to_string();
    let first = all.iter().find(|one| one["client"] == peer).unwrap_or_else(|| panic!("{all:?}"));
    assert_eq!((first["job"].as_str(), first["kind"].as_str()), (Some("one"), Some("tcp")));
    assert_eq!(first["local"], one.to_string());
    assert_eq!(first["address"], servers[0].address.to_string());
    assert_eq!(
        (first["bytes_to_instance"].as_u64(), first["bytes_to_client"].as_u64()),
        (Some(1_000), Some(1_000))
    );
    assert_eq!(gateway.connections("?job=one").len(), 2);
    assert_eq!(gateway.connections(&format!("?job=two&client={a}")).len(), 1);

    let mut close = |query: &str, gone: &[usize], left: &[usize]| {
        let reply = gateway.call("DELETE", &format!("/v1/connections?{query}"), "");
        assert!(matches!(reply.status, 200 | 204), "{query}: {reply:?}");
        for n in gone {
            assert_eq!(read_to_its_end(&mut clients[*n]).1, End::Reset, "{query}: {n}");
        }
        for n in left {
            assert!(echoes(&mut clients[*n], b"still"), "{query}: {n}");
        }
    };
    close(&format!("job=one&client={b}"), &[1], &[0, 2, 3]);
    let id = first["id"].as_str().unwrap().to_owned();
    close(&format!("id={id}"), &[0], &[2, 3]);
    let instance = gateway.job("two")["instances"][0]["id"].as_str().unwrap().to_owned();
    close("job=nobody", &[], &[2, 3]);
    close(&format!("instance={instance}"), &[2, 3], &[]);
    gateway.wait_reason("operator", 4);
    // Everything at once is no slip of the finger.
    let reply = gateway.call("DELETE", "/v1/connections", "");
    assert!((400..500).contains(&reply.status), "{reply:?}");
}

#[test]
fn a_stopping_gateway_lets_connections_end_by_themselves_until_its_deadline() {
    let mut gateway = Gateway::prepared("embedded", "[limits]\ndrain = \"2s\"");
    gateway.run();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let vip = gateway.tcp_job("app", 7000, "", &[server.address]);
    let (mut ends, mut stays) = (dial(vip), dial(vip));
    assert!(echoes(&mut ends, b"before") && echoes(&mut stays, b"before"));
    let began = Instant::now();
    gateway.process().signal(roundhouse_tests::Signal::TERM);
    eventually(SOON, "the VIP is closed", || TcpStream::connect(vip).is_err());
    assert!(echoes(&mut ends, b"not cut"));
    ends.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(ends.read(&mut [0]).unwrap(), 0);
    assert!(read_to_its_end(&mut stays).0.is_empty());
    assert!(began.elapsed() >= Duration::from_millis(1_500), "{:?}", began.elapsed());
    let process = gateway.stopped();
    assert!(process.exit_status().unwrap().success(), "{}", process.stderr());
}
