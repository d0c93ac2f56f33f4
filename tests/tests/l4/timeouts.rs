//! Quiet connections end, and busy ones that are over their time, each with its reason.

use std::io::Read;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use roundhouse_tests::{End, Gateway, Server, dial, read_to_its_end};

use crate::echoes;

fn started(limits: &str) -> (Gateway, [Server; 2]) {
    let mut gateway = Gateway::prepared("embedded", &format!("[limits]\n{limits}"));
    gateway.run();
    let servers = [0, 1].map(|app| Server::echo(SocketAddr::new(gateway.net.app(app), 7000)));
    (gateway, servers)
}

/// A sweep is late by half a second, and a loaded machine by more.
const LATE: Duration = Duration::from_secs(4);

#[test]
fn a_quiet_connection_ends_after_the_idle_timeout_and_a_talking_one_goes_on() {
    let (gateway, [server, _]) = started("idle_timeout = \"1s\"");
    let vip = gateway.tcp_job("echo", 7000, "", &[server.address]);
    let mut talking = dial(vip);
    let mut quiet = dial(vip);
    let began = Instant::now();
    assert!(echoes(&mut quiet, b"hello"));
    quiet.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let ended = loop {
        assert!(echoes(&mut talking, b"on and on"), "a talking connection was ended");
        match quiet.read(&mut [0]) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {}
            other => break other,
        }
        assert!(began.elapsed() < LATE, "the quiet connection is still open");
    };
    assert!(ended.is_err_and(|error| roundhouse_tests::is_reset(&error)));
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    gateway.wait_reason("idle", 1);
    assert!(echoes(&mut talking, b"still"));
}

#[test]
fn a_job_s_own_idle_timeout_is_the_one_that_counts() {
    let (gateway, [server, second]) = started("idle_timeout = \"1h\"");
    let short = gateway.tcp_job("short", 7000, r#""timeouts":{"idle":"1s"}"#, &[server.address]);
    let long = gateway.tcp_job("long", 7000, "", &[second.address]);
    let (mut short, mut long) = (dial(short), dial(long));
    // Before the last byte passes, from which it counts.
    let began = Instant::now();
    assert!(echoes(&mut short, b"hello") && echoes(&mut long, b"hello"));
    assert_eq!(read_to_its_end(&mut short).1, End::Reset);
    assert!((1_000..5_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert!(echoes(&mut long, b"still"));
    gateway.wait_reason("idle", 1);
}

#[test]
fn a_busy_connection_ends_at_its_lifetime() {
    let (gateway, [server, second]) = started("lifetime = \"1s\"");
    let own = gateway.tcp_job("own", 7000, r#""timeouts":{"lifetime":"1h"}"#, &[server.address]);
    let vip = gateway.tcp_job("echo", 7000, "", &[second.address]);
    // Before it is dialled, from which its life counts.
    let began = Instant::now();
    let (mut busy, mut own) = (dial(vip), dial(own));
    while echoes(&mut busy, b"busy") {
        assert!(echoes(&mut own, b"longer by its job"));
        assert!(began.elapsed() < LATE, "still open");
    }
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    gateway.wait_reason("lifetime", 1);
    assert!(echoes(&mut own, b"still"));
}
