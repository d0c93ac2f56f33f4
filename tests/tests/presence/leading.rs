//! Of two that share a sink one leads.

use std::time::{Duration, Instant};

use roundhouse_registry::Revision;
use roundhouse_registry::kv::Txn;
use roundhouse_registry::presence::{Campaign, Leadership};
use roundhouse_tests::{SOON, eventually_async, seen};

use crate::{RECOVERY, Site, TTL, by_every_way, on, registered};

const PATH: &str = "leaders/haproxy";

by_every_way!(
    of_two_that_campaign_one_leads_until_it_leaves,
    one_that_is_cut_off_knows_before_another_leads,
    a_lease_that_is_revoked_ends_the_leadership,
    whoever_wants_no_more_makes_room,
);

async fn leads(campaign: &Campaign) -> Leadership {
    eventually_async(RECOVERY, "it leads", async || campaign.leadership()).await
}

fn bounded(leadership: Leadership) {
    assert!(leadership.valid_until <= Instant::now() + TTL, "no longer than the server's lease");
}

async fn of_two_that_campaign_one_leads_until_it_leaves(site: &Site) {
    let name = || "haproxy".parse().unwrap();
    let [one, two] = ["lvs-1", "lvs-2"].map(|id| site.start(id, on(id)));
    // Before either is registered.
    let [one, two] = [one, two].map(|presence| (presence.campaign(name()), presence));
    let led = async || one.0.leadership().or(two.0.leadership());
    let first = eventually_async(RECOVERY, "one leads", led).await;
    let ((mut leader, presence), (mut other, _kept)) =
        if two.0.leadership().is_some() { (two, one) } else { (one, two) };
    let (mut last, began) = (first, Instant::now());
    while began.elapsed() < TTL * 2 {
        assert!(leader.changed().await);
        let now = leader.leadership().expect("it goes on while it is kept alive");
        bounded(now);
        assert!(now.fence == first.fence && now.valid_until >= last.valid_until, "{now:?} after {last:?}");
        assert_eq!(other.leadership(), None);
        last = now;
    }
    assert!(last.valid_until > first.valid_until + TTL);
    let shown = async || {
        seen(site.shown(PATH), |shown| shown.as_ref().is_some_and(|it| it["revision"] == first.fence.0))
    };
    eventually_async(SOON, "its record has the fence", shown).await;
    presence.leave().await;
    assert_eq!(leader.leadership(), None);
    while leader.changed().await {}
    assert!(other.changed().await);
    let next = leads(&other).await;
    assert!(next.fence > first.fence);
    bounded(next);
}

/// Whoever is cut off cannot be told that it does not lead any more.
async fn one_that_is_cut_off_knows_before_another_leads(site: &Site) {
    let wire = site.wire().await;
    let frozen = site.start_through(&wire, "lvs-1");
    let first = frozen.campaign("haproxy".parse().unwrap());
    let led = leads(&first).await;
    let healthy = site.start("lvs-2", on("lvs-2"));
    let second = healthy.campaign("haproxy".parse().unwrap());
    registered(&healthy).await;
    wire.cut();
    let mut last = led;
    let look = async || {
        if let Some(now) = first.leadership() {
            last = now;
        }
        second.leadership()
    };
    let next = eventually_async(RECOVERY, "the other leads", look).await;
    assert!(next.fence > led.fence);
    assert_eq!(first.leadership(), None, "it knows by its own clock");
    assert!(last.valid_until < Instant::now(), "{last:?}");
    wire.mend();
    registered(&frozen).await;
    assert_eq!(first.leadership(), None);
    assert!(leads(&second).await.fence == next.fence);
}

async fn a_lease_that_is_revoked_ends_the_leadership(site: &Site) {
    let presence = site.start("lvs-1", on("lvs-1"));
    let campaign = presence.campaign("haproxy".parse().unwrap());
    let mut fence = Revision(0);
    for _ in 0..3 {
        let higher = async || seen(campaign.leadership(), |now| now.is_some_and(|now| now.fence > fence));
        let now = eventually_async(RECOVERY, "it leads with another fence", higher).await.unwrap();
        bounded(now);
        fence = now.fence;
        // The gateway may hear of it a moment later.
        let heard = async || {
            seen(site.entry(PATH), |entry| entry.as_ref().is_some_and(|it| it["created"] == fence.0))
        };
        let lease = eventually_async(SOON, "the gateway has it", heard).await.unwrap()["lease"].clone();
        assert_eq!(lease, site.entry("directors/lvs-1").unwrap()["lease"]);
        site.revoke("lvs-1");
        let gone = async || seen(campaign.leadership(), |now| now.is_none_or(|now| now.fence > fence));
        eventually_async(TTL, "it is lost", gone).await;
    }
}

async fn whoever_wants_no_more_makes_room(site: &Site) {
    let one = site.start_with("lvs-1", on("lvs-1"), TTL * 10);
    let first = one.campaign("haproxy".parse().unwrap());
    let other_sink = one.campaign("aws".parse().unwrap());
    let fence = leads(&first).await.fence;
    leads(&other_sink).await;
    drop(first);
    eventually_async(SOON, "the place is free", async || seen(site.shown(PATH), Option::is_none)).await;
    assert!(other_sink.leadership().is_some());
    let two = site.start("lvs-2", on("lvs-2"));
    assert!(leads(&two.campaign("haproxy".parse().unwrap())).await.fence > fence);
}

/// By hand in etcd: the place is taken again with a higher fence, so that what was written under the former is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_record_is_deleted_leads_with_a_higher_fence() {
    for site in [Site::etcd(), Site::direct()] {
        let kv = site.hub.etcd.as_ref().unwrap().kv("/roundhouse/v1").await;
        let presence = site.start("lvs-1", on("lvs-1"));
        let campaign = presence.campaign("haproxy".parse().unwrap());
        let fence = leads(&campaign).await.fence;
        kv.commit(Txn::new().delete(PATH)).await.unwrap();
        let higher = async || seen(campaign.leadership(), |now| now.is_some_and(|now| now.fence > fence));
        let now = eventually_async(TTL, "it leads with another fence", higher).await.unwrap();
        assert_eq!(kv.get(PATH).await.unwrap().unwrap().created, now.fence);
    }
}

/// The server's lease outlives what the leader believes, whenever the way was cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leadership_never_outlives_the_lease() {
    for site in [Site::embedded(), Site::direct()] {
        let wire = site.wire().await;
        let presence = site.start_through(&wire, "lvs-1");
        let campaign = presence.campaign("haproxy".parse().unwrap());
        for cut_after in [Duration::ZERO, TTL / 5, TTL / 3, TTL] {
            leads(&campaign).await;
            let began = Instant::now();
            let passed = async || began.elapsed() >= cut_after;
            eventually_async(SOON, "some of the lease has gone by", passed).await;
            wire.cut();
            let gone = async || {
                let believed = campaign.leadership();
                let there = site.shown(PATH).is_some();
                assert!(there || campaign.leadership().is_none(), "{believed:?}");
                !there
            };
            eventually_async(RECOVERY, "the lease runs out", gone).await;
            wire.mend();
        }
    }
}
