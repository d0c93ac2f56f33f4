//! A connection that one instance does not take goes to another before the client has lost a byte.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use roundhouse_tests::{End, Gateway, Server, dial, knock};

use crate::echoes;

#[test]
fn a_refused_connect_costs_no_client_anything() {
    let gateway = Gateway::start();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let nobody = SocketAddr::new(gateway.net.app(1), 7000);
    let vip = gateway.tcp_job("app", 7000, "", &[server.address, nobody]);
    for n in 0..200 {
        assert!(echoes(&mut dial(vip), b"hello"), "connection {n}");
    }
    let totals = gateway.api("/v1/status").json()["totals"].clone();
    assert!((50..=200).contains(&totals["retries"].as_u64().unwrap()), "{totals}");
}

#[test]
fn nobody_left_to_dial_is_a_reset_that_is_counted() {
    let gateway = Gateway::start();
    let nobody = [0, 1].map(|app| SocketAddr::new(gateway.net.app(app), 7000));
    let vip = gateway.tcp_job("app", 7000, "", &nobody);
    for _ in 0..10 {
        assert_eq!(knock(None, vip), (Vec::new(), End::Reset));
    }
    let totals = gateway.api("/v1/status").json()["totals"].clone();
    assert_eq!(totals["no_backend"], 10, "{totals}");
    gateway.wait_reason("no_backend", 10);
}

/// An instance that answers nothing at all: its backlog is full, so that the kernel drops each further SYN (tcp(7),
/// listen(2)), as a host that is cut off does.
struct Silent {
    address: SocketAddr,
    _listener: socket2::Socket,
    _held: Vec<TcpStream>,
}

impl Silent {
    fn start(address: SocketAddr) -> Silent {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let mut held = Vec::new();
        // Until a connect gets no answer; that is what it is to look like from now on.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            held.push(stream);
        }
        Silent { address, _listener: listener, _held: held }
    }
}

#[test]
fn a_silent_instance_costs_the_connect_timeout_and_no_more() {
    let gateway = Gateway::start();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let silent = Silent::start(SocketAddr::new(gateway.net.app(1), 7000));
    let vip = gateway.tcp_job("app", 7000, "", &[server.address, silent.address]);
    // Two turns of both, so that the silent one was somebody's first on each worker.
    let took: Vec<Duration> = (0..8)
        .map(|_| {
            let began = Instant::now();
            assert!(echoes(&mut dial(vip), b"hello"));
            began.elapsed()
        })
        .collect();
    let slow = took.iter().filter(|took| **took >= Duration::from_millis(900)).count();
    assert!(slow >= 1, "{took:?}");
    assert!(took.iter().all(|took| *took < Duration::from_secs(3)), "{took:?}");
    assert!(gateway.api("/v1/status").json()["totals"]["retries"].as_u64() >= Some(1));
}

#[test]
fn a_job_s_own_connect_timeout_is_the_one_that_counts() {
    let gateway = Gateway::start();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let silent = Silent::start(SocketAddr::new(gateway.net.app(1), 7000));
    let more = r#""timeouts":{"connect":"50ms"}"#;
    let vip = gateway.tcp_job("app", 7000, more, &[server.address, silent.address]);
    let began = Instant::now();
    for _ in 0..8 {
        assert!(echoes(&mut dial(vip), b"hello"));
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// A failed connect counts at once where a check can bring the instance back.
#[test]
fn a_checked_instance_that_refuses_is_passed_over_until_it_is_back() {
    let gateway = Gateway::start();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let second = SocketAddr::new(gateway.net.app(1), 7000);
    let was_up = Server::named(second, "");
    let check = r#""check":{"kind":"tcp","interval":"100ms","timeout":"1s","rise":1,"fall":1}"#;
    let vip = gateway.tcp_job("app", 7000, check, &[server.address, second]);
    gateway.wait_healthy("app", 2);
    drop(was_up);
    for n in 0..100 {
        assert!(echoes(&mut dial(vip), b"hello"), "connection {n}");
    }
    gateway.wait_healthy("app", 1);
    let back = TcpListener::bind(second).unwrap();
    gateway.wait_healthy("app", 2);
    drop(back);
}
