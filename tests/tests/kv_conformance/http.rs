//! The reading half of the promise through a gateway, on either registry: what is written by the API or beside it is
//! read by the adapter. A gateway serves records, so these are records; and what it never gives out stays in.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use roundhouse_registry::Snapshot;
use roundhouse_registry::http::HttpClient;
use roundhouse_registry::kv::embedded::Embedded;
use roundhouse_registry::kv::http::Http;
use roundhouse_registry::kv::{Batch, Change, Entry, Event, Kv, KvError, Listing, Revision, Source, Txn};
use roundhouse_tests::http::Connection;
use roundhouse_tests::{
    Hub, SOON, changes_until, eventually, eventually_async, next_batch, on_both_hubs, watch_end,
};
use tokio::time::timeout;

use crate::{done, put};

const PREFIX: &str = "/roundhouse/v1";
/// A follower behind a gateway may wait a second more than one at etcd: the gateway waits for a revision to come.
const ANSWER: Duration = Duration::from_secs(6);

on_both_hubs!(
    a_listing_is_what_the_registry_holds,
    every_later_commit_comes_whole_and_in_order,
    a_watch_resumes_from_the_past,
    watchers_see_the_same,
    a_slow_reader_is_never_given_a_gap,
);

/// Writes of every kind that the API has; the revision of the last.
fn write(hub: &Hub, rounds: u16) -> Revision {
    let mut last = Revision(0);
    for i in 0..rounds {
        hub.put_job(["a", "b", "c"][usize::from(i % 3)]);
        let (id, _) = hub.register("app", 2000 + i, if i % 2 == 0 { "null" } else { r#""60s""# });
        hub.set_state("app", id, "draining");
        last = hub.put_job("a");
        if i % 4 == 3 {
            last = hub.write("DELETE", &format!("/v1/instances/app/{id}"), "");
        }
    }
    last
}

/// Both sides without what only writers look at, and without the gateway's own record, which ends with it.
fn records(entries: &[Entry]) -> BTreeMap<&str, &Entry> {
    const OTHERS: [&str; 4] = ["addresses/", "vip-owners/", "pool-vips/", "gateways/"];
    let records = entries.iter().filter(|entry| !OTHERS.iter().any(|other| entry.key.starts_with(other)));
    records.map(|entry| (entry.key.as_str(), entry)).collect()
}

/// The registry itself. The embedded one is in its file, which is free when the gateway has ended.
async fn truth(hub: &mut Hub) -> Listing {
    match &hub.etcd {
        Some(etcd) => etcd.kv(PREFIX).await.list().await.unwrap(),
        None => {
            hub.gateway.process().signal(roundhouse_tests::Signal::TERM);
            hub.gateway.stopped();
            let file = hub.gateway.config().with_file_name("data").join("registry.redb");
            Embedded::open(&file).unwrap().list().await.unwrap()
        }
    }
}

/// A listing that has a revision: what was written before is in it.
async fn listed(source: &dyn Source, least: Revision) -> Listing {
    let look = async || {
        let listing = source.list().await.map_err(|error| error.to_string())?;
        if listing.revision >= least { Ok(listing) } else { Err(listing.revision.to_string()) }
    };
    eventually_async(SOON, "the gateway has the last write", look).await
}

async fn a_listing_is_what_the_registry_holds(mut hub: Hub) {
    let source = hub.source();
    assert_eq!(source.name(), hub.gateway.url());
    write(&hub, 6);
    hub.gateway.vip("app");
    hub.write("PUT", "/v1/domains/blog.coding.net", r#"{"routes":[{"to":[{"job":"app"}]}]}"#);
    let last = hub.write("DELETE", "/v1/jobs/c", "");
    // All jobs have their VIPs, so that nobody writes any more.
    eventually(SOON, "VIPs", || ["a", "b", "app"].iter().all(|job| hub.gateway.job(job)["vip"].is_string()));
    let listing = listed(&*source, last).await;
    let keys: Vec<&String> = listing.entries.iter().map(|entry| &entry.key).collect();
    assert!(keys.iter().any(|key| key.starts_with("gateways/")), "{keys:?}");
    assert!(
        listing.entries.iter().any(|entry| entry.lease.is_some() && entry.key.starts_with("instances/app/"))
    );
    let truth = truth(&mut hub).await;
    assert_eq!(listing.origin, truth.origin);
    assert!(listing.revision <= truth.revision && listing.revision >= last);
    let (found, expected) = (records(&listing.entries), records(&truth.entries));
    assert!(found.keys().eq(expected.keys()), "{found:?}\n{expected:?}");
    let snapshot = |listing: Listing| Snapshot {
        gateways: Default::default(),
        revision: Revision(0),
        ..Snapshot::from_listing(listing)
    };
    assert!(snapshot(listing).same_records(&snapshot(truth)));
}

async fn every_later_commit_comes_whole_and_in_order(mut hub: Hub) {
    let source = hub.source();
    let start = listed(&*source, hub.put_job("app")).await;
    let mut watch = source.watch(start.revision).await.unwrap();
    let last = write(&hub, 20);
    let mut batches = vec![next_batch(&mut watch).await];
    while batches.last().unwrap().revision < last {
        batches.push(next_batch(&mut watch).await);
    }
    let mut revisions = Vec::new();
    for batch in &batches {
        revisions.push(batch.revision.0);
        assert!(batch.changes.iter().all(|change| revision(change) == batch.revision), "{batch:?}");
    }
    assert_eq!(revisions, (start.revision.0 + 1..=batches.last().unwrap().revision.0).collect::<Vec<_>>());
    // A registration is one commit: the instance and its address.
    let whole = |batch: &&Batch| {
        let is_new = |kind: &str| {
            let put =
                |change: &Change| matches!(change, Change::Put(entry) if entry.created == entry.modified);
            batch.changes.iter().any(|change| change.key().starts_with(kind) && put(change))
        };
        is_new("instances/") && is_new("addresses/")
    };
    assert_eq!(batches.iter().filter(whole).count(), 20);
    // What is built from the commits is what a listing says then.
    let mut built: BTreeMap<String, Entry> =
        start.entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
    let changes: Vec<Change> = batches.into_iter().flat_map(|batch| batch.changes).collect();
    for change in changes.clone() {
        match change {
            Change::Put(entry) => drop(built.insert(entry.key.clone(), entry)),
            Change::Delete { key, .. } => drop(built.remove(&key)),
        }
    }
    let built: Vec<Entry> = built.into_values().collect();
    if let Some(etcd) = &hub.etcd {
        let mut direct = etcd.kv(PREFIX).await.watch(start.revision).await.unwrap();
        let expected = changes_until(&mut direct, last).await;
        assert_eq!(changes[..expected.len()], expected, "byte for byte");
    }
    let truth = truth(&mut hub).await;
    // VIPs may have come since.
    let without_vips = |entries: &[Entry]| {
        let mut records: BTreeMap<String, Entry> =
            records(entries).into_iter().map(|(key, entry)| (key.to_owned(), entry.clone())).collect();
        records.retain(|key, _| !key.starts_with("vips/"));
        records
    };
    assert_eq!(without_vips(&built), without_vips(&truth.entries));
}

fn revision(change: &Change) -> Revision {
    match change {
        Change::Put(entry) => entry.modified,
        Change::Delete { revision, .. } => *revision,
    }
}

async fn a_watch_resumes_from_the_past(hub: Hub) {
    let source = hub.source();
    let first = listed(&*source, hub.put_job("app")).await.revision;
    let last = write(&hub, 10);
    let expected = changes_until(&mut source.watch(first).await.unwrap(), last).await;
    for from in [first.0 + 1, first.0 + 7, last.0 - 1] {
        let later: Vec<_> = expected.iter().filter(|change| revision(change).0 > from).cloned().collect();
        let mut watch = source.watch(Revision(from)).await.unwrap();
        assert_eq!(changes_until(&mut watch, last).await[..later.len()], later);
    }
    // The past leads into the present, and nothing comes from a future.
    let mut watch = source.watch(Revision(last.0 - 1)).await.unwrap();
    let next = hub.put_job("next");
    assert!(changes_until(&mut watch, next).await.iter().any(|change| change.key() == "jobs/next"));
    let future = source.watch(Revision(next.0 + 1_000)).await.err();
    assert!(matches!(future, Some(KvError::Compacted(_))), "{future:?}");
}

async fn watchers_see_the_same(hub: Hub) {
    let source = hub.source();
    let start = listed(&*source, Revision(1)).await.revision;
    let mut watches = Vec::new();
    for _ in 0..3 {
        watches.push(hub.source().watch(start).await.unwrap());
    }
    let last = write(&hub, 5);
    let expected = changes_until(&mut watches.remove(0), last).await;
    assert!(expected.len() > 20);
    let next = hub.put_job("next");
    for watch in &mut watches {
        let changes = changes_until(watch, next).await;
        assert_eq!(changes[..expected.len()], expected, "one watcher's end is not another's");
    }
}

/// More commits than anybody buffers, while nobody reads: the stream ends early or goes on, and skips nothing.
async fn a_slow_reader_is_never_given_a_gap(hub: Hub) {
    const WRITERS: usize = 10;
    const COMMITS: usize = 1_500;
    let source = hub.source();
    let before = listed(&*source, Revision(1)).await.revision;
    let mut watch = source.watch(before).await.unwrap();
    thread::scope(|scope| {
        for i in 0..WRITERS {
            let admin = hub.gateway.admin();
            scope.spawn(move || {
                let mut connection = Connection::open(admin).unwrap();
                let body = format!(r#"{{"jobname":"job.j{i}","note":"{}"}}"#, "x".repeat(10_000));
                for _ in 0..COMMITS / WRITERS {
                    let path = format!("/v1/jobs/j{i}");
                    let reply = connection.request("PUT", &admin.to_string(), &path, &body).unwrap();
                    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
                }
            });
        }
    });
    let mut at = before;
    while at.0 < before.0 + COMMITS as u64 {
        match timeout(SOON, watch.recv()).await.expect("neither an event nor an end") {
            Some(Ok(Event::Progress | Event::Stale { .. })) => {}
            Some(Ok(Event::Batch(batch))) => {
                assert_eq!(batch.revision.0, at.0 + 1);
                at = batch.revision;
            }
            Some(Err(_)) | None => break,
        }
    }
    assert!(at.0 >= before.0 + 1_000, "a burst of 1,000 commits must fit: only {} came", at.0 - before.0);
}

/// A registry on etcd, and two ways to it.
async fn etcd_hub() -> (Hub, Arc<dyn Source>, Arc<dyn Kv>) {
    let hub = Hub::etcd();
    let kv = hub.etcd.as_ref().unwrap().kv(PREFIX).await;
    let source = hub.source();
    // Its own record, the last thing that it writes by itself.
    let announced = || !hub.gateway.api("/v1/gateways").json().as_array().unwrap().is_empty();
    eventually(SOON, "the gateway is announced", announced);
    (hub, source, kv)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_comes_as_one_batch() {
    let (_hub, source, kv) = etcd_hub().await;
    let before = put(&*kv, "addresses/tcp/10.0.0.7:1", "v").await;
    let before = listed(&*source, before).await.revision;
    let mut watch = source.watch(before).await.unwrap();
    let key = |i: u16| format!("addresses/tcp/10.0.0.7:{i}");
    let txn = (2..=128).fold(Txn::new().delete(key(1)), |txn, i| txn.put(key(i), "v", None));
    let revision = done(&*kv, txn).await;
    let batch = next_batch(&mut watch).await;
    assert_eq!((batch.revision, batch.changes.len()), (revision, 128));
    let keys: Vec<&str> = batch.changes.iter().map(Change::key).collect();
    assert_eq!(keys, (1..=128).map(key).collect::<Vec<_>>(), "in the order of the operations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_bytes_of_any_kind() {
    let (_hub, source, kv) = etcd_hub().await;
    let start = kv.list().await.unwrap().revision;
    let mut watch = source.watch(start).await.unwrap();
    let every_byte: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8 ^ (i >> 8) as u8).collect();
    let values: [&[u8]; 9] = [
        b"",
        b"null",
        b"{\n}\r\n",
        b" [1]",
        b"\"\xff\"",
        b"\"\\ud800\"",
        b"1e999",
        b"event: put\n\ndata: x\n\n",
        &every_byte,
    ];
    let mut last = start;
    for (i, value) in values.iter().enumerate() {
        last = done(&*kv, Txn::new().put(format!("jobs/x{i}"), value.to_vec(), None)).await;
    }
    last = done(&*kv, Txn::new().put("jobs/\"\n\u{1}é", "{}", None).delete("jobs/x0")).await.max(last);
    let mut direct = kv.watch(start).await.unwrap();
    let expected = changes_until(&mut direct, last).await;
    assert_eq!(changes_until(&mut watch, last).await, expected);
    // Not one of them is a record, and none is in anybody's way.
    put(&*kv, "jobs/good", r#"{"jobname":"job.good"}"#).await;
    let listing = listed(&*source, Revision(last.0 + 1)).await;
    let jobs: Vec<_> = listing.entries.iter().filter(|entry| entry.key.starts_with("jobs/")).collect();
    assert_eq!(jobs.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_stay_in() {
    let (hub, source, kv) = etcd_hub().await;
    let start = kv.list().await.unwrap().revision;
    let mut watch = source.watch(start).await.unwrap();
    let secret = |name: &str| (format!("{name}/x"), r#"{"key":"hunter2"}"#);
    let (cert, token) = (secret("certs"), secret("tokens"));
    done(&*kv, Txn::new().put(cert.0.clone(), cert.1, None)).await;
    // A record that the gateway makes none of its own for, as it makes a VIP for a job.
    let line = r#"{"vips":["203.0.113.0/28"]}"#;
    let txn = Txn::new().put(cert.0.clone(), cert.1, None).put("lines/a", line, None).put(
        token.0.clone(),
        token.1,
        None,
    );
    let both = done(&*kv, txn).await;
    let batch = next_batch(&mut watch).await;
    assert_eq!((batch.revision, batch.changes.len(), batch.changes[0].key()), (both, 1, "lines/a"));
    let last = done(&*kv, Txn::new().delete(token.0).delete("lines/a")).await;
    assert_eq!(changes_until(&mut watch, last).await.len(), 1);
    // Of a certificate, everything but its key.
    let chain = "-----BEGIN CERTIFICATE-----\\nMAMCAQA=\\n-----END CERTIFICATE-----\\n";
    let value = format!(r#"{{"chain":"{chain}","key":"{}"}}"#, chain.replace("CERTIFICATE", "PRIVATE KEY"));
    let last = put(&*kv, "certs/blog", &value).await;
    let [Change::Put(blog)] = &changes_until(&mut watch, last).await[..] else { panic!("no certificate") };
    let listed_blog =
        listed(&*source, last).await.entries.into_iter().find(|entry| entry.key == "certs/blog");
    assert_eq!(listed_blog.as_ref(), Some(blog));
    let shown = String::from_utf8_lossy(&blog.value);
    assert!(shown.contains("MAMCAQA=") && !shown.contains("PRIVATE"), "{shown}");
    put(&*kv, "certs/y", "hunter2").await;
    let next = put(&*kv, "lines/b", line).await;
    let listing = listed(&*source, next).await;
    assert!(listing.entries.iter().all(|entry| entry.key == "certs/blog" || !entry.key.starts_with("certs")));
    let text = hub.gateway.api("/v1/snapshot").body;
    assert!(!text.contains("hunter2") && !text.contains("PRIVATE"), "{text}");
}

/// The gateway keeps 10,000 changes; who wants more lists again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_from_a_forgotten_revision_says_so() {
    let (hub, source, kv) = etcd_hub().await;
    let start = listed(&*source, hub.put_job("app")).await.revision;
    let last = forget(&*kv).await;
    listed(&*source, last).await;
    let end = source.watch(start).await.err();
    assert!(matches!(end, Some(KvError::Compacted(at)) if at == start), "{end:?}");
    assert!(source.watch(last).await.is_ok());
}

/// More changes than a gateway keeps.
async fn forget(kv: &dyn Kv) -> Revision {
    let mut last = Revision(0);
    for _ in 0..80 {
        let key = |i: u16| format!("addresses/tcp/10.0.0.8:{i}");
        last = done(kv, (1..=128).fold(Txn::new(), |txn, i| txn.put(key(i), "v", None))).await;
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_ends_ends_the_watch_and_is_named() {
    let mut hub = Hub::embedded();
    let source = hub.source();
    let start = source.list().await.unwrap().revision;
    let mut watch = source.watch(start).await.unwrap();
    hub.gateway.process().signal(roundhouse_tests::Signal::KILL);
    hub.gateway.stopped();
    let end = watch_end(&mut watch, ANSWER).await;
    assert!(
        matches!(&end, Some(KvError::Unavailable { store, .. }) if *store == hub.gateway.url()),
        "{end:?}"
    );
    calls_fail(&*source, &hub.gateway.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_is_an_error_in_time() {
    // It takes connections (the kernel does) and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = silent.local_addr().unwrap().to_string();
    calls_fail(&Http::new(HttpClient::new(authority.clone())), &authority).await;
}

async fn calls_fail(source: &dyn Source, name: &str) {
    let began = Instant::now();
    let (list, watch) = tokio::join!(source.list(), source.watch(Revision(1)));
    assert!(began.elapsed() < ANSWER, "it took {:?}", began.elapsed());
    for error in [list.err(), watch.err()] {
        let Some(KvError::Unavailable { store, .. }) = &error else { panic!("{error:?}") };
        assert!(store.contains(name), "{store}");
    }
}

/// The http entrypoint, not the API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_is_told_apart() {
    let hub = Hub::embedded();
    let source = Hub::source_at(hub.gateway.http());
    for error in [source.list().await.err(), source.watch(Revision(1)).await.err()] {
        let text = error.unwrap().to_string();
        assert!(text.contains(&hub.gateway.http().to_string()), "{text}");
    }
}
