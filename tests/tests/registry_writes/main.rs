//! The registry's writes, against both backends: who owns what, and who wins a race.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod addresses;
mod instances;
mod jobs;
mod pools;
mod vips;

use roundhouse_registry::Registry;
use roundhouse_registry::record::{Key, decode};
use roundhouse_registry::write::NewInstance;
use roundhouse_tests::Backend;

/// A writer with a handle of its own.
async fn writer(backend: &Backend) -> Registry {
    Registry::new(backend.open().await)
}

/// The record under a key, as any reader sees it.
async fn read<T: serde::de::DeserializeOwned>(registry: &Registry, key: &Key) -> Option<T> {
    let entry = registry.kv().get(&key.to_string()).await.unwrap()?;
    Some(decode(&entry.value).unwrap())
}

/// All keys, sorted.
async fn keys(registry: &Registry) -> Vec<String> {
    registry.kv().range("").await.unwrap().into_iter().map(|entry| entry.key).collect()
}

/// Where an instance is.
fn key(new: &NewInstance) -> Key {
    Key::Instance(new.job.clone(), new.id)
}
