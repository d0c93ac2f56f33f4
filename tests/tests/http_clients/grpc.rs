//! gRPC: grpcio on both sides, by a domain in TLS, by name in the clear and by the job's own address.

use std::net::SocketAddr;
use std::process::Command;

use roundhouse_tests::{Background, SOON, eventually, seen};

use crate::peers::{python, said};
use crate::stage::{DOMAIN, Stage};

const GRPC: &str = r#""protocol":"grpc""#;

fn server(address: SocketAddr, name: &str) -> Background {
    let mut command = python("grpc/server.py");
    command.args([&address.to_string(), name]);
    let server = Background::spawn(command);
    server.wait_line(SOON * 3, "ready");
    server
}

/// The job `api` served by `one`; its VIP.
fn served(stage: &Stage) -> (Background, SocketAddr) {
    let server = server(stage.app(0), "one");
    let vip = stage.job("api", GRPC, &[stage.app(0)]);
    (server, vip)
}

fn client(check: &str, target: SocketAddr, authority: &str) -> Command {
    let mut command = python("grpc/client.py");
    command.args([check, &target.to_string(), "--authority", authority]);
    command
}

#[track_caller]
fn holds(command: &mut Command) -> String {
    let told = said(command);
    assert!(told.contains("holds"), "{told}");
    told
}

fn in_tls(stage: &Stage, check: &str) -> Command {
    let mut command = client(check, stage.https, DOMAIN);
    command.arg("--ca").arg(stage.authority.ca());
    command
}

#[test]
fn all_four_kinds_of_call_work_from_everywhere() {
    let stage = Stage::start();
    let (_server, vip) = served(&stage);
    stage.domain("api");
    holds(&mut client("calls", vip, "whatever.example"));
    holds(&mut client("calls", stage.gateway.http(), "api.jobs"));
    holds(&mut in_tls(&stage, "calls"));
}

#[test]
fn a_status_comes_with_its_message_and_metadata() {
    let stage = Stage::start();
    let (_server, vip) = served(&stage);
    stage.domain("api");
    holds(&mut client("errors", vip, "api.jobs"));
    holds(&mut in_tls(&stage, "errors"));
}

#[test]
fn the_health_service_answers() {
    let stage = Stage::start();
    let (_server, _) = served(&stage);
    holds(&mut client("check", stage.gateway.http(), "api.jobs"));
}

#[test]
fn a_deadline_ends_the_call_at_the_server_too() {
    let stage = Stage::start();
    let (server, vip) = served(&stage);
    holds(&mut client("deadline", vip, "api.jobs"));
    // It was told the deadline, and that nobody waits any more.
    server.wait_line(SOON, "hang has True");
    server.wait_line(SOON, "hang ended");
    stage.wait_quiet("api");
}

#[test]
fn whoever_cancels_is_heard_at_the_server() {
    let stage = Stage::start();
    let (server, _) = served(&stage);
    stage.domain("api");
    holds(&mut in_tls(&stage, "cancel"));
    server.wait_line(SOON, "drip ended, active False");
    stage.wait_quiet("api");
}

#[test]
fn a_client_that_dies_is_noticed_at_the_server() {
    let stage = Stage::start();
    let (server, _) = served(&stage);
    let mut command = client("deadline", stage.gateway.http(), "api.jobs");
    // Its own deadline is far away.
    command.env("PEER_DEADLINE", "60");
    let client = Background::spawn(command);
    server.wait_line(SOON * 2, "hang has True");
    drop(client);
    server.wait_line(SOON, "hang ended");
    stage.wait_quiet("api");
}

#[test]
fn calls_of_one_connection_are_spread_over_the_instances() {
    let stage = Stage::start();
    let (_one, _two) = (server(stage.app(0), "one"), server(stage.app(1), "two"));
    let vip = stage.job("api", GRPC, &[stage.app(0), stage.app(1)]);
    holds(&mut client("spread", vip, "api.jobs"));
}

#[test]
fn no_instance_and_no_such_job_are_told_apart() {
    let stage = Stage::start();
    stage.job("api", GRPC, &[]);
    let told = holds(&mut client("unavailable", stage.gateway.http(), "api.jobs"));
    assert!(told.contains("job `api`"), "{told}");
    let told = holds(&mut client("unimplemented", stage.gateway.http(), "nobody.jobs"));
    assert!(told.contains("nobody"), "{told}");
    // An address where nobody listens is as good as none.
    stage.gateway.register("api", stage.app(7));
    stage.gateway.wait_up("api", 1);
    holds(&mut client("unavailable", stage.gateway.http(), "api.jobs"));
}

#[test]
fn calls_go_on_while_an_instance_leaves() {
    let stage = Stage::start();
    let (one, _two) = (server(stage.app(0), "one"), server(stage.app(1), "two"));
    let vip = stage.job("api", GRPC, &[stage.app(0), stage.app(1)]);
    holds(&mut client("spread", vip, "api.jobs"));
    drop(one);
    // Calls that have not been sent may go elsewhere; the connection that is gone is given up.
    eventually(SOON, "all calls are answered by the other", || {
        let output = client("survive", vip, "api.jobs").output().unwrap();
        seen(crate::peers::both(&output), |told| told.contains("holds"))
    });
}
