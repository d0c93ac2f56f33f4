//! This gateway's own record, `gateways/<id>`, kept under a lease while it serves.

use std::sync::Arc;
use std::time::Duration;

use roundhouse_registry::record::Sorted;
use roundhouse_registry::{Gateway, KvError, LeaseId, WriteError};

use crate::phase::Phase;
use crate::shared::Shared;

const TTL: Duration = Duration::from_secs(15);

pub(super) async fn run(shared: Arc<Shared>) {
    let record = Gateway {
        version: env!("CARGO_PKG_VERSION").into(),
        host: host_name(),
        vips: shared.settings.names.vips,
        admin: shared.settings.admin.listen.to_string(),
        addresses: shared.settings.names.hub_addresses.clone(),
        entrypoints: Sorted::default(),
    };
    let mut phase = shared.phase.clone();
    let mut lease: Option<LeaseId> = None;
    loop {
        match keep(&shared, &record, lease).await {
            Ok(kept) => lease = Some(kept),
            Err(WriteError::Kv(KvError::NoLease(_))) => {
                // Ran out while the registry was away: announced again at once.
                lease = None;
                continue;
            }
            Err(error) => tracing::debug!(%error, "gateway not announced"),
        }
        tokio::select! {
            () = tokio::time::sleep(TTL / 3) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
        }
    }
    if let Some(lease) = lease {
        // It runs out by itself if the registry is away.
        let _ = tokio::time::timeout(Duration::from_secs(1), shared.registry.revoke(lease)).await;
    }
}

async fn keep(shared: &Shared, record: &Gateway, lease: Option<LeaseId>) -> Result<LeaseId, WriteError> {
    if let Some(lease) = lease {
        shared.registry.keep_alive(lease).await?;
        return Ok(lease);
    }
    let lease = shared.registry.kv().grant(TTL).await?;
    shared.registry.announce(&shared.id, record, lease).await?;
    Ok(lease)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
