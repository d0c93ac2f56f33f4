//! A record that is kept.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use roundhouse_registry::Revision;
use roundhouse_registry::kv::Txn;
use roundhouse_registry::presence::Progress;
use roundhouse_registry::record::Director;
use roundhouse_tests::{SOON, eventually_async, seen};
use serde_json::{Value, json};

use crate::{RECOVERY, Site, TTL, by_every_way, on, progress, registered};

const ID: &str = "lvs-1";
const PATH: &str = "directors/lvs-1";

by_every_way!(
    it_announces_itself_lives_on_and_leaves,
    a_dropped_one_lets_its_lease_run_out,
    a_lease_that_is_revoked_comes_back_as_it_was_last_told,
    what_dns_answers_by_is_told_at_once_and_the_rest_now_and_then,
    a_second_one_with_its_id_is_refused_by_host_and_gets_in_after_it,
    one_that_comes_back_after_a_crash_is_not_refused,
);

async fn is_there(site: &Site, wanted: impl Fn(&Value) -> bool) -> Value {
    let look = async || seen(site.shown(PATH), |shown| shown.as_ref().is_some_and(&wanted));
    eventually_async(RECOVERY, "the record is there", look).await.unwrap()
}

fn applied(pool: &str, vip: &str) -> Director {
    let applied = [(pool.parse().unwrap(), vec![vip.parse().unwrap()])];
    Director { applied: applied.into_iter().collect(), ..on("host-a") }
}

async fn it_announces_itself_lives_on_and_leaves(site: &Site) {
    let presence = site.start(ID, on("host-a"));
    registered(&presence).await;
    let made = is_there(site, |shown| shown["host"] == "host-a").await;
    let lease = site.lease(PATH);
    let began = Instant::now();
    let stays = async || {
        assert_eq!(site.shown(PATH).as_ref(), Some(&made), "nothing is written that says nothing new");
        began.elapsed() > TTL * 2
    };
    eventually_async(RECOVERY, "twice the TTL has gone by", stays).await;
    assert_eq!(site.lease(PATH), lease);
    let began = Instant::now();
    presence.leave().await;
    eventually_async(SOON, "it is gone", async || seen(site.shown(PATH), Option::is_none)).await;
    assert!(began.elapsed() < TTL / 2, "the lease is revoked, it does not run out");
}

async fn a_dropped_one_lets_its_lease_run_out(site: &Site) {
    let presence = site.start(ID, on("host-a"));
    registered(&presence).await;
    is_there(site, |_| true).await;
    drop(presence);
    eventually_async(TTL * 4, "the lease runs out", async || seen(site.shown(PATH), Option::is_none)).await;
}

async fn a_lease_that_is_revoked_comes_back_as_it_was_last_told(site: &Site) {
    let presence = site.start(ID, on("host-a"));
    registered(&presence).await;
    presence.set(applied("blog", "203.0.113.10"));
    is_there(site, |shown| shown["applied"]["blog"] == json!(["203.0.113.10"])).await;
    for _ in 0..2 {
        let lease = site.lease(PATH);
        site.revoke(ID);
        let began = Instant::now();
        let other = |entry: &Value| entry["lease"] != json!(lease.to_string());
        let back = async || seen(site.entry(PATH), |entry| entry.as_ref().is_some_and(other));
        let entry = eventually_async(RECOVERY, "it is back", back).await.unwrap();
        assert!(began.elapsed() < TTL, "after {:?}", began.elapsed());
        assert_eq!(entry["value"]["applied"]["blog"], json!(["203.0.113.10"]));
        registered(&presence).await;
    }
}

async fn what_dns_answers_by_is_told_at_once_and_the_rest_now_and_then(site: &Site) {
    let presence = site.start_with(ID, on("host-a"), TTL * 10);
    registered(&presence).await;
    is_there(site, |_| true).await;
    let (began, mut written, mut told) = (Instant::now(), BTreeSet::new(), 0);
    let busy = Duration::from_millis(2_500);
    while began.elapsed() < busy {
        told += 1;
        presence.set(Director { revision: Revision(told), ..on("host-a") });
        written.extend(site.shown(PATH).map(|shown| shown["revision"].as_u64()));
    }
    assert!(told > 10, "{told}");
    assert!((2..=4).contains(&written.len()), "written once a second, not {} times", written.len());
    let began = Instant::now();
    for vip in 1..=5 {
        let vip = format!("203.0.113.{vip}");
        presence.set(applied("blog", &vip));
        is_there(site, |shown| shown["applied"]["blog"] == json!([vip])).await;
    }
    assert!(began.elapsed() < Duration::from_secs(1), "after {:?}", began.elapsed());
    presence.set(Director { revision: Revision(7_777), ..applied("blog", "203.0.113.5") });
    is_there(site, |shown| shown["host"] == "host-a").await;
    eventually_async(SOON, "the last word is written", async || {
        seen(site.entry(PATH), |entry| entry.as_ref().unwrap()["value"]["revision"] == 7_777)
    })
    .await;
}

async fn a_second_one_with_its_id_is_refused_by_host_and_gets_in_after_it(site: &Site) {
    let first = site.start(ID, on("host-a"));
    registered(&first).await;
    let began = Instant::now();
    let second = site.start(ID, on("host-b"));
    let refused = progress(&second, |progress| matches!(progress, Progress::Refused { .. })).await;
    assert!(began.elapsed() >= TTL, "a former self is waited for, not {:?}", began.elapsed());
    let Progress::Refused { reason } = refused else { unreachable!() };
    assert!(reason.contains("directors/lvs-1") && reason.contains("host-a"), "{reason}");
    is_there(site, |shown| shown["host"] == "host-a").await;
    first.leave().await;
    registered(&second).await;
    is_there(site, |shown| shown["host"] == "host-b").await;
}

async fn one_that_comes_back_after_a_crash_is_not_refused(site: &Site) {
    let crashed = site.start(ID, on("host-a"));
    registered(&crashed).await;
    drop(crashed);
    let again = site.start_with(ID, on("host-a"), TTL * 2);
    let end = progress(&again, |progress| !matches!(progress, Progress::Pending { .. })).await;
    assert_eq!(end, Progress::Registered);
}

/// By hand in etcd, where the API has no say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_deleted_comes_back_under_its_lease() {
    for site in [Site::etcd(), Site::direct()] {
        let kv = site.hub.etcd.as_ref().unwrap().kv("/roundhouse/v1").await;
        let presence = site.start(ID, on("host-a"));
        registered(&presence).await;
        let lease = kv.get(PATH).await.unwrap().unwrap().lease;
        kv.commit(Txn::new().delete(PATH)).await.unwrap();
        let began = Instant::now();
        let back = async || kv.get(PATH).await.unwrap();
        let entry = eventually_async(RECOVERY, "it is back", back).await;
        assert!(began.elapsed() < TTL, "after {:?}", began.elapsed());
        assert_eq!(entry.lease, lease);
        // Somebody else has it meanwhile: theirs stays.
        let other = kv.grant(TTL * 20).await.unwrap();
        kv.commit(Txn::new().put(PATH, r#"{"version":"1","host":"host-b"}"#, Some(other))).await.unwrap();
        let refused = progress(&presence, |progress| matches!(progress, Progress::Refused { .. })).await;
        let Progress::Refused { reason } = refused else { unreachable!() };
        assert!(reason.contains("host-b"), "{reason}");
        assert_eq!(kv.get(PATH).await.unwrap().unwrap().lease, Some(other));
    }
}

#[test]
fn what_cannot_be_announced_is_refused_before_anything_is_dialled() {
    let start = |id: &str, director: Director| {
        let registry = roundhouse_config::RegistrySettings {
            url: "etcd://127.0.0.1:1".parse().unwrap(),
            ..Default::default()
        };
        roundhouse_registry::Presence::start(&registry, id, director, TTL).unwrap_err().to_string()
    };
    assert!(start("lvs/1", on("host-a")).contains("`lvs/1` is no director's id; write"));
    assert!(start("lvs-1", on("")).contains("host: "));
}
