use std::time::{Duration, Instant};

use roundhouse_tests::{Etcd, Gateway, Job, SOON, Signal, TempDir, eventually, http};

use crate::{ok, settle_on, text};

const GRACE: Duration = Duration::from_secs(5);

#[test]
fn instances_are_served_through_the_move_and_their_registrars_take_them_over() {
    let mut gateway = Gateway::start();
    let store = Etcd::running();
    let stays = Job::new(&gateway.url(), "web", gateway.net.app(0), 9090).http().start();
    let goes = Job::new(&gateway.url(), "gone", gateway.net.app(1), 9091).http().start();
    gateway.wait_healthy("web", 1);
    gateway.wait_healthy("gone", 1);
    let (id, vip) = (gateway.job("web")["instances"][0]["id"].clone(), gateway.vip("web"));

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("all.jsonl");
    ok(&["export", text(&file), "--server", &gateway.url()]);
    // It dies with the old registry and never comes to the new one.
    drop(goes);
    gateway.process().signal(Signal::TERM);
    gateway.stopped();
    settle_on(&gateway, &store.url());
    ok(&["import", text(&file), "--config", text(&gateway.config()), "--grace", "5s"]);
    let moved = Instant::now();
    gateway.run();

    let answers = |what: &str| {
        let reply = http::get(gateway.http(), "web.jobs", "/").unwrap();
        assert!(reply.status == 200 && reply.body.starts_with("web "), "{what}: {reply:?}");
    };
    answers("right after the start");
    let lease = || {
        let export = folder.path().join("again.jsonl");
        ok(&["export", text(&export), "--server", &gateway.url()]);
        let lines = std::fs::read_to_string(export).unwrap();
        let line =
            lines.lines().find(|line| line.starts_with(r#"{"key":"instances/web/"#)).unwrap().to_owned();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["lease"].clone()
    };
    let grace = lease();
    eventually(SOON, "the registrar takes its own key over", || {
        answers("while it is on its way");
        lease() != grace
    });
    eventually(SOON * 2, "who never came is gone", || {
        answers("until the grace ends");
        gateway.job("gone")["instances"].as_array().is_some_and(Vec::is_empty)
    });
    assert!(moved.elapsed() >= GRACE, "and not before the grace ended");
    let job = gateway.job("web");
    assert_eq!(job["instances"].as_array().unwrap().len(), 1, "no duplicate: {job}");
    assert_eq!((&job["instances"][0]["id"], gateway.vip("web")), (&id, vip));
    answers("after the grace");
    drop(stays);
}
