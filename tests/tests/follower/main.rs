//! The follower: what the store says is in the snapshot, soon, whatever happens to the store.
//!
//! ```text
//! applying   against both backends: every write arrives, and bursts are gathered
//! behind     through a gateway's HTTP API, whatever happens to the gateway, its registry or the way to it
//! holding    against both backends: leases run out together
//! losing     against etcd: it stops, freezes, compacts, forgets; the snapshot stays and follows again by itself
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod applying;
mod behind;
mod holding;
mod losing;

use std::sync::Arc;
use std::time::Duration;

use roundhouse_registry::follow::{Holds, Options};
use roundhouse_registry::{Follower, Snapshot, Source, Store};
use roundhouse_tests::{SOON, eventually_async};
use tokio::task::JoinHandle;

/// The follower's own back-off goes up to 5 s.
const RECOVERY: Duration = Duration::from_secs(15);

/// A follower at work; it ends with the test.
struct Following {
    store: Arc<Store>,
    holds: Holds,
    task: JoinHandle<()>,
}

impl Following {
    async fn start(source: Arc<dyn Source>) -> Following {
        Following::with(source, Options::default()).await
    }

    async fn with(source: Arc<dyn Source>, options: Options) -> Following {
        let follower = Follower::with(source, options).await.unwrap();
        let (store, listed) = (follower.store(), follower.store().contact().last);
        let following = Following { store, holds: follower.holds(), task: tokio::spawn(follower.run()) };
        eventually_async(SOON, "the watch stands", async || following.store.contact().last != listed).await;
        following
    }

    /// Until the snapshot is what a fresh listing says, and the store is heard.
    async fn caught_up(&self, source: &dyn Source) -> Snapshot {
        eventually_async(RECOVERY, "the follower catches up", async || {
            let fresh = Snapshot::from_listing(source.list().await.map_err(|error| error.to_string())?);
            let now = self.store.load();
            let lost = self.store.contact().lost.clone();
            let caught_up = now.revision == fresh.revision && now.same_records(&fresh) && lost.is_none();
            if caught_up {
                Ok(fresh)
            } else {
                Err(format!("{} of {}, lost: {lost:?}", now.revision, fresh.revision))
            }
        })
        .await
    }

    async fn lost(&self) -> String {
        let look = async || self.store.contact().lost.clone();
        eventually_async(RECOVERY, "the follower notices that the registry is away", look).await
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}
