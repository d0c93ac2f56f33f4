//! A start without a registry: from the snapshot on the disk, or not at all.

use std::time::{Duration, Instant};

use roundhouse_tests::soak::{promised, report};
use roundhouse_tests::{Background, Etcd, Gateway, Judge, SOON, eventually, http};

use crate::Stage;
use crate::wiped::SAVED;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_starts_from_its_disk_while_etcd_is_down() {
    let mut etcd = Etcd::running();
    let (mut stage, chronicle) = Stage::unmanned(&etcd, "").await;
    stage.kill_saved(&chronicle).await;
    etcd.stop();
    let began = Instant::now();
    stage.gateway.run();
    let took = began.elapsed();
    let mut judge = Judge::begin(&stage.gateway, chronicle, &stage.labels);
    let status = stage.gateway.api("/v1/status").json();
    assert!(status["registry"]["lost"].is_string(), "{status}");
    assert!(status["registry"]["stale_seconds"].as_f64() > Some(0.0), "{status}");
    assert!(stage.gateway.api("/v1/jobs").header("x-roundhouse-stale").is_some());
    let metrics = stage.gateway.api("/metrics").body;
    let stale = metrics.lines().find(|line| line.starts_with("roundhouse_registry_stale_seconds ")).unwrap();
    assert!(!stale.ends_with(" 0.0") && metrics.contains("roundhouse_registry_connected 0"), "{metrics}");
    judge.cpu_while_away().await;
    etcd.start();
    judge.agrees(Instant::now()).await;
    stage.wait_served();
    let verdict = judge.verdict().await;
    report("h  cold start, etcd down", &format!("{verdict}; started in {:.2} s", took.as_secs_f64()));
}

/// What can happen to a file, and what is said of it.
type Damage = (&'static str, fn(&[u8]) -> Vec<u8>, &'static str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_snapshot_is_refused_and_without_etcd_the_start_ends() {
    let mut etcd = Etcd::running();
    let (mut stage, chronicle) = Stage::unmanned(&etcd, "").await;
    stage.kill_saved(&chronicle).await;
    etcd.stop();
    let file = stage.gateway.folder().join(SAVED);
    let good = std::fs::read(&file).unwrap();
    let damages: &[Damage] = &[
        ("half", |good| good[..good.len() / 2].to_vec(), "is cut off"),
        ("without its last line", |good| without_last_line(good).to_vec(), "is cut off"),
        ("empty", |_| Vec::new(), "is cut off"),
        ("one byte", |good| altered(good, b"jobs/web", b"jobs/wet"), "does not have the checksum"),
        ("another file", |_| b"[registry]\n".to_vec(), "is no saved snapshot"),
        (
            "later layout",
            |good| altered(good, b"\"roundhouse_snapshot\":1", b"\"roundhouse_snapshot\":9"),
            "has layout 9",
        ),
        ("more", |good| [good, b"{}\n"].concat(), "goes on after its end"),
    ];
    let mut slowest = Duration::ZERO;
    for (what, damage, reason) in damages {
        let bad = damage(&good);
        assert_ne!(bad, good, "{what}");
        std::fs::write(&file, &bad).unwrap();
        slowest = slowest.max(refused(&stage.gateway, &etcd.url(), what, &["snapshot.jsonl", reason]));
        assert_eq!(std::fs::read(&file).unwrap(), bad, "{what}: the evidence stays");
    }
    // One that answers nothing takes longer than one that is not there.
    etcd.start();
    etcd.pause();
    slowest = slowest.max(refused(&stage.gateway, &etcd.url(), "etcd is frozen", &["goes on after its end"]));
    etcd.kill9();
    // A whole one, of another prefix.
    std::fs::write(&file, &good).unwrap();
    let config = std::fs::read_to_string(stage.gateway.config()).unwrap();
    std::fs::write(stage.gateway.config(), config.replace("[registry]", "[registry]\nprefix = \"/other\""))
        .unwrap();
    let prefixes = ["is of the prefix /roundhouse/v1", "registry's is /other"];
    slowest = slowest.max(refused(&stage.gateway, &etcd.url(), "other prefix", &prefixes));
    // And the good one is good.
    std::fs::write(stage.gateway.config(), config).unwrap();
    stage.gateway.run();
    stage.wait_served();
    report(
        "h  8 bad snapshots, etcd down",
        &format!("each refused by name, the start over within {:.2} s", slowest.as_secs_f64()),
    );
}

/// The start ends in time, naming the registry and what is wrong. Answers how long it took.
#[track_caller]
fn refused(gateway: &Gateway, url: &str, what: &str, reasons: &[&str]) -> Duration {
    let began = Instant::now();
    let start = Background::spawn(gateway.command());
    let status = start.wait_exit(promised(Duration::from_secs(5)));
    let (took, said) = (began.elapsed(), start.stderr());
    assert!(!status.success(), "{what}: {said}");
    for text in reasons.iter().chain([&url]) {
        assert!(said.contains(text), "{what}: not `{text}`: {said}");
    }
    took
}

fn without_last_line(file: &[u8]) -> &[u8] {
    let end = file[..file.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    &file[..=end]
}

fn altered(file: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = file.windows(from.len()).position(|window| window == from).expect("the text is in the file");
    [&file[..at], to, &file[at + from.len()..]].concat()
}

#[test]
fn with_wait_a_start_waits_for_etcd() {
    let mut etcd = Etcd::stopped();
    let gateway = Gateway::prepared(&etcd.url(), "");
    let mut command = gateway.command();
    command.arg("--wait");
    let waiting = Background::spawn(command);
    eventually(SOON * 3, "it says so, again and again", || {
        waiting.stderr().matches("waiting for the registry").count() >= 2
    });
    assert_eq!(waiting.exit_status(), None);
    assert!(waiting.stderr().contains(&etcd.url()), "{}", waiting.stderr());
    etcd.start();
    eventually(SOON * 2, "it serves", || {
        http::get(gateway.admin(), &gateway.admin().to_string(), "/healthz")
    });
}
