//! Somebody who uses the cluster all the time, and knows afterwards whether something was lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use roundhouse_registry::kv::{Change, Commit, Condition, Event, Kv, KvError, LeaseId, Revision, Txn};
use roundhouse_tests::{SOON, eventually_async};
use tokio::task::JoinHandle;

use crate::ANSWER;

/// Longer than a test freezes a leader: etcd 3.4.23 lets one that thaws revoke what ran out by its own clock.
const TTL: Duration = Duration::from_secs(9);

pub(crate) struct Busy {
    shared: Arc<Shared>,
    users: [JoinHandle<()>; 3],
    follower: JoinHandle<()>,
    lease: LeaseId,
    first: Revision,
}

struct Shared {
    kv: Arc<dyn Kv>,
    ends: AtomicBool,
    /// And then the follower may end too: it has seen what was written.
    followed: AtomicBool,
    /// Every write that was acknowledged: its revision and the counter's value.
    written: Mutex<BTreeMap<Revision, u64>>,
    /// Every change that was seen.
    seen: Mutex<Vec<Change>>,
    reads: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Busy {
    pub(crate) async fn start(kv: Arc<dyn Kv>) -> Busy {
        let lease = kv.grant(TTL).await.unwrap();
        let first = kv.commit(Txn::new().put("n", "0", None).put("leased", "v", Some(lease))).await.unwrap();
        let Commit::Done(first) = first else { panic!("refused") };
        let shared = Arc::new(Shared {
            kv,
            ends: AtomicBool::new(false),
            followed: AtomicBool::new(false),
            written: Mutex::default(),
            seen: Mutex::default(),
            reads: AtomicUsize::new(0),
            failures: Mutex::default(),
        });
        let users = [
            tokio::spawn(shared.clone().write()),
            tokio::spawn(shared.clone().read()),
            tokio::spawn(shared.clone().keep(lease)),
        ];
        let follower = tokio::spawn(shared.clone().follow(first));
        Busy { shared, users, follower, lease, first }
    }

    /// Until more writes were acknowledged, seen, and more reads answered.
    pub(crate) async fn goes_on(&self, what: &str) {
        let now = || {
            let written = self.shared.written.lock().unwrap().keys().next_back().copied().unwrap_or_default();
            let seen = self.shared.seen.lock().unwrap().last().map(revision).unwrap_or_default();
            (written, seen, self.shared.reads.load(Ordering::Relaxed))
        };
        let before = now();
        let look = async || {
            let now = now();
            let on = now.0.0 > before.0.0 + 20 && now.1 > before.0 && now.2 > before.2 + 20;
            if on { Ok(()) } else { Err(format!("{before:?} then {now:?}: {:?}", self.shared.failures)) }
        };
        eventually_async(SOON, what, look).await;
    }

    /// Nothing was lost, and nothing was seen that was not written. Answers how many calls failed.
    pub(crate) async fn check(self) -> Vec<String> {
        self.shared.ends.store(true, Ordering::Relaxed);
        for user in self.users {
            user.await.unwrap();
        }
        let shared = self.shared;
        let written = shared.written.lock().unwrap().keys().next_back().copied().unwrap_or(self.first);
        let look = async || {
            let seen = shared.seen.lock().unwrap().last().map_or(self.first, revision);
            if seen >= written { Ok(()) } else { Err(format!("{seen} of {written}")) }
        };
        eventually_async(SOON, "what was written is seen", look).await;
        shared.followed.store(true, Ordering::Relaxed);
        self.follower.await.unwrap();
        let seen = shared.seen.lock().unwrap().clone();
        let revisions: Vec<u64> = seen.iter().map(|change| revision(change).0).collect();
        let last = revisions.last().copied().unwrap_or(self.first.0);
        let expected: Vec<u64> = (self.first.0 + 1..=last).collect();
        assert_eq!(revisions, expected, "every commit was seen once, in order");
        let values: BTreeMap<Revision, u64> = seen.iter().filter_map(counter).collect();
        for (at, n) in shared.written.lock().unwrap().iter() {
            assert_eq!(values.get(at), Some(n), "acknowledged at {at}");
        }
        // Each write counts one on: a write that was lost, or done twice, would show.
        assert!(values.values().copied().eq(1..=values.len() as u64), "{values:?}");
        shared.kv.keep_alive(self.lease).await.expect("the lease lives");
        assert!(shared.kv.get("leased").await.unwrap().is_some(), "and its key");
        let failures = shared.failures.lock().unwrap().clone();
        eprintln!(
            "{} writes, {} reads, failed: {failures:#?}",
            values.len(),
            shared.reads.load(Ordering::Relaxed)
        );
        failures
    }
}

impl Shared {
    /// Runs a call, which must end in time, and may fail only for want of an answer.
    async fn call<T>(&self, what: &str, call: impl Future<Output = Result<T, KvError>>) -> Option<T> {
        let began = Instant::now();
        let outcome = call.await;
        let took = began.elapsed();
        assert!(took < ANSWER, "{what} took {took:?}");
        match outcome {
            Ok(value) => Some(value),
            Err(error @ KvError::Unavailable { .. }) => {
                self.failures.lock().unwrap().push(format!("{what} after {took:?}: {error}"));
                None
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }

    fn goes_on(&self) -> bool {
        !self.ends.load(Ordering::Relaxed)
    }

    /// Counts on, each time on what is there.
    async fn write(self: Arc<Self>) {
        while self.goes_on() {
            let Some(entry) = self.call("get", self.kv.get("n")).await else { continue };
            let entry = entry.unwrap();
            let next = number(&entry.value) + 1;
            let when = Condition::At("n".into(), entry.modified);
            let txn = Txn::new().when(when).put("n", next.to_string(), None);
            match self.call("commit", self.kv.commit(txn)).await {
                Some(Commit::Done(at)) => {
                    self.written.lock().unwrap().insert(at, next);
                }
                // Only after a call that did not know whether it was done.
                Some(Commit::Refused) => assert!(!self.failures.lock().unwrap().is_empty()),
                None => {}
            }
        }
    }

    async fn read(self: Arc<Self>) {
        while self.goes_on() {
            if let Some(entries) = self.call("range", self.kv.range("")).await {
                assert_eq!(entries.len(), 2);
                self.reads.fetch_add(1, Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn keep(self: Arc<Self>, lease: LeaseId) {
        while self.goes_on() {
            let kept = self.call("keep_alive", self.kv.keep_alive(lease)).await;
            let until = Instant::now() + if kept.is_some() { TTL / 3 } else { TTL / 20 };
            while self.goes_on() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// From the last revision seen, again and again: what the seam promises is that nothing is skipped.
    async fn follow(self: Arc<Self>, first: Revision) {
        let mut last = first;
        let goes_on = || !self.followed.load(Ordering::Relaxed);
        while goes_on() {
            let Some(mut watch) = self.call("watch", self.kv.watch(last)).await else { continue };
            while goes_on() {
                match tokio::time::timeout(Duration::from_millis(50), watch.recv()).await {
                    Err(_) | Ok(Some(Ok(Event::Progress | Event::Stale { .. }))) => {}
                    Ok(Some(Ok(Event::Batch(batch)))) => {
                        last = batch.revision;
                        self.seen.lock().unwrap().extend(batch.changes);
                    }
                    Ok(Some(Err(KvError::Unavailable { .. })) | None) => break,
                    Ok(Some(Err(error))) => panic!("{error}"),
                }
            }
        }
    }
}

fn revision(change: &Change) -> Revision {
    match change {
        Change::Put(entry) => entry.modified,
        Change::Delete { revision, .. } => *revision,
    }
}

fn counter(change: &Change) -> Option<(Revision, u64)> {
    match change {
        Change::Put(entry) if entry.key == "n" => Some((entry.modified, number(&entry.value))),
        _ => None,
    }
}

fn number(value: &Bytes) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}
