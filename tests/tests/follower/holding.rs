//! Leases run out together: what the registry takes back is held, every reader agrees, and it ends as it should.

use std::sync::Arc;
use std::time::Duration;

use roundhouse_registry::follow::Options;
use roundhouse_registry::hold::Release;
use roundhouse_registry::write::Expect;
use roundhouse_registry::{Kv, Registry, Snapshot, State};
use roundhouse_tests::sample::{job, label, new_instance};
use roundhouse_tests::{Backend, eventually_async, on_both_backends};

use crate::{Following, RECOVERY};

/// The least that etcd grants here.
const TTL: Duration = Duration::from_secs(1);
const INSTANCES: usize = 10;

/// A hub's follower: its holds become records.
async fn hub(kv: Arc<dyn Kv>) -> Following {
    let options = Options { by: "hub-1".into(), writes: Some(kv.clone()), ..Options::default() };
    Following::with(kv, options).await
}

/// Ten instances whose registrars are gone without a word.
async fn abandoned(registry: &Registry) {
    registry.put_job(&label("app"), &job("job.app"), Expect::Any).await.unwrap();
    for n in 1..=INSTANCES {
        let new = new_instance("app", &format!("10.0.0.{n}:1111"));
        registry.register_leased(&new, TTL).await.unwrap();
    }
}

async fn until(following: &Following, what: &str, holds: impl Fn(&Snapshot) -> bool) {
    let look = async || {
        let now = following.store.load();
        let lost = following.store.contact().lost.clone();
        let seen = (now.instance_count(), now.held_count(), now.members(&label("app")).count(), lost);
        if holds(&now) { Ok(()) } else { Err(seen) }
    };
    eventually_async(RECOVERY, what, look).await;
}

on_both_backends!(what_runs_out_together_is_held_for_every_reader, who_leaves_in_order_is_not_held);

async fn what_runs_out_together_is_held_for_every_reader(backend: &Backend) {
    let registry = Registry::new(backend.open().await);
    abandoned(&registry).await;
    let hub = hub(backend.open().await).await;
    let reader = Following::start(backend.open().await).await;
    let all_held = |now: &Snapshot| now.held_count() == INSTANCES && now.instance_count() == 0;
    until(&hub, "all are held", all_held).await;
    until(&reader, "a reader that writes nothing agrees", all_held).await;
    let records = async || registry.kv().range("held/app/").await.map(|records| records.len()).ok();
    eventually_async(RECOVERY, "each is a record", async || match records().await {
        Some(INSTANCES) => Ok(()),
        other => Err(other),
    })
    .await;
    assert_eq!(hub.store.load().members(&label("app")).count(), INSTANCES, "nobody was given up");
    // One that comes back ends its own hold, in its own transaction.
    let back = hub.store.load().held[&label("app")].iter().next().map(|(id, held)| (*id, held.value.clone()));
    let (id, held) = back.unwrap();
    let mut new = new_instance("app", "10.0.0.1:1111");
    (new.id, new.instance) = (id, held.instance);
    registry.register(&new, None).await.unwrap();
    until(&reader, "one is back", |now| now.held_count() == INSTANCES - 1 && now.instance_count() == 1).await;
    until(&hub, "the hub knows", |now| now.held_count() == INSTANCES - 1 && now.instance_count() == 1).await;
    // And a person ends the others.
    assert_eq!(hub.holds.release(Release::Job(label("app"))).await, INSTANCES - 1);
    until(&reader, "the others are released", |now| now.held_count() == 0 && now.instance_count() == 1).await;
    eventually_async(RECOVERY, "no record is left", async || match records().await {
        Some(0) => Ok(()),
        other => Err(other),
    })
    .await;
}

async fn who_leaves_in_order_is_not_held(backend: &Backend) {
    let registry = Registry::new(backend.open().await);
    let hub = hub(backend.open().await).await;
    let mut leaving = Vec::new();
    for n in 1..=INSTANCES {
        let new = new_instance("app", &format!("10.0.0.{n}:1111"));
        let (lease, _) = registry.register_leased(&new, Duration::from_secs(60)).await.unwrap();
        leaving.push((new, lease));
    }
    until(&hub, "all are there", |now| now.instance_count() == INSTANCES).await;
    for (new, lease) in leaving {
        registry.set_state(&new.job, new.id, State::Draining).await.unwrap();
        registry.kv().revoke(lease).await.unwrap();
    }
    until(&hub, "all are gone", |now| now.instance_count() == 0).await;
    assert_eq!(hub.store.load().held_count(), 0);
}
