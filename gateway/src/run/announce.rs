//! This gateway's own record, `gateways/<id>`, kept under a lease while it serves.
//!
//! It says where others reach each open entrypoint, for pools that lead to the hubs; when one comes, goes or moves it is
//! put again, under the same lease.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::PortName;
use roundhouse_registry::record::Sorted;
use roundhouse_registry::{Gateway, KvError, LeaseId, WriteError};

use crate::host_address::{Family, host_address};
use crate::phase::Phase;
use crate::shared::Shared;

const TTL: Duration = Duration::from_secs(15);

/// The record as the registry has it, and its lease.
struct Told {
    lease: LeaseId,
    record: Gateway,
}

pub(super) async fn run(shared: Arc<Shared>) {
    let mut record = Gateway {
        version: env!("CARGO_PKG_VERSION").into(),
        host: host_name(),
        vips: shared.settings.names.vips,
        admin: shared.settings.admin.listen.to_string(),
        addresses: shared.settings.names.hub_addresses.clone(),
        entrypoints: Sorted::default(),
    };
    let mut phase = shared.phase.clone();
    let mut told: Option<Told> = None;
    loop {
        // Each time anew: this host's address may have changed.
        record.entrypoints = entrypoints(&shared).await;
        match keep(&shared, &record, &mut told).await {
            Ok(()) => {}
            Err(WriteError::Kv(KvError::NoLease(_))) => {
                // Ran out while the registry was away: announced again at once.
                told = None;
                continue;
            }
            Err(error) => tracing::debug!(%error, "gateway not announced"),
        }
        tokio::select! {
            () = tokio::time::sleep(TTL / 3) => {}
            () = shared.relisted.notified() => {}
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
        }
    }
    if let Some(Told { lease, .. }) = told {
        // It runs out by itself if the registry is away.
        let _ = tokio::time::timeout(Duration::from_secs(1), shared.registry.revoke(lease)).await;
    }
}

async fn keep(shared: &Shared, record: &Gateway, told: &mut Option<Told>) -> Result<(), WriteError> {
    let lease = match told {
        Some(told) => {
            shared.registry.keep_alive(told.lease).await?;
            if told.record == *record {
                return Ok(());
            }
            told.lease
        }
        None => shared.registry.kv().grant(TTL).await?,
    };
    shared.registry.announce(&shared.id, record, lease).await?;
    *told = Some(Told { lease, record: record.clone() });
    Ok(())
}

/// Those that are open, and where others reach them. One on loopback stays what it is: a director of this host may use it.
async fn entrypoints(shared: &Shared) -> Sorted<PortName, SocketAddr> {
    let listed = shared.entrypoints.load_full();
    let open = listed.iter().filter_map(|one| Some((one.name.clone(), *one.state.as_ref().ok()?)));
    let open: Vec<(PortName, SocketAddr)> = open.collect();
    let (hub, vips) = (shared.settings.names.hub_addresses.clone(), shared.settings.names.vips);
    let reached = tokio::task::spawn_blocking(move || {
        let own = own_addresses(hub, open.iter().map(|(_, at)| *at), |family| host_address(family, vips));
        open.into_iter().filter_map(|(name, at)| Some((name, reached(at, &own)?))).collect()
    });
    // It ends with the runtime only.
    reached.await.unwrap_or_default()
}

/// By which others reach what listens on all addresses: those that the settings name, then what is looked for, if it is
/// needed.
fn own_addresses(
    named: Vec<IpAddr>,
    listening: impl Iterator<Item = SocketAddr>,
    look: impl Fn(Family) -> Option<IpAddr>,
) -> Vec<IpAddr> {
    let everywhere: Vec<SocketAddr> = listening.filter(|at| at.ip().is_unspecified()).collect();
    let reach = |own: &[IpAddr]| everywhere.iter().all(|at| reached(*at, own).is_some());
    let mut own = named;
    for family in [Family::V4, Family::V6] {
        if !reach(&own) {
            own.extend(look(family));
        }
    }
    own
}

/// `[::]` takes IPv4 as well.
fn reached(listening: SocketAddr, own: &[IpAddr]) -> Option<SocketAddr> {
    if !listening.ip().is_unspecified() {
        return Some(listening);
    }
    let address = own.iter().find(|own| listening.is_ipv6() || own.is_ipv4())?;
    Some(SocketAddr::new(*address, listening.port()))
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_listens_everywhere_is_reached_at_an_address_of_the_host() {
        let own: Vec<IpAddr> = ["2001:db8::5", "10.0.0.5"].map(|text| text.parse().unwrap()).into();
        for (listening, reached_at) in [
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            ("10.0.0.9:80", Some("10.0.0.9:80")),
            ("[::]:80", Some("[2001:db8::5]:80")),
            ("0.0.0.0:80", Some("10.0.0.5:80")),
        ] {
            assert_eq!(reached(at(listening), &own), reached_at.map(at), "{listening}");
        }
        assert_eq!(reached(at("0.0.0.0:80"), &own[..1]), None, "nobody comes there by IPv6");
    }

    #[test]
    fn the_host_is_looked_at_only_where_the_settings_do_not_say() {
        let look = |family| {
            let address = if family == Family::V4 { "192.0.2.7" } else { "2001:db8::7" };
            address.parse().ok()
        };
        let own = |named: &[&str], listening: &[&str]| {
            let named = named.iter().map(|text| text.parse().unwrap()).collect();
            let own = own_addresses(named, listening.iter().map(|text| at(text)), look);
            own.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(own(&[], &["127.0.0.1:80"]), [""; 0]);
        assert_eq!(own(&["10.0.0.5"], &["[::]:80", "0.0.0.0:81"]), ["10.0.0.5"]);
        assert_eq!(own(&["2001:db8::5"], &["[::]:80"]), ["2001:db8::5"]);
        assert_eq!(own(&["2001:db8::5"], &["0.0.0.0:80"]), ["2001:db8::5", "192.0.2.7"]);
        assert_eq!(own(&[], &["[::]:80"]), ["192.0.2.7"], "who has IPv6 has IPv4 too");
        let none = own_addresses(Vec::new(), [at("[::]:80")].into_iter(), |family| {
            look(family).filter(IpAddr::is_ipv6)
        });
        assert_eq!(none, ["2001:db8::7".parse::<IpAddr>().unwrap()]);
    }
}
