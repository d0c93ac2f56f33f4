//! What a sink should hold: a pool's VIPs with the instances behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use roundhouse_config::{Label, PortName};
use roundhouse_registry::{Instance, Snapshot, State};

use crate::service::{Destination, Forwarding, Scheduler, Service, ServiceKey, Services, Transport};

/// One port of a job, published on VIPs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub job: Label,
    pub port: PortName,
    pub vips: Vec<SocketAddr>,
    pub transport: Transport,
    pub scheduler: Scheduler,
    pub forwarding: Forwarding,
}

/// The services of all pools. A draining, failing or resting instance stays with weight 0, so that its connections end
/// by themselves; one that left the registry is not here.
pub fn desired(pools: &[Pool], snapshot: &Snapshot) -> Services {
    let mut services = Services::new();
    for pool in pools {
        let destinations: BTreeMap<SocketAddr, Destination> =
            snapshot.members(&pool.job).filter_map(|member| destination(pool, member.instance())).collect();
        for vip in &pool.vips {
            let key = ServiceKey { transport: pool.transport, address: *vip };
            let service = Service { scheduler: pool.scheduler, destinations: destinations.clone() };
            services.insert(key, service);
        }
    }
    services
}

fn destination(pool: &Pool, instance: &Instance) -> Option<(SocketAddr, Destination)> {
    let port = *instance.ports.get(&pool.port)?;
    let weight = match instance.state {
        State::Up => instance.weight,
        State::Down | State::Draining | State::Maintenance => 0,
    };
    let address = SocketAddr::new(instance.address.to_canonical(), port);
    Some((address, Destination { weight, forwarding: pool.forwarding }))
}

#[cfg(test)]
mod tests {
    use roundhouse_registry::kv::{Entry, Listing, Revision};

    use super::*;

    fn snapshot(records: &[(&str, &str)]) -> Snapshot {
        let at = Revision(1);
        let entries = records.iter().map(|(key, value)| Entry {
            key: (*key).into(),
            value: (*value).to_owned().into(),
            created: at,
            modified: at,
            lease: None,
        });
        Snapshot::from_listing(Listing { origin: "test".into(), revision: at, entries: entries.collect() })
    }

    #[test]
    fn draining_keeps_its_place_with_weight_0() {
        let snapshot = snapshot(&[
            (
                "instances/blog/0a1b2c3d-0000-4000-8000-000000000001",
                r#"{"address":"10.0.0.1","ports":{"main":80}}"#,
            ),
            (
                "instances/blog/0a1b2c3d-0000-4000-8000-000000000002",
                r#"{"address":"10.0.0.2","ports":{"main":80},"state":"draining"}"#,
            ),
            (
                "instances/blog/0a1b2c3d-0000-4000-8000-000000000003",
                r#"{"address":"10.0.0.3","ports":{"web":80}}"#,
            ),
        ]);
        let pool = Pool {
            job: "blog".parse().unwrap(),
            port: "main".parse().unwrap(),
            vips: vec!["203.0.113.10:80".parse().unwrap(), "[2001:db8::10]:80".parse().unwrap()],
            transport: Transport::Tcp,
            scheduler: Scheduler::default(),
            forwarding: Forwarding::default(),
        };
        let services = desired(&[pool], &snapshot);
        assert_eq!(services.len(), 2);
        for service in services.values() {
            let weights: Vec<(String, u32)> = service
                .destinations
                .iter()
                .map(|(address, destination)| (address.to_string(), destination.weight))
                .collect();
            assert_eq!(weights, [("10.0.0.1:80".to_owned(), 100), ("10.0.0.2:80".to_owned(), 0)]);
        }
    }
}
