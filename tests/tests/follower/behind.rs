//! A follower that reads through a gateway: what the registry says is in its snapshot, whatever happens to the gateway,
//! to the registry behind it or to the way there. And it knows how old its data is, whichever of them is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use roundhouse_registry::hold::Release;
use roundhouse_registry::kv::{Kv, Txn};
use roundhouse_registry::{Revision, Snapshot, Source, State};
use roundhouse_tests::sample::label;
use roundhouse_tests::{Hub, SOON, Signal, Wire, eventually_async, on_both_hubs};

use crate::{Following, RECOVERY};

const PREFIX: &str = "/roundhouse/v1";
/// The gateway shows life every 2 s, and three missed signs are death.
const NOTICE: Duration = Duration::from_secs(8);

on_both_hubs!(
    what_is_written_arrives,
    a_gateway_that_was_killed_is_followed_again,
    random_writes_end_in_the_same
);

/// Until the follower has what its gateway lists, and at least this revision.
async fn agrees(following: &Following, source: &dyn Source, least: Revision) -> Arc<Snapshot> {
    eventually_async(RECOVERY, "the follower has what the gateway has", async || {
        let listed = Snapshot::from_listing(source.list().await.map_err(|error| error.to_string())?);
        let now = following.store.load();
        let lost = following.store.contact().lost.clone();
        // A listing has no bad records, the watch does.
        let good = Snapshot { quarantine: listed.quarantine.clone(), ..(*now).clone() };
        if now.revision >= least
            && now.revision == listed.revision
            && good.same_records(&listed)
            && lost.is_none()
        {
            Ok(now)
        } else {
            Err(format!("{} of {}, at least {least}, lost: {lost:?}", now.revision, listed.revision))
        }
    })
    .await
}

async fn what_is_written_arrives(hub: Hub) {
    let source = hub.source();
    let following = Following::start(hub.source()).await;
    let mut changes = following.store.changes();
    let (id, written) = hub.register("app", 1111, r#""60s""#);
    tokio::time::timeout(SOON, changes.wait_for(|at| *at >= written)).await.unwrap().unwrap();
    let snapshot = following.store.load();
    let record = snapshot.instance(&label("app"), id).unwrap();
    assert_eq!((record.created, record.modified), (written, written));
    let lease = record.lease.expect("a leased instance");
    assert!(snapshot.jobs.contains_key(&label("app")));
    hub.write("PUT", "/v1/domains/blog.coding.net", r#"{"routes":[{"to":[{"job":"app"}]}]}"#);
    let drained = hub.set_state("app", id, "draining");
    let snapshot = agrees(&following, &*source, drained).await;
    assert_eq!((snapshot.domains.len(), snapshot.gateways.len()), (1, 1));
    let record = snapshot.instance(&label("app"), id).unwrap();
    assert_eq!((record.value.state, record.created, record.lease), (State::Draining, written, Some(lease)));
    hub.write("DELETE", &format!("/v1/leases/{lease}"), "");
    let gone = async || following.store.load().instances.is_empty();
    eventually_async(SOON, "the revoked instance goes", gone).await;
}

async fn random_writes_end_in_the_same(hub: Hub) {
    let following = Following::start(hub.source()).await;
    let seed: u64 = rand::random();
    let mut rng = StdRng::seed_from_u64(seed);
    let kv = match &hub.etcd {
        Some(etcd) => Some(etcd.kv(PREFIX).await),
        None => None,
    };
    let mut mine = Vec::new();
    let mut last = Revision(0);
    for i in 0..80 {
        let job = ["a", "b", "c"][rng.random_range(0..3)];
        last = match (rng.random_range(0..8), &kv) {
            (0, _) => hub.put_job(job),
            (1, Some(kv)) => write_nonsense(&**kv, &mut rng).await,
            (2..=5, _) | (_, None) => {
                let (id, at) = hub.register(job, 3000 + i, if i % 2 == 0 { "null" } else { r#""60s""# });
                mine.push((job, id));
                at
            }
            _ => match mine.pop() {
                Some((job, id)) => hub.write("DELETE", &format!("/v1/instances/{job}/{id}"), ""),
                None => last,
            },
        };
    }
    let snapshot = agrees(&following, &*hub.source(), last).await;
    assert!(snapshot.all_instances().count() > 3, "seed {seed}");
    // The same through one more reader, and from the registry itself.
    if let Some(kv) = kv {
        let same = async || {
            let (direct, now) = (Snapshot::from_listing(kv.list().await.unwrap()), following.store.load());
            let good = Snapshot { quarantine: direct.quarantine.clone(), ..(*now).clone() };
            good.same_records(&direct)
        };
        eventually_async(SOON, &format!("what etcd says, seed {seed}"), same).await;
    }
}

async fn write_nonsense(kv: &dyn Kv, rng: &mut StdRng) -> Revision {
    let key = ["jobs/d", "domains/x.y", "instances/a/1", "nonsense"][rng.random_range(0..4)];
    let value = ["{", "[]", "{\n\"jobname\":\n\"job.d\"}\r\n"][rng.random_range(0..3)];
    kv.commit(Txn::new().put(key, value, None)).await.unwrap();
    kv.list().await.unwrap().revision
}

/// A gateway on embedded continues its revisions, one on etcd shares them; what it kept for watchers is gone in any case.
async fn a_gateway_that_was_killed_is_followed_again(mut hub: Hub) {
    let source = hub.source();
    let following = Following::start(hub.source()).await;
    let before = agrees(&following, &*source, hub.put_job("app")).await;
    hub.gateway.process().signal(Signal::KILL);
    hub.gateway.stopped();
    let reason = following.lost().await;
    assert!(reason.contains(&hub.gateway.url()), "{reason}");
    assert_eq!(following.store.load().jobs, before.jobs, "a lost gateway is not an empty registry");
    hub.gateway.run();
    let written = hub.put_job("other");
    let after = agrees(&following, &*source, written).await;
    assert!(after.jobs.contains_key(&label("other")) && after.origin == before.origin);
    // And it follows again, rather than having listed once.
    let next = hub.put_job("third");
    agrees(&following, &*source, next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_wire_is_mended_even_when_the_gateway_has_forgotten_what_came_between() {
    let hub = Hub::etcd();
    let kv = hub.etcd.as_ref().unwrap().kv(PREFIX).await;
    let (source, wire) = (hub.source(), Wire::to(hub.gateway.admin()).await);
    let following = Following::start(Hub::source_at(wire.address())).await;
    for changes in [1, 10_240] {
        let start = agrees(&following, &*source, hub.put_job("app")).await;
        wire.cut();
        following.lost().await;
        for _ in 0..changes / 128 {
            let addresses = (1..=128).map(|i| format!("addresses/tcp/10.0.0.8:{i}"));
            kv.commit(addresses.fold(Txn::new(), |txn, key| txn.put(key, "v", None))).await.unwrap();
        }
        let (id, written) = hub.register("app", 4000 + changes, "null");
        assert_eq!(following.store.load().revision, start.revision, "away is away");
        wire.mend();
        let now = agrees(&following, &*source, written).await;
        assert!(now.instance(&label("app"), id).is_some());
    }
}

/// The gateway's etcd lost its disk: lower revisions, while the connection to the gateway stands all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_history_behind_the_gateway_is_taken_over() {
    let mut hub = Hub::etcd();
    let source = hub.source();
    let following = Following::start(hub.source()).await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        hub.put_job(name);
    }
    let before = agrees(&following, &*source, hub.put_job("g")).await;
    let etcd = hub.etcd.as_mut().unwrap();
    etcd.stop();
    etcd.lose_data();
    etcd.start();
    let kv = etcd.kv(PREFIX).await;
    kv.commit(Txn::new().put("jobs/new", r#"{"jobname":"job.new"}"#, None)).await.unwrap();
    eventually_async(RECOVERY, "the new history is followed", async || {
        let now = following.store.load();
        let jobs: Vec<String> = now.jobs.keys().map(ToString::to_string).collect();
        let all = ["a", "b", "c", "d", "e", "f", "g", "new"];
        if now.revision < before.revision && jobs == all { Ok(()) } else { Err((now.revision, jobs)) }
    })
    .await;
    // The gateway and the follower behind it each keep what the new history lacks until somebody says otherwise.
    let released = hub.gateway.call("DELETE", "/v1/holds", "");
    assert_eq!(released.status, 200, "{released:?}");
    following.holds.release(Release::All).await;
    eventually_async(RECOVERY, "and believed", async || {
        let jobs: Vec<String> = following.store.load().jobs.keys().map(ToString::to_string).collect();
        if jobs == ["new"] { Ok(()) } else { Err(jobs) }
    })
    .await;
    assert!(following.store.load().revision < before.revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_froze_is_noticed_and_stale_since_it_froze() {
    let hub = Hub::embedded();
    let following = Following::start(hub.source()).await;
    let frozen = Instant::now();
    hub.gateway.process().signal(Signal::STOP);
    following.lost().await;
    let (noticed, stale) = (frozen.elapsed(), following.store.contact().stale(Instant::now()));
    assert!(noticed < NOTICE, "noticed after {noticed:?}");
    // Its last sign of life was at most 2 s old.
    let least = frozen.elapsed().saturating_sub(Duration::from_secs(1));
    assert!(
        stale > least && stale < frozen.elapsed() + Duration::from_secs(3),
        "{stale:?}, frozen for {noticed:?}"
    );
    hub.gateway.process().signal(Signal::CONT);
    agrees(&following, &*hub.source(), Revision(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_registry_is_away_says_how_old_it_is() {
    let mut hub = Hub::etcd();
    let source = hub.source();
    let following = Following::start(hub.source()).await;
    let put = hub.put_job("app");
    // The gateway's own last write: none may come between this and the end of etcd.
    hub.gateway.vip("app");
    let before = agrees(&following, &*source, put).await;
    let etcd = hub.etcd.as_mut().unwrap();
    let stopped = Instant::now();
    etcd.stop();
    let reason = following.lost().await;
    assert!(reason.contains(&etcd.url()), "not the gateway, which answers: {reason}");
    // It stays so, with the age growing, though the gateway shows life all the time.
    let first = following.store.contact().last;
    eventually_async(SOON, "a later sign of life", async || following.store.contact().last != first).await;
    let contact = following.store.contact();
    let (stale, away) = (contact.stale(Instant::now()), stopped.elapsed());
    assert!(contact.lost.is_some(), "a sign of life is not contact with the registry");
    let apart = stale.abs_diff(away);
    assert!(apart < Duration::from_secs(4), "stale for {stale:?}, etcd is away for {away:?}");
    assert!(following.store.load().same_records(&before));
    // Who starts now is served all the same, and told the same age.
    let late = Following::start(hub.source()).await;
    late.lost().await;
    let apart = late.store.contact().stale(Instant::now()).abs_diff(stopped.elapsed());
    assert!(late.store.load().same_records(&before) && apart < Duration::from_secs(4), "{apart:?}");
    let status = hub.gateway.api("/v1/snapshot").json();
    assert!(status["lost"].is_string() && status["stale_seconds"].as_f64() > Some(0.5), "{}", status["lost"]);

    hub.etcd.as_mut().unwrap().start();
    for following in [&following, &late] {
        agrees(following, &*source, Revision(0)).await;
        assert_eq!(following.store.contact().stale(Instant::now() + SOON), Duration::ZERO);
    }
}
