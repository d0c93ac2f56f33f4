//! A peer that nobody knows may have registered just now: the registry is asked how far it is, and the table given a moment
//! to come there.
//!
//! ```text
//! misses ─► one question for all that wait (at most 20 a second) ─► revision R ─► the table at R, within 50 ms ─► decide again
//! ```
//!
//! Strangers must not hammer the registry: however many of them there are, it is asked 20 times a second, and whoever was a
//! stranger a moment ago is one without asking.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::kv::{Revision, Source};

/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(50);
/// For the registry to answer. One that takes longer is away, or as good as that.
const ANSWER: Duration = Duration::from_millis(500);
/// For the table to come to the revision that the registry has.
const PATIENCE: Duration = Duration::from_millis(50);
/// Whoever was no candidate so lately is none.
const STRANGER: Duration = Duration::from_millis(250);
/// Strangers that are remembered; beyond them the oldest are forgotten, all at once.
const STRANGERS: usize = 4_096;
/// Misses that wait for one answer; the others are denied at once.
const WAITING: usize = 1_024;

/// A handle; cheap to clone, and used from any thread and runtime.
#[derive(Clone, Debug)]
pub struct CatchUp {
    questions: mpsc::Sender<oneshot::Sender<Option<Revision>>>,
    table: watch::Receiver<Revision>,
    strangers: Arc<Mutex<HashMap<IpAddr, Instant, RandomState>>>,
}

impl CatchUp {
    /// Asks in the runtime that this is called in. `table`: the revision of the table that decides.
    pub fn start(source: Arc<dyn Source>, table: watch::Receiver<Revision>) -> CatchUp {
        let (questions, inbox) = mpsc::channel(WAITING);
        tokio::spawn(ask(source, inbox));
        CatchUp { questions, table, strangers: Arc::default() }
    }

    /// One that never asks, where there is no registry.
    pub fn never() -> CatchUp {
        let (questions, _) = mpsc::channel(1);
        let (_, table) = watch::channel(Revision(0));
        CatchUp { questions, table, strangers: Arc::default() }
    }

    /// After a decision that [may be a miss](super::Decision::may_be_a_miss): true once the table knows all that the
    /// registry knew when this was called, and it is worth to decide again.
    /// `decided`: the revision of the table that decided; it may be another one's already.
    pub async fn caught_up(&self, peer: IpAddr, decided: Revision) -> bool {
        if *self.table.borrow() > decided {
            return true;
        }
        if self.is_stranger(peer) {
            return false;
        }
        let (question, answer) = oneshot::channel();
        if self.questions.try_send(question).is_err() {
            return false;
        }
        let Ok(Some(newest)) = answer.await else { return false };
        let mut table = self.table.clone();
        let came = timeout(PATIENCE, table.wait_for(|revision| *revision >= newest)).await;
        match came {
            Ok(Ok(now)) if *now > decided => true,
            Ok(_) | Err(_) => {
                self.remember(peer);
                false
            }
        }
    }

    /// What the newer table says of the peer is that it is a stranger.
    pub fn remember(&self, peer: IpAddr) {
        let mut strangers = self.strangers();
        if strangers.len() >= STRANGERS {
            strangers.retain(|_, since| since.elapsed() < STRANGER);
        }
        if strangers.len() < STRANGERS {
            strangers.insert(peer.to_canonical(), Instant::now());
        }
    }

    fn is_stranger(&self, peer: IpAddr) -> bool {
        self.strangers().get(&peer.to_canonical()).is_some_and(|since| since.elapsed() < STRANGER)
    }

    fn strangers(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Instant, RandomState>> {
        // Nothing between lock and unlock can leave it half changed.
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One question after the other, each for all that wait when it is asked: whoever comes while it is under way may be about
/// what it does not know yet.
async fn ask(source: Arc<dyn Source>, mut inbox: mpsc::Receiver<oneshot::Sender<Option<Revision>>>) {
    let mut next = Instant::now();
    let mut waiting = Vec::new();
    while inbox.recv_many(&mut waiting, WAITING).await > 0 {
        sleep_until(next).await;
        while let Ok(more) = inbox.try_recv() {
            waiting.push(more);
        }
        next = Instant::now() + INTERVAL;
        let newest = timeout(ANSWER, source.newest()).await.ok().and_then(Result::ok);
        for question in waiting.drain(..) {
            // Who asked may have left.
            let _ = question.send(newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;
    use crate::kv::{KvError, Listing, Pending, Watch};

    /// Counts how often it is asked.
    #[derive(Default)]
    struct Registry {
        asked: AtomicU64,
        newest: AtomicU64,
    }

    impl Source for Registry {
        fn name(&self) -> String {
            "test".into()
        }

        fn list(&self) -> Pending<'_, Listing> {
            Box::pin(async { Err(KvError::Invalid(String::new())) })
        }

        fn watch(&self, _: Revision) -> Pending<'_, Watch> {
            Box::pin(async { Err(KvError::Invalid(String::new())) })
        }

        fn newest(&self) -> Pending<'_, Revision> {
            self.asked.fetch_add(1, Relaxed);
            Box::pin(async { Ok(Revision(self.newest.load(Relaxed))) })
        }
    }

    fn peer(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    #[tokio::test]
    async fn a_peer_that_registered_just_now_is_waited_for() {
        let registry = Arc::new(Registry::default());
        registry.newest.store(7, Relaxed);
        let (tables, table) = watch::channel(Revision(6));
        let catch_up = CatchUp::start(registry, table);
        let (caught_up, ()) = tokio::join!(catch_up.caught_up(peer(1), Revision(6)), async {
            tables.send_replace(Revision(7));
        });
        assert!(caught_up);
        // One that moved between the decision and the question has nothing to ask.
        assert!(catch_up.caught_up(peer(1), Revision(6)).await);
    }

    #[tokio::test]
    async fn strangers_do_not_hammer_the_registry() {
        let registry = Arc::new(Registry::default());
        let (_tables, table) = watch::channel(Revision(0));
        let catch_up = CatchUp::start(registry.clone(), table);
        let began = Instant::now();
        while began.elapsed() < 10 * INTERVAL {
            let waves = (0..=255).map(|n| catch_up.caught_up(peer(n), Revision(0)));
            assert!(futures_util::future::join_all(waves).await.iter().all(|caught_up| !caught_up));
            tokio::task::yield_now().await;
        }
        let most = began.elapsed().as_millis() / INTERVAL.as_millis() + 1;
        let asked = u128::from(registry.asked.load(Relaxed));
        assert!((1..=most).contains(&asked), "{asked} of {most}");
    }

    #[tokio::test]
    async fn a_table_that_does_not_come_makes_a_stranger_for_a_moment() {
        let registry = Arc::new(Registry::default());
        registry.newest.store(7, Relaxed);
        let (_tables, table) = watch::channel(Revision(6));
        let catch_up = CatchUp::start(registry.clone(), table);
        assert!(!catch_up.caught_up(peer(1), Revision(6)).await);
        assert_eq!(registry.asked.load(Relaxed), 1);
        // Seen until the end of time.
        catch_up.strangers().insert(peer(1), Instant::now() + 1_000 * STRANGER);
        assert!(!catch_up.caught_up(peer(1), Revision(6)).await);
        assert_eq!(registry.asked.load(Relaxed), 1);
        catch_up.strangers().insert(peer(1), Instant::now() - STRANGER);
        assert!(!catch_up.caught_up(peer(1), Revision(6)).await);
        assert_eq!(registry.asked.load(Relaxed), 2);
    }
}
