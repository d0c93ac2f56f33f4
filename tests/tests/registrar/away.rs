//! etcd is not there yet, goes away, comes back, or is somebody else.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use roundhouse_registry::registrar::Progress;
use roundhouse_registry::{Registry, State};
use roundhouse_tests::sample::registration;
use roundhouse_tests::{Etcd, Wire, eventually_async, seen};

use crate::{PREFIX, RECOVERY, TTL, instance_key, is_there, leased_keys, progress, registered, start};

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

/// job-init drains only what is registered: a blip must not make it forget that it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_for_less_than_the_lease_it_is_still_registered() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let wire = Wire::to(([127, 0, 0, 1], etcd.port()).into()).await;
    let want = registration("app", 1111, TTL * 3);
    let registrar = start(&format!("etcd://{}", wire.address()), &want);
    registered(&registrar).await;
    let told = registrar.progress();
    wire.cut();
    let began = Instant::now();
    let blip = async || {
        assert_eq!(*told.borrow(), Progress::Registered);
        // A keepalive every TTL/3 and then every TTL/10: several of them fail.
        began.elapsed() > want.ttl / 2
    };
    eventually_async(RECOVERY, "half the TTL has gone by", blip).await;
    wire.mend();
    registrar.set_state(State::Draining).await;
    is_there(&*kv, &want, State::Draining).await;
    assert_eq!(*told.borrow(), Progress::Registered);
}

/// What an operator said while the registrar could not hear it counts too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_an_operator_set_meanwhile_is_kept() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let wire = Wire::to(([127, 0, 0, 1], etcd.port()).into()).await;
    let want = registration("app", 1111, TTL);
    let registrar = start(&format!("etcd://{}", wire.address()), &want);
    registered(&registrar).await;
    // A lease that somebody keeps alive: only the registrar takes it for lost.
    let lease = kv.get(&instance_key(&want)).await.unwrap().unwrap().lease.unwrap();
    wire.cut();
    Registry::new(kv.clone()).set_state(&want.job, want.id, State::Maintenance).await.unwrap();
    let lost = async || {
        kv.keep_alive(lease).await.unwrap();
        seen(registrar.progress().borrow().clone(), |progress| matches!(progress, Progress::Pending { .. }))
    };
    eventually_async(RECOVERY, "a TTL of silence", lost).await;
    wire.mend();
    registered(&registrar).await;
    is_there(&*kv, &want, State::Maintenance).await;
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
