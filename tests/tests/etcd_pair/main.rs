//! Two gateways on one etcd: they agree, and go on without it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use roundhouse_tests::{Etcd, Gateway, Job, SOON, Signal, ZONE, eventually, http, seen};

fn answer(server: SocketAddr, host: &str) -> String {
    http::get(server, host, "/").map_or_else(|error| format!("error: {error}"), |reply| reply.body)
}

#[test]
fn two_gateways_give_every_job_the_same_offset_in_their_own_prefixes() {
    let etcd = Etcd::running();
    let (left, right) = (Gateway::on(&etcd.url()), Gateway::on(&etcd.url()));
    // One registers with etcd itself, one through each gateway.
    let registries = [etcd.url(), left.url(), right.url()];
    let jobs = ["one", "two", "three"];
    let _running: Vec<_> = jobs
        .iter()
        .zip(&registries)
        .zip(0..)
        .map(|((label, registry), app)| Job::new(registry, label, left.net.app(app), 9090).http().start())
        .collect();
    for (label, app) in jobs.iter().zip(0..) {
        for gateway in [&left, &right] {
            gateway.wait_healthy(label, 1);
            let vip = SocketAddr::new(gateway.vip(label), 9090);
            let body = answer(vip, "x");
            assert!(body.starts_with(&format!("{label} {}:9090", left.net.app(app))), "{body}");
            assert!(answer(gateway.http(), &format!("{label}.{ZONE}")).starts_with(label));
        }
        let offset = |gateway: &Gateway| gateway.job(label)["vip_offset"].clone();
        assert_eq!(offset(&left), offset(&right));
        assert_ne!(left.vip(label), right.vip(label));
    }
    let gateways = left.api("/v1/gateways").json();
    assert_eq!(gateways.as_array().map(Vec::len), Some(2), "{gateways}");
}

#[test]
fn traffic_goes_on_without_etcd_and_staleness_is_shown() {
    let mut etcd = Etcd::running();
    let gateway = Gateway::on(&etcd.url());
    let web = Job::new(&etcd.url(), "web", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("web", 1);

    etcd.stop();
    let stale = eventually(SOON, "staleness is shown", || {
        let status = gateway.api("/v1/status").json();
        let stale = status["registry"]["stale_seconds"].as_f64()?;
        (stale > 0.0 && status["registry"]["lost"].is_string()).then_some(status)
    });
    assert!(stale["registry"]["name"].as_str().unwrap().starts_with("etcd://"), "{stale}");
    assert!(gateway.api("/v1/jobs").header("x-roundhouse-stale").is_some());
    // Past the lease's end (3 s): the instance lives, so it is served.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let body = answer(gateway.http(), "web.jobs");
        assert!(body.starts_with("web "), "{body}");
    }
    // A write says within 3 s that it cannot be done.
    let began = Instant::now();
    let refused = gateway.call("PUT", "/v1/jobs/other", r#"{"jobname":"job.other"}"#);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(began.elapsed() < SOON);

    etcd.start();
    eventually(SOON * 2, "staleness is over", || {
        seen(gateway.api("/v1/status").json(), |status| status["registry"]["lost"].is_null())
    });
    // Watch and registration go on by themselves, for what was there and for what comes.
    let _second = Job::new(&gateway.url(), "web", gateway.net.app(1), 9090).http().start();
    gateway.wait_healthy("web", 2);
    web.signal(Signal::TERM);
    web.wait_exit(SOON);
    gateway.wait_healthy("web", 1);
}

#[test]
fn a_wrong_url_without_a_snapshot_ends_the_start_within_5_s() {
    let nobody = format!("etcd://127.0.0.1:{}", roundhouse_tests::free_port());
    let gateway = Gateway::prepared(&nobody, "");
    let began = Instant::now();
    let output = gateway.command().output().unwrap();
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains(&nobody), "{said}");
    // The page says 5 s; a loaded machine gets twice that.
    assert!(took < Duration::from_secs(10), "{took:?}");
}
