//! While etcd is there: registered, alive, and back when somebody takes the registration away.

use std::time::Instant;

use roundhouse_registry::kv::Txn;
use roundhouse_registry::record::Key;
use roundhouse_registry::registrar::Progress;
use roundhouse_registry::{Registry, State};
use roundhouse_tests::sample::registration;
use roundhouse_tests::{Etcd, Gateway, eventually_async, seen};

use crate::{PREFIX, RECOVERY, TTL, instance_key, is_there, leased_keys, progress, registered, start};

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
async fn a_state_that_an_operator_set_outlives_health_and_lease() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let operator = Registry::new(kv.clone());
    for held in [State::Maintenance, State::Draining] {
        let want = registration("app", 1111, TTL);
        let registrar = start(&etcd.url(), &want);
        registered(&registrar).await;
        operator.set_state(&want.job, want.id, held).await.unwrap();
        for health in [State::Down, State::Up, State::Down] {
            registrar.set_state(health).await;
            is_there(&*kv, &want, held).await;
        }
        let leased = kv.get(&instance_key(&want)).await.unwrap().unwrap();
        kv.revoke(leased.lease.unwrap()).await.unwrap();
        is_there(&*kv, &want, held).await;
        registered(&registrar).await;
        // Let go by the operator, it is again what its own health says.
        operator.set_state(&want.job, want.id, State::Up).await.unwrap();
        is_there(&*kv, &want, State::Down).await;
        // Its own drain is not asked about.
        operator.set_state(&want.job, want.id, held).await.unwrap();
        registrar.set_state(State::Draining).await;
        is_there(&*kv, &want, State::Draining).await;
        registrar.leave().await;
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

/// Whoever loses waits one TTL, as for a former self that crashed, and is then told by whom.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_race_for_an_address_one_is_registered_and_one_is_refused_after_a_ttl() {
    let etcd = Etcd::running();
    let gateway = Gateway::on(&etcd.url());
    for registry in [etcd.url(), gateway.url()] {
        let wants = [registration("app", 1111, TTL), registration("app", 1111, TTL)];
        let began = Instant::now();
        let racers = wants.each_ref().map(|want| start(&registry, want));
        let is_refused = |progress: &Progress| matches!(progress, Progress::Refused { .. });
        let ends = racers.each_ref().map(|racer| {
            progress(racer, |progress| is_refused(progress) || *progress == Progress::Registered)
        });
        let ends = futures_util::future::join_all(ends).await;
        let winner = ends.iter().position(|end| *end == Progress::Registered).expect("one wins");
        let Progress::Refused { reason } = &ends[1 - winner] else { panic!("{ends:?}") };
        assert!(reason.contains(&instance_key(&wants[winner])), "{reason}");
        assert!(began.elapsed() >= TTL, "refused after {:?}", began.elapsed());
        for racer in racers {
            racer.leave().await;
        }
    }
}

/// A crash leaves the lease behind; whoever comes back at the address is in as soon as that has run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_comes_back_after_a_crash_is_not_refused() {
    let etcd = Etcd::running();
    let crashed = start(&etcd.url(), &registration("app", 1111, TTL));
    registered(&crashed).await;
    drop(crashed);
    let again = start(&etcd.url(), &registration("app", 1111, TTL * 2));
    let end = progress(&again, |progress| !matches!(progress, Progress::Pending { .. })).await;
    assert_eq!(end, Progress::Registered);
}
