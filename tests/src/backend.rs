//! The registries that a check is run against.

use std::sync::Arc;

use roundhouse_registry::Kv;
use roundhouse_registry::kv::embedded::Embedded;
use tempfile::TempDir;

use crate::Etcd;

/// The prefix under which everything is, where a test does not care.
pub(crate) const PREFIX: &str = "/roundhouse/v1";

/// An empty registry of the test's own.
pub enum Backend {
    Embedded { store: Arc<dyn Kv>, dir: TempDir },
    Etcd(Etcd),
}

impl Backend {
    pub fn embedded() -> Backend {
        let dir = TempDir::new().expect("a temporary directory");
        let store = Arc::new(Embedded::open(&dir.path().join("registry")).expect("a new file"));
        Backend::Embedded { store, dir }
    }

    #[track_caller]
    pub fn etcd() -> Backend {
        Backend::Etcd(Etcd::running())
    }

    /// A handle. etcd: a connection of its own, as another process has it. Embedded: the one store, shared.
    pub async fn open(&self) -> Arc<dyn Kv> {
        match self {
            Backend::Embedded { store, .. } => store.clone(),
            Backend::Etcd(etcd) => etcd.kv(PREFIX).await,
        }
    }

    /// The registry after a restart. No handle may be left.
    #[must_use]
    pub fn restarted(self) -> Backend {
        match self {
            Backend::Embedded { store, dir } => {
                assert_eq!(Arc::strong_count(&store), 1, "a handle is left");
                drop(store);
                let store = Arc::new(Embedded::open(&dir.path().join("registry")).expect("its own file"));
                Backend::Embedded { store, dir }
            }
            Backend::Etcd(mut etcd) => {
                etcd.stop();
                etcd.start();
                Backend::Etcd(etcd)
            }
        }
    }
}
