//! The one writer of a [`Store`]: list at R, watch from R+1, and list again after anything that is not a gapless stream.
//!
//! Bursts are gathered: the first change after quiet is published at once, later ones at most every [`GATHER`], so that
//! 1,000 changes a second cost 200 tables and not 1,000. Losing the registry only stops the clock: the store keeps its
//! snapshot and says how old it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::apply::apply;
use crate::delta::delta;
use crate::kv::{Batch, Event, KvError, Source, Watch};
use crate::snapshot::Snapshot;
use crate::store::Store;

const GATHER: Duration = Duration::from_millis(5);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

pub struct Follower {
    source: Arc<dyn Source>,
    store: Arc<Store>,
}

impl Follower {
    /// Lists once; an error here means there is nothing to serve from.
    pub async fn start(source: Arc<dyn Source>) -> Result<Follower, KvError> {
        let listing = source.list().await?;
        let store = Arc::new(Store::new(Snapshot::from_listing(listing)));
        Ok(Follower { source, store })
    }

    pub fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    /// Runs until dropped.
    pub async fn run(self) {
        let mut retry = FIRST_RETRY;
        let mut listed = true;
        loop {
            let began = Instant::now();
            let error = match self.follow(listed).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            if !matches!(error, KvError::Compacted(_)) {
                tracing::warn!(%error, "registry lost; serving from the last snapshot");
                self.store.lost(error.to_string());
            }
            // A stream that stood for a while earns a quick first retry; a flapping one does not.
            if began.elapsed() > LAST_RETRY {
                retry = FIRST_RETRY;
            }
            tokio::time::sleep(retry.mul_f64(rand::random_range(0.5..1.0))).await;
            retry = (retry * 2).min(LAST_RETRY);
            listed = false;
        }
    }

    async fn follow(&self, listed: bool) -> Result<std::convert::Infallible, KvError> {
        if !listed {
            self.relist().await?;
        }
        let mut watch = self.source.watch(self.store.load().revision).await?;
        self.store.heard();
        loop {
            let Some(event) = watch.recv().await else { return Err(self.ended()) };
            let Some(first) = self.hear(event?) else { continue };
            self.apply(vec![first]);
            self.gather(&mut watch).await?;
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
    async fn gather(&self, watch: &mut Watch) -> Result<(), KvError> {
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
            match failed {
                Some(error) => return Err(error),
                None if quiet => return Ok(()),
                None => {}
            }
        }
    }

    fn apply(&self, batches: Vec<Batch>) {
        if batches.is_empty() {
            return;
        }
        let mut snapshot = (*self.store.load()).clone();
        for batch in batches {
            // A stream never goes back, but a retried one might repeat itself.
            if batch.revision <= snapshot.revision {
                continue;
            }
            snapshot = apply(&snapshot, &batch);
            self.store.history.push(Arc::new(batch));
        }
        self.store.publish(snapshot);
    }

    async fn relist(&self) -> Result<(), KvError> {
        let fresh = Snapshot::from_listing(self.source.list().await?);
        let old = self.store.load();
        let same_history = fresh.origin == old.origin && fresh.revision >= old.revision;
        let changed = delta(&old, &fresh);
        tracing::info!(revision = %fresh.revision, same_history, changed = changed.is_some(), "registry listed again");
        // Watchers of the API cannot be given the gap, so they are told to read a snapshot too.
        self.store.history.restart(fresh.revision);
        let mut next = fresh;
        if changed.is_none() {
            next = Snapshot { revision: next.revision, origin: next.origin, ..(*old).clone() };
        }
        self.store.publish(next);
        Ok(())
    }

    fn ended(&self) -> KvError {
        KvError::Unavailable { store: self.source.name(), reason: "the watch ended".into() }
    }
}
