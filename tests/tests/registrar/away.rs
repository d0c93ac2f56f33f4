//! etcd is not there yet, goes away, comes back, or is somebody else.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use roundhouse_registry::State;
use roundhouse_registry::registrar::Progress;
use roundhouse_tests::sample::registration;
use roundhouse_tests::{Etcd, Wire, eventually_async, seen};

use crate::{PREFIX, RECOVERY, TTL, is_there, leased_keys, progress, registered, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_restarts_or_loses_everything_is_registered_with_again() {
    let mut etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let want = registration("app", 1111, TTL);
    let registrar = start(&etcd.url(), &want);
    registered(&registrar).await;
    etcd.stop();
    let pending = |progress: &Progress| matches!(progress, Progress::Pending { error: Some(error) } if error.contains("etcd://"));
    progress(&registrar, pending).await;
    // Remembered, and written when there is somebody to tell.
    registrar.set_state(State::Draining).await;
    etcd.start();
    is_there(&*kv, &want, State::Draining).await;
    registered(&registrar).await;
    etcd.kill9();
    etcd.lose_data();
    progress(&registrar, pending).await;
    etcd.start();
    is_there(&*kv, &want, State::Draining).await;
    registered(&registrar).await;
    registrar.leave().await;
    assert_eq!(leased_keys(&*kv).await.unwrap(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_for_longer_than_the_lease_it_comes_back_as_it_should_be() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let wire = Wire::to(([127, 0, 0, 1], etcd.port()).into()).await;
    let want = registration("app", 1111, TTL);
    let registrar = start(&format!("etcd://{}", wire.address()), &want);
    registered(&registrar).await;
    wire.cut();
    let gone = async || seen(leased_keys(&*kv).await.unwrap(), Vec::is_empty);
    eventually_async(RECOVERY, "the lease runs out", gone).await;
    let began = Instant::now();
    registrar.set_state(State::Maintenance).await;
    assert!(began.elapsed() < Duration::from_secs(3), "set_state took {:?}", began.elapsed());
    wire.mend();
    is_there(&*kv, &want, State::Maintenance).await;
    registered(&registrar).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_etcd_registers_once_it_is_there() {
    let mut etcd = Etcd::stopped();
    let want = registration("app", 1111, TTL);
    let registrar = start(&etcd.url(), &want);
    let pending =
        progress(&registrar, |progress| matches!(progress, Progress::Pending { error: Some(_) })).await;
    assert!(format!("{pending:?}").contains(&etcd.url()), "{pending:?}");
    registrar.set_state(State::Maintenance).await;
    etcd.start();
    is_there(&*etcd.kv(PREFIX).await, &want, State::Maintenance).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_endpoint_blocks_nobody() {
    // Takes connections and never says a word, as a firewall or another program might.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for url in [Etcd::stopped().url(), format!("etcd://{}", silent.local_addr().unwrap())] {
        let within = |began: Instant, limit: Duration, what: &str| {
            assert!(began.elapsed() < limit, "{what} took {:?} at {url}", began.elapsed());
        };
        let began = Instant::now();
        let registrar = start(&url, &registration("app", 1111, TTL));
        within(began, Duration::from_millis(100), "start");
        registrar.set_state(State::Draining).await;
        within(began, Duration::from_secs(3), "set_state");
        let pending =
            progress(&registrar, |progress| matches!(progress, Progress::Pending { error: Some(_) })).await;
        assert!(format!("{pending:?}").contains(&url), "{pending:?}");
        let began = Instant::now();
        registrar.leave().await;
        within(began, Duration::from_millis(2_200), "leave");
    }
}
