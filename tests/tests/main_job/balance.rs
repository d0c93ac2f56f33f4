//! Instances come and go under load.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use roundhouse_tests::{Gateway, Job, Load, SOON, Signal, eventually, seen};

use crate::answer;

fn shares(server: SocketAddr, host: &str, requests: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        let body = answer(server, host);
        let instance = body.split_whitespace().nth(1).unwrap_or(&body).to_owned();
        *shares.entry(instance).or_default() += 1;
    }
    shares
}

#[test]
fn a_second_instance_takes_its_share_without_a_restart() {
    let gateway = Gateway::start();
    let url = gateway.url();
    let _first = Job::new(&url, "app2", gateway.net.app(0), 1111).start();
    gateway.wait_healthy("app2", 1);
    let vip = SocketAddr::new(gateway.vip("app2"), 1111);
    assert_eq!(shares(vip, "x", 20).len(), 1);

    let _second = Job::new(&url, "app2", gateway.net.app(1), 1111).option("--weight", "300").start();
    gateway.wait_healthy("app2", 2);
    let shares = shares(vip, "x", 200);
    let of = |app: u8| shares.get(&format!("{}:1111", gateway.net.app(app))).copied().unwrap_or(0);
    // Weights 100 and 300; each of two workers is in the middle of a turn of four.
    assert!((46..=54).contains(&of(0)) && (146..=154).contains(&of(1)), "{shares:?}");
}

#[test]
fn a_killed_app_costs_no_client_an_error() {
    let gateway = Gateway::start();
    let url = gateway.url();
    // Raw connections, so that a connect to a dead instance is seen as what it is.
    let first = Job::new(&url, "app2", gateway.net.app(0), 1111).start();
    let _second = Job::new(&url, "app2", gateway.net.app(1), 1111).start();
    gateway.wait_healthy("app2", 2);
    let vip = SocketAddr::new(gateway.vip("app2"), 1111);

    // job-init stopped, so that nobody tells the registry: the refused connect is all there is.
    first.signal(Signal::STOP);
    let app = child_of(first.pid());
    kill(app);
    // A process dies a moment after the signal; a connection in its backlog dies with it, and nobody can save that one.
    let dead = SocketAddr::new(gateway.net.app(0), 1111);
    eventually(SOON, "the app is gone", || std::net::TcpStream::connect(dead).is_err());
    for i in 0..400 {
        let body = answer(vip, "x");
        assert!(body.starts_with("app2 "), "connection {i}: {body}");
    }
    // Woken, job-init takes its instance out at once.
    first.signal(Signal::CONT);
    eventually(SOON, "its instance is gone", || {
        seen(gateway.job("app2")["instances"].clone(), |instances| {
            instances.as_array().is_some_and(|all| all.len() == 1)
        })
    });
}

#[test]
fn an_app_killed_under_load_costs_no_idempotent_request() {
    let gateway = Gateway::start();
    let url = gateway.url();
    let start = |app: u8| Job::new(&url, "web", gateway.net.app(app), 9090).http().start();
    let (first, _second) = (start(0), start(1));
    gateway.wait_healthy("web", 2);
    let load = Load::keep_alive(8, gateway.http(), "web.jobs");
    load.wait_for(1_000);
    kill(child_of(first.pid()));
    load.wait_for(3_000);
    let outcome = load.stop();
    assert_eq!(outcome.failed, 0, "of {}: {:?}", outcome.requests, outcome.reasons);
    // job-init tells of the end in its own status (128 + 9) and has taken the instance out.
    assert_eq!(first.wait_exit(SOON).code(), Some(137));
    gateway.wait_healthy("web", 1);
}

#[test]
fn a_stopped_instance_drains_without_one_failed_request() {
    let gateway = Gateway::start();
    let url = gateway.url();
    let start = |app: u8| {
        let job = Job::new(&url, "web", gateway.net.app(app), 9090).http();
        job.option("--drain-wait", "500ms").start()
    };
    let first = start(0);
    let _second = start(1);
    gateway.wait_healthy("web", 2);
    let vip = SocketAddr::new(gateway.vip("web"), 9090);

    let kept = Load::keep_alive(8, gateway.http(), "web.jobs");
    let fresh = Load::connect_each_time(2, vip, "web.jobs");
    kept.wait_for(2_000);
    first.signal(Signal::TERM);
    assert!(first.wait_exit(SOON).success());
    kept.wait_for(2_000);
    // And an instance that comes back is used again.
    let _third = start(0);
    gateway.wait_healthy("web", 2);
    let done = kept.done() + fresh.done();
    kept.wait_for(20_000u64.saturating_sub(done).max(2_000));

    let outcomes = [kept.stop(), fresh.stop()];
    assert!(outcomes.iter().map(|outcome| outcome.requests).sum::<u64>() >= 20_000);
    for outcome in outcomes {
        assert_eq!(outcome.failed, 0, "of {}: {:?}", outcome.requests, outcome.reasons);
    }
}

/// The only child of a process (proc(5), `/proc/<pid>/task/<tid>/children`).
fn child_of(pid: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().next().and_then(|child| child.parse().ok()).expect("job-init has a child")
}

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}
