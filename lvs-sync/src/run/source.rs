//! The registry, to read.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use roundhouse_config::{RegistrySettings, RegistryUrl};
use roundhouse_registry::Source;
use roundhouse_registry::http::HttpClient;
use roundhouse_registry::kv::etcd::{Etcd, Options};
use roundhouse_registry::kv::http::Http;

/// Nothing is dialled here.
pub(crate) fn open(registry: &RegistrySettings) -> anyhow::Result<Arc<dyn Source>> {
    match &registry.url {
        RegistryUrl::Etcd { endpoints } => Ok(Arc::new(Etcd::new(Options {
            endpoints: endpoints.clone(),
            prefix: registry.prefix.clone(),
            access: registry.access.clone(),
        }))),
        url @ RegistryUrl::Http { .. } => {
            let client = HttpClient::at(url, &registry.access.api)?;
            Ok(Arc::new(Http::new(client.context("it is no gateway's URL")?)))
        }
        RegistryUrl::Embedded => {
            bail!("`embedded` is inside a gateway; write that gateway's `http://host:8400`")
        }
    }
}
