//! The one writer of a [`Store`]: list at R, watch from R+1, and list again after anything that is not a gapless stream.
//!
//! ```text
//! list ─► watch ─► batch ─► Keeper looks ─► apply ─► Keeper decides ─► publish
//!  ▲                 └─ lost, compacted, silent, another history: back off ┐
//!  └───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Bursts are gathered: the first change after quiet is published at once, later ones at most every [`GATHER`], so that
//! 1,000 changes a second cost 200 tables and not 1,000. Losing the registry only stops the clock: the store keeps its
//! snapshot and says how old it is. What a registry takes back without a word is [held](crate::hold).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::apply::apply;
use crate::delta::delta;
use crate::hold::writer::Writer;
use crate::hold::{Away, Keeper, Now, Policy, Release};
use crate::kv::{Batch, Event, Kv, KvError, Source, Watch};
use crate::recorder::Recorder;
use crate::saved::Saved;
use crate::snapshot::Snapshot;
use crate::store::{Contact, Store};

const GATHER: Duration = Duration::from_millis(5);
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// A registry that is back is followed again within 3 s, listing included.
const LAST_RETRY: Duration = Duration::from_secs(2);
/// How often deadlines of holds are looked at, and unwritten ones offered again.
const TICK: Duration = Duration::from_secs(1);
/// A start that has a saved snapshot to serve from does not wait longer for the registry.
const COLD_AFTER: Duration = Duration::from_millis(1500);

/// What a follower may have besides its source.
#[derive(Default)]
pub struct Options {
    pub policy: Policy,
    /// Who this is, in the records of holds: the gateway's id.
    pub by: Box<str>,
    /// A hub: its holds become records, and it ends those whose check fails.
    pub writes: Option<Arc<dyn Kv>>,
    /// What the registry said when it was last heard: served until it is heard again.
    pub saved: Option<Saved>,
    pub recorder: Option<Recorder>,
}

pub struct Follower {
    source: Arc<dyn Source>,
    store: Arc<Store>,
    keeper: Keeper,
    recorder: Option<Recorder>,
    /// Of holds; a hub's only.
    writer: Option<Writer>,
    orders: mpsc::Receiver<Order>,
    holds: Holds,
    next_tick: Instant,
    /// Whether the store has what the source said last.
    listed: bool,
    /// What was retained has ended: in its place is what the source has, if it has something.
    list_again: bool,
    /// Nothing was heard from the source yet: what is served is the saved snapshot.
    cold: bool,
}

/// The handle by which a hold is ended.
#[derive(Clone, Debug)]
pub struct Holds(mpsc::Sender<Order>);

#[derive(Debug)]
struct Order {
    which: Release,
    done: oneshot::Sender<usize>,
}

impl Holds {
    /// Ends them here at once, and in the registry as soon as it takes the write. Answers how many there were.
    pub async fn release(&self, which: Release) -> usize {
        let (done, answer) = oneshot::channel();
        match self.0.send(Order { which, done }).await {
            Ok(()) => answer.await.unwrap_or_default(),
            // The follower is gone, and with it what it held.
            Err(_) => 0,
        }
    }
}

impl Follower {
    /// Lists once; an error here means there is nothing to serve from.
    pub async fn start(source: Arc<dyn Source>) -> Result<Follower, KvError> {
        Follower::with(source, Options::default()).await
    }

    /// Lists once. When that fails the saved snapshot is served, if there is one.
    pub async fn with(source: Arc<dyn Source>, options: Options) -> Result<Follower, KvError> {
        let Options { policy, by, writes, saved, mut recorder } = options;
        let mut keeper = Keeper::new(policy, by, writes.is_some());
        if let Some(saved) = &saved {
            keeper.resume(&saved.snapshot);
        }
        let listing = match &saved {
            None => source.list().await,
            Some(_) => tokio::time::timeout(COLD_AFTER, source.list()).await.unwrap_or_else(|_| {
                let reason = format!("no answer within {COLD_AFTER:?}");
                Err(KvError::Unavailable { store: source.name(), reason })
            }),
        };
        let listed = listing.is_ok();
        let store = match (listing, saved) {
            (Ok(listing), saved) => {
                if let Some(recorder) = &mut recorder {
                    recorder.listed(&listing);
                }
                let mut fresh = Snapshot::from_listing(listing);
                match saved {
                    Some(saved) if saved.snapshot.origin == fresh.origin => {
                        let away = Away { time: saved.age(), from_disk: true };
                        keeper.relisted(&saved.snapshot, &mut fresh, away, Now::read());
                    }
                    // A bootstrap file's is of no registry.
                    Some(saved) if saved.snapshot.origin.is_empty() => {}
                    Some(saved) => tracing::warn!(
                        saved = %saved.snapshot.origin,
                        registry = %fresh.origin,
                        "the saved snapshot is of another registry; not used"
                    ),
                    None => {}
                }
                Store::new(fresh)
            }
            (Err(error), Some(saved)) => {
                tracing::warn!(%error, revision = %saved.snapshot.revision, age = ?saved.age(), "serving from the saved snapshot");
                let contact = Contact::lost_before(saved.age(), error.to_string());
                Store::cold(saved.snapshot, contact)
            }
            (Err(error), None) => return Err(error),
        };
        let (orders_in, orders) = mpsc::channel(64);
        Ok(Follower {
            source,
            store: Arc::new(store),
            keeper,
            recorder,
            writer: writes.map(Writer::new),
            orders,
            holds: Holds(orders_in),
            next_tick: Instant::now() + TICK,
            listed,
            list_again: false,
            cold: !listed,
        })
    }

    pub fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    pub fn holds(&self) -> Holds {
        self.holds.clone()
    }

    /// Runs until dropped.
    pub async fn run(mut self) {
        let mut retry = FIRST_RETRY;
        loop {
            let began = Instant::now();
            let error = match self.follow().await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            self.listed = false;
            if !matches!(error, KvError::Compacted(_)) {
                tracing::warn!(%error, "registry lost; serving from the last snapshot");
                self.store.lost(error.to_string());
            }
            // A stream that stood for a while earns a quick first retry; a flapping one does not.
            if began.elapsed() > LAST_RETRY {
                retry = FIRST_RETRY;
            }
            self.pause(retry.mul_f64(rand::random_range(0.5..1.0))).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, KvError> {
        if !self.listed {
            self.relist().await?;
        }
        let mut watch = self.source.watch(self.store.load().revision).await?;
        self.store.heard();
        loop {
            self.go_on()?;
            let event = tokio::select! {
                event = watch.recv() => event,
                Some(order) = self.orders.recv() => {
                    self.obey(order);
                    continue;
                }
                () = sleep_until(self.next_tick) => {
                    self.tick();
                    continue;
                }
            };
            let event = event.unwrap_or_else(|| Err(self.ended()))?;
            let Some(first) = self.hear(event) else { continue };
            self.apply(vec![first]);
            self.gather(&mut watch).await?;
        }
    }

    /// Unless the source is to be listed again.
    fn go_on(&mut self) -> Result<(), KvError> {
        match std::mem::take(&mut self.list_again) {
            true => Err(KvError::Compacted(self.store.load().revision)),
            false => Ok(()),
        }
    }

    /// What the event says about the registry's health; its batch, if it has one.
    fn hear(&self, event: Event) -> Option<Batch> {
        match event {
            Event::Batch(batch) => {
                self.store.heard();
                Some(batch)
            }
            Event::Progress => {
                self.store.heard();
                None
            }
            Event::Stale { age, reason } => {
                self.store.stale(age, reason);
                None
            }
        }
    }

    /// After a publish: what arrives within the window is applied together at its end.
    async fn gather(&mut self, watch: &mut Watch) -> Result<(), KvError> {
        loop {
            let until = Instant::now() + GATHER;
            let mut waiting = Vec::new();
            let failed = loop {
                match tokio::time::timeout_at(until, watch.recv()).await {
                    // Under steady load there may be no quiet window for hours.
                    Ok(Some(Ok(event))) => waiting.extend(self.hear(event)),
                    Ok(Some(Err(error))) => break Some(error),
                    Ok(None) => break Some(self.ended()),
                    Err(_) => break None,
                }
            };
            let quiet = waiting.is_empty();
            self.apply(waiting);
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order);
            }
            if self.next_tick <= Instant::now() {
                self.tick();
            }
            self.go_on()?;
            match failed {
                Some(error) => return Err(error),
                None if quiet => return Ok(()),
                None => {}
            }
        }
    }

    /// The registry is away; people may still give orders.
    async fn pause(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                Some(order) = self.orders.recv() => self.obey(order),
                () = sleep_until(self.next_tick) => self.tick(),
            }
        }
    }

    fn apply(&mut self, batches: Vec<Batch>) {
        if batches.is_empty() {
            return;
        }
        let now = Now::read();
        let mut snapshot = (*self.store.load()).clone();
        for batch in batches {
            // A stream never goes back, but a retried one might repeat itself.
            if batch.revision <= snapshot.revision {
                continue;
            }
            self.keeper.observe(&snapshot, &batch, now);
            self.store.stats.changes.fetch_add(batch.changes.len() as u64, Relaxed);
            snapshot = apply(&snapshot, &batch);
            if let Some(recorder) = &mut self.recorder {
                recorder.applied(&batch);
            }
            self.store.history.push(Arc::new(batch));
        }
        self.keeper.decide(&mut snapshot, now);
        self.store.stats.holds.store(self.keeper.decided(), Relaxed);
        self.offer(&snapshot);
        self.store.publish(snapshot);
    }

    async fn relist(&mut self) -> Result<(), KvError> {
        let listing = self.source.list().await?;
        if let Some(recorder) = &mut self.recorder {
            recorder.listed(&listing);
        }
        let mut fresh = Snapshot::from_listing(listing);
        let old = self.store.load();
        let time = self.store.contact().stale(std::time::Instant::now());
        let away = Away { time, from_disk: self.cold };
        fresh.epoch = old.epoch;
        if self.cold && old.origin.is_empty() {
            tracing::info!(
                "the registry is heard; what was known by the bootstrap file is not used any longer"
            );
        } else if self.cold && fresh.origin != old.origin {
            tracing::error!(saved = %old.origin, registry = %fresh.origin, "the saved snapshot was of another registry");
        } else {
            self.keeper.relisted(&old, &mut fresh, away, Now::read());
        }
        self.cold = false;
        let changed = delta(&old, &fresh);
        tracing::info!(revision = %fresh.revision, changed = changed.is_some(), "registry listed again");
        // Watchers of the API cannot be given the gap, so they are told to read a snapshot too.
        self.store.history.restart(fresh.revision);
        let mut next = fresh;
        if changed.is_none() {
            next = Snapshot { revision: next.revision, origin: next.origin, ..(*old).clone() };
        }
        self.offer(&next);
        self.store.publish(next);
        self.store.stats.relists.fetch_add(1, Relaxed);
        self.store.stats.holds.store(self.keeper.decided(), Relaxed);
        self.listed = true;
        Ok(())
    }

    fn obey(&mut self, Order { which, done }: Order) {
        let mut snapshot = (*self.store.load()).clone();
        let retained = snapshot.retained.len();
        let released = self.keeper.release(&mut snapshot, &which, Now::read());
        self.list_again |= snapshot.retained.len() != retained;
        if released > 0 {
            snapshot.epoch += 1;
            self.offer(&snapshot);
            self.store.publish(snapshot);
        }
        // Whoever asked may have gone.
        let _ = done.send(released);
    }

    fn tick(&mut self) {
        self.next_tick = Instant::now() + TICK;
        let mut snapshot = (*self.store.load()).clone();
        let retained = snapshot.retained.len();
        let changed = self.keeper.tick(&mut snapshot, Now::read());
        self.list_again |= snapshot.retained.len() != retained;
        self.offer(&snapshot);
        if changed {
            snapshot.epoch += 1;
            self.store.publish(snapshot);
        }
    }

    fn offer(&self, snapshot: &Snapshot) {
        if let Some(writer) = &self.writer {
            writer.offer(|| self.keeper.unwritten(snapshot));
        }
    }

    fn ended(&self) -> KvError {
        KvError::Unavailable { store: self.source.name(), reason: "the watch ended".into() }
    }
}
