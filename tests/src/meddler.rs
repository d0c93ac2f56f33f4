//! Somebody who is always a moment faster.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roundhouse_registry::kv::{
    Batch, Change, Commit, Entry, Event, LeaseId, Listing, Pending, Revision, Txn, Watch,
};
use roundhouse_registry::{Kv, Source};
use tokio::sync::mpsc;

type Deed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A real store in which somebody meddles.
pub struct Meddler {
    kv: Arc<dyn Kv>,
    deed: Mutex<Option<Deed>>,
    quiet: bool,
}

impl Meddler {
    /// The deed is done in the next commit, after the caller has read and before its transaction arrives. It makes a
    /// race that happens once in a million happen every time.
    pub fn before_next_commit(
        kv: Arc<dyn Kv>,
        deed: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<Meddler> {
        Arc::new(Meddler { kv, deed: Mutex::new(Some(Box::pin(deed))), quiet: true })
    }

    /// Watches get commits (of a key nobody reads) as fast as they take them, for ever.
    pub fn never_quiet(kv: Arc<dyn Kv>) -> Arc<Meddler> {
        Arc::new(Meddler { kv, deed: Mutex::default(), quiet: false })
    }
}

impl Source for Meddler {
    fn name(&self) -> String {
        self.kv.name()
    }

    fn list(&self) -> Pending<'_, Listing> {
        self.kv.list()
    }

    fn watch(&self, after: Revision) -> Pending<'_, Watch> {
        if self.quiet {
            return self.kv.watch(after);
        }
        let (events, watch) = mpsc::channel(64);
        tokio::spawn(async move {
            for revision in (after.0 + 1..).map(Revision) {
                let change = Change::Delete { key: "kv/noise".into(), revision };
                if events.send(Ok(Event::Batch(Batch { revision, changes: vec![change] }))).await.is_err() {
                    return;
                }
            }
        });
        Box::pin(async { Ok(watch) })
    }

    fn newest(&self) -> Pending<'_, Revision> {
        self.kv.newest()
    }
}

impl Kv for Meddler {
    fn commit(&self, txn: Txn) -> Pending<'_, Commit> {
        let deed = self.deed.lock().expect("no panic in between").take();
        Box::pin(async move {
            if let Some(deed) = deed {
                deed.await;
            }
            self.kv.commit(txn).await
        })
    }

    fn range<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Entry>> {
        self.kv.range(prefix)
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Entry>> {
        self.kv.get(key)
    }

    fn grant(&self, ttl: Duration) -> Pending<'_, LeaseId> {
        self.kv.grant(ttl)
    }

    fn keep_alive(&self, lease: LeaseId) -> Pending<'_, ()> {
        self.kv.keep_alive(lease)
    }

    fn revoke(&self, lease: LeaseId) -> Pending<'_, ()> {
        self.kv.revoke(lease)
    }
}
