//! Somebody who is always a moment faster.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roundhouse_registry::Kv;
use roundhouse_registry::kv::{Commit, Entry, LeaseId, Listing, Pending, Revision, Txn, Watch};

type Deed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A real store in whose next commit somebody meddles: the deed is done after the caller has read and before its
/// transaction arrives. It makes a race that happens once in a million happen every time.
pub struct Meddler {
    kv: Arc<dyn Kv>,
    deed: Mutex<Option<Deed>>,
}

impl Meddler {
    pub fn new(
        kv: Arc<dyn Kv>,
        before_next_commit: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<Meddler> {
        Arc::new(Meddler { kv, deed: Mutex::new(Some(Box::pin(before_next_commit))) })
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

    fn name(&self) -> String {
        self.kv.name()
    }

    fn list(&self) -> Pending<'_, Listing> {
        self.kv.list()
    }

    fn range<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Entry>> {
        self.kv.range(prefix)
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Entry>> {
        self.kv.get(key)
    }

    fn watch(&self, after: Revision) -> Pending<'_, Watch> {
        self.kv.watch(after)
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
