//! A thousand clients that do as little as they can, by slowhttptest(1), and a good one that must not notice.

use std::process::Command;
use std::time::{Duration, Instant};

use roundhouse_tests::http::Connection;
use roundhouse_tests::{Background, Gateway, SOON, eventually, http, seen};

use crate::Stage;

const ATTACKERS: usize = 1_000;
/// A loaded machine with two cores has the attacker's work to do too; without the attack it is a few milliseconds.
const FAST: Duration = Duration::from_secs(3);
/// How long the good client goes on once the attack is at its height.
const WATCHED: Duration = Duration::from_secs(4);

fn attack(gateway: &Gateway, arguments: &[&str]) -> Background {
    let mut command = Command::new("slowhttptest");
    command.args(["-c", &ATTACKERS.to_string(), "-r", "500", "-l", "60", "-p", "5"]).args(arguments);
    // At the VIP, since its Host is that of the URL.
    command.args(["-u", &format!("http://{}/", gateway.listening_vip("web", 9090))]);
    Background::spawn(command)
}

fn open(gateway: &Gateway) -> usize {
    gateway.api("/v1/status").json()["connections"]["open"].as_u64().map_or(0, |n| n as usize)
}

/// The attack runs at its height, and every request of a good client, on a kept connection and on new ones, is answered.
#[track_caller]
fn nobody_else_notices(name: &str, body: usize, arguments: &[&str]) {
    let text = "x".repeat(body);
    let stage = Stage::answering(move |request| match request.target() {
        "/good" => roundhouse_tests::recorder::answer("good"),
        _ => roundhouse_tests::recorder::answer(&text),
    });
    let gateway = &stage.gateway;
    let before = gateway.resident();
    let attack = attack(gateway, arguments);
    eventually(SOON * 2, "the attack is at its height", || {
        seen(open(gateway), |open| *open >= ATTACKERS * 9 / 10)
    });
    let mut kept = Connection::open(gateway.http()).unwrap();
    let (began, mut slowest, mut answered) = (Instant::now(), Duration::ZERO, 0);
    while began.elapsed() < WATCHED {
        for new in [false, true] {
            let asked = Instant::now();
            let reply = match new {
                true => http::get(gateway.http(), "web.jobs", "/good"),
                false => kept.get("web.jobs", "/good"),
            };
            let reply = reply.unwrap_or_else(|error| panic!("{name}, request {answered}: {error}"));
            assert_eq!((reply.status, reply.body.as_str()), (200, "good"), "{name}");
            slowest = slowest.max(asked.elapsed());
            answered += 1;
        }
    }
    assert!(slowest < FAST, "{name}: {slowest:?}");
    assert!(answered > 50, "{name}: {answered}");
    assert_eq!(attack.exit_status(), None, "it was under way all the time");
    let grown = gateway.resident().saturating_sub(before);
    // A connection's own memory, and what it has said so far.
    assert!(grown < (ATTACKERS as u64) * (100 << 10), "{name}: {grown} bytes more");
    roundhouse_tests::soak::report(
        &format!("slow {name}, {ATTACKERS} clients"),
        &format!("{answered} good answers, the slowest in {slowest:?}, {} KiB more", grown >> 10),
    );
}

#[test]
fn heads_that_never_end() {
    nobody_else_notices("heads", 4, &["-H", "-i", "2", "-x", "24", "-t", "GET"]);
}

#[test]
fn bodies_that_never_end() {
    nobody_else_notices(
        "bodies",
        4,
        &["-B", "-i", "2", "-s", "8192", "-x", "10", "-t", "POST", "-f", "application/x-www-form-urlencoded"],
    );
}

#[test]
fn answers_that_nobody_reads() {
    nobody_else_notices(
        "readers",
        300_000,
        &["-X", "-n", "5", "-z", "32", "-w", "256", "-y", "512", "-k", "3", "-t", "GET"],
    );
}
