//! One connection too many is reset and counted, and a place that is left is somebody else's at once.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use roundhouse_tests::{
    Background, End, Gateway, SOON, Server, dial, dial_from, eventually, http, knock, try_dial,
};

use crate::echoes;

fn started(config: &str) -> (Gateway, Server) {
    let gateway = Gateway::prepared("embedded", config);
    let own = gateway.net.gateway();
    gateway.add(&format!(
        "[[entrypoint]]\nname = \"two\"\nlisten = \"{own}:7100\"\nprotocol = \"tcp\"\njob = \"echo\"\nconnections = 2\n\
         [[entrypoint]]\nname = \"each\"\nlisten = \"{own}:7101\"\nprotocol = \"tcp\"\njob = \"echo\"\n\
         connections_per_client = 2"
    ));
    let mut gateway = gateway;
    gateway.run();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    (gateway, server)
}

fn at(gateway: &Gateway, port: u16) -> SocketAddr {
    SocketAddr::new(gateway.net.gateway(), port)
}

/// Fills `server` up to two, sees the third reset and the fourth served once one has left. `others` still get in.
#[track_caller]
fn two_and_no_more(
    gateway: &Gateway,
    server: SocketAddr,
    reason: &str,
    client: IpAddr,
    other: Option<IpAddr>,
) {
    let open = || dial_from(client, server);
    let mut held = [open(), open()];
    assert!(held.iter_mut().all(|one| echoes(one, b"served")));
    for _ in 0..3 {
        let (bytes, end) = knock(Some(client), server);
        assert_eq!((bytes, end), (Vec::new(), End::Reset));
    }
    if let Some(other) = other {
        assert!(echoes(&mut dial_from(other, server), b"another client"));
    }
    assert!(held.iter_mut().all(|one| echoes(one, b"still")));
    let [first, _second] = held;
    drop(first);
    // Until the gateway has seen the first one's end it resets, and so early that the connect may be what hears of it.
    eventually(SOON, "the place is somebody else's", || {
        try_dial(Some(client), server).is_ok_and(|mut anew| echoes(&mut anew, b"anew"))
    });
    gateway.wait_reason(reason, 3);
}

#[test]
fn an_entrypoint_s_own_limits() {
    let (gateway, server) = started("");
    gateway.tcp_job("echo", 7000, "", &[server.address]);
    let (client, other) = (gateway.net.address(50), Some(gateway.net.address(51)));
    two_and_no_more(&gateway, at(&gateway, 7100), "entrypoint_full", client, None);
    two_and_no_more(&gateway, at(&gateway, 7101), "client_full", client, other);
}

#[test]
fn a_job_s_own_limits() {
    let (gateway, server) = started("");
    let second = Server::echo(SocketAddr::new(gateway.net.app(1), 7000));
    let all = gateway.tcp_job("all", 7000, r#""limits":{"connections":2}"#, &[server.address]);
    let each = gateway.tcp_job("each", 7000, r#""limits":{"connections_per_client":2}"#, &[second.address]);
    let (client, other) = (gateway.net.address(50), Some(gateway.net.address(51)));
    two_and_no_more(&gateway, all, "job_full", client, None);
    two_and_no_more(&gateway, each, "client_full", client, other);
}

#[test]
fn a_client_s_share_of_the_gateway() {
    let (gateway, server) = started("[limits]\nconnections_per_client = 2\n");
    let vip = gateway.tcp_job("echo", 7000, "", &[server.address]);
    let (client, other) = (gateway.net.address(50), Some(gateway.net.address(51)));
    two_and_no_more(&gateway, vip, "client_full", client, other);
}

/// Neighbours in a prefix are one client where the settings say so.
#[test]
fn a_client_may_be_a_prefix() {
    let (gateway, server) = started("[limits]\nconnections_per_client = 2\nclient_prefix_v4 = 28\n");
    let vip = gateway.tcp_job("echo", 7000, "", &[server.address]);
    let address = |host: u8| gateway.net.address(host);
    let mut held = [dial_from(address(48), vip), dial_from(address(49), vip)];
    assert!(held.iter_mut().all(|one| echoes(one, b"served")));
    assert_eq!(knock(Some(address(50)), vip).1, End::Reset);
    assert!(echoes(&mut dial_from(address(64), vip), b"the next prefix"));
}

/// CPU time of the gateway during a second, which a spinning worker would use up.
fn busy(gateway: &Gateway) -> f64 {
    let (before, began) = (gateway.cpu_seconds(), Instant::now());
    // The second that is measured.
    std::thread::sleep(Duration::from_secs(1));
    (gateway.cpu_seconds() - before) / began.elapsed().as_secs_f64()
}

/// 400 clients for 256 descriptors; then all leave, and somebody else comes.
#[track_caller]
fn more_clients_than_descriptors(gateway: &Gateway, vip: SocketAddr) {
    // Some wait in the backlog, and some are reset; a connect itself succeeds or is refused at once.
    let clients: Vec<TcpStream> =
        (0..400).filter_map(|_| TcpStream::connect_timeout(&vip, Duration::from_secs(5)).ok()).collect();
    assert!(clients.len() >= 200, "{} connected", clients.len());
    let busy = busy(gateway);
    assert!(busy < 0.3, "{busy} of a core while nothing can be accepted");
    drop(clients);
    let left = Instant::now();
    eventually(SOON, "a new client is served", || {
        TcpStream::connect_timeout(&vip, SOON).is_ok_and(|mut client| {
            client.set_read_timeout(Some(Duration::from_secs(1))).is_ok() && echoes(&mut client, b"anew")
        })
    });
    // One second is what is promised; the rest is room for a loaded machine.
    assert!(left.elapsed() < Duration::from_secs(3), "served only after {:?}", left.elapsed());
}

#[test]
fn descriptors_that_run_out_in_mid_life_stop_nobody_for_long() {
    let (gateway, server) = started("");
    let vip = gateway.tcp_job("echo", 7000, "", &[server.address]);
    assert!(echoes(&mut dial(vip), b"before"));
    let status = Command::new("prlimit")
        .args(["--pid", &gateway.process().pid().to_string(), "--nofile=256:256"])
        .status()
        .unwrap();
    assert!(status.success());
    more_clients_than_descriptors(&gateway, vip);
    more_clients_than_descriptors(&gateway, vip);
    let totals = gateway.api("/v1/status").json()["totals"].clone();
    assert!(totals["accept_errors"].as_u64() > Some(0), "{totals}");
    gateway.wait_reason("descriptors", 1);
}

#[test]
fn a_gateway_with_few_descriptors_from_the_start_serves_and_does_not_spin() {
    let gateway = Gateway::prepared("embedded", "");
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    let run = gateway.command();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 256; exec \"$@\"", "sh"]).arg(run.get_program()).args(run.get_args());
    let gateway = gateway.adopt(Background::spawn(command));
    eventually(SOON, "the gateway answers", || http::get(gateway.admin(), "x", "/healthz").is_ok());
    let vip = gateway.tcp_job("echo", 7000, "", &[server.address]);
    eventually(SOON, "it serves", || {
        try_dial(None, vip).is_ok_and(|mut first| echoes(&mut first, b"before"))
    });
    more_clients_than_descriptors(&gateway, vip);
}
