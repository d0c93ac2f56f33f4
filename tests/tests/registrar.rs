//! The registrar: whatever happens to etcd, to the lease or to the key, the instance is registered again, by itself.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use roundhouse_registry::kv::{Kv, Txn};
use roundhouse_registry::record::{Key, decode};
use roundhouse_registry::registrar::Progress;
use roundhouse_registry::{Instance, KvError, Registrar, Registration, State};
use roundhouse_tests::sample::registration;
use roundhouse_tests::{Etcd, Wire, eventually_async, seen};

const PREFIX: &str = "/roundhouse/v1";
const TTL: Duration = Duration::from_secs(2);
/// The registrar's own back-off goes up to 5 s, and a call to etcd up to 2.5 s.
const RECOVERY: Duration = Duration::from_secs(15);

fn start(url: &str, registration: &Registration) -> Registrar {
    let url = url.parse().unwrap();
    Registrar::start(&url, PREFIX, registration.clone(), State::Up).unwrap()
}

async fn progress(registrar: &Registrar, wanted: impl Fn(&Progress) -> bool) -> Progress {
    let look = async || seen(registrar.progress().borrow().clone(), &wanted);
    eventually_async(RECOVERY, "the registrar's progress", look).await
}

async fn registered(registrar: &Registrar) {
    progress(registrar, |progress| *progress == Progress::Registered).await;
}

fn instance_key(registration: &Registration) -> String {
    Key::Instance(registration.job.clone(), registration.id).to_string()
}

/// Everything but the job: the instance and its address.
async fn leased_keys(kv: &dyn Kv) -> Result<Vec<String>, KvError> {
    let entries = kv.range("").await?;
    Ok(entries.into_iter().filter(|entry| entry.lease.is_some()).map(|entry| entry.key).collect())
}

/// Waits until exactly this instance and its address are there, and in this state.
async fn is_there(kv: &dyn Kv, want: &Registration, state: State) {
    let address = Key::address(want.address, want.ports[0].port).to_string();
    let look = async || -> Result<(), String> {
        let keys = leased_keys(kv).await.map_err(|error| error.to_string())?;
        if keys != [address.clone(), instance_key(want)] {
            return Err(format!("{keys:?}"));
        }
        let entry = kv.get(&instance_key(want)).await.map_err(|error| error.to_string())?.ok_or("gone")?;
        let instance: Instance = decode(&entry.value).map_err(|error| error.to_string())?;
        if instance.state == state { Ok(()) } else { Err(instance.state.to_string()) }
    };
    eventually_async(RECOVERY, "the instance is there", look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_registers_keeps_alive_and_takes_its_keys_along() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let want = registration("app", 1111, TTL);
    let registrar = start(&etcd.url(), &want);
    registered(&registrar).await;
    is_there(&*kv, &want, State::Up).await;
    let made = kv.get(&instance_key(&want)).await.unwrap().unwrap();
    registrar.set_state(State::Draining).await;
    let drained = kv.get(&instance_key(&want)).await.unwrap().unwrap();
    assert!(
        drained.modified > made.modified && drained.lease == made.lease,
        "set_state returns when it is written"
    );
    let began = Instant::now();
    let alive = async || {
        assert_eq!(kv.get(&instance_key(&want)).await.unwrap().unwrap(), drained);
        began.elapsed() > TTL * 2
    };
    eventually_async(RECOVERY, "twice the TTL has gone by", alive).await;
    let began = Instant::now();
    registrar.leave().await;
    assert_eq!(leased_keys(&*kv).await.unwrap(), [""; 0]);
    assert!(began.elapsed() < TTL / 2, "the lease is revoked, it does not run out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_registrar_lets_the_lease_run_out() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let want = registration("app", 1111, TTL);
    let registrar = start(&etcd.url(), &want);
    registered(&registrar).await;
    drop(registrar);
    let gone = async || seen(leased_keys(&*kv).await.unwrap(), Vec::is_empty);
    eventually_async(TTL * 3, "the lease runs out", gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_revoked_by_somebody_comes_back() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let want = registration("app", 1111, TTL);
    let registrar = start(&etcd.url(), &want);
    registered(&registrar).await;
    registrar.set_state(State::Maintenance).await;
    for _ in 0..3 {
        let lease = kv.get(&instance_key(&want)).await.unwrap().unwrap().lease.unwrap();
        kv.revoke(lease).await.unwrap();
        let began = Instant::now();
        is_there(&*kv, &want, State::Maintenance).await;
        assert!(began.elapsed() < TTL, "after {:?}", began.elapsed());
        registered(&registrar).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_deleted_by_somebody_comes_back_within_the_ttl() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let want = registration("app", 1111, TTL);
    let registrar = start(&etcd.url(), &want);
    registered(&registrar).await;
    let address = Key::address(want.address, 1111).to_string();
    for deleted in [vec![instance_key(&want)], vec![instance_key(&want), address, "jobs/app".into()]] {
        let txn = deleted.iter().fold(Txn::new(), |txn, key| txn.delete(key.clone()));
        kv.commit(txn).await.unwrap();
        let began = Instant::now();
        is_there(&*kv, &want, State::Up).await;
        assert!(began.elapsed() < TTL, "after {:?}", began.elapsed());
        assert!(kv.get("jobs/app").await.unwrap().is_some());
    }
    // The lease of before is none of ours any more: when it runs out, nothing happens.
    let began = Instant::now();
    let stays = async || {
        assert_eq!(leased_keys(&*kv).await.unwrap().len(), 2);
        began.elapsed() > TTL * 2
    };
    eventually_async(RECOVERY, "twice the TTL has gone by", stays).await;
}

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
async fn a_second_one_at_the_address_is_refused_by_name_and_gets_in_after_the_first() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let (first, second) = (registration("app", 1111, TTL), registration("other", 1111, TTL));
    let holder = start(&etcd.url(), &first);
    registered(&holder).await;
    let waiting = start(&etcd.url(), &second);
    let refused = progress(&waiting, |progress| matches!(progress, Progress::Refused { .. })).await;
    let Progress::Refused { reason } = refused else { unreachable!() };
    assert!(reason.contains(&instance_key(&first)) && reason.contains("10.0.0.7:1111"), "{reason}");
    is_there(&*kv, &first, State::Up).await;
    holder.leave().await;
    let began = Instant::now();
    registered(&waiting).await;
    assert!(began.elapsed() < TTL + TTL / 2, "it is asked again every TTL, not after {:?}", began.elapsed());
    is_there(&*kv, &second, State::Up).await;
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
