//! The presence of directors and gateways. Of a director: whatever happens to its record or its lease, the record comes back as it should be, and
//! of two with one id one is there.
//!
//! ```text
//! keeping   it announces itself, keeps alive, tells what changes and leaves; what somebody takes away comes back
//! leading   of two that share a sink one leads, and knows for how long
//! api       the same by hand, and what is refused
//! gateways  what a gateway says of its own entrypoints
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod api;
mod gateways;
mod keeping;
mod leading;

use std::time::Duration;

use roundhouse_config::RegistrySettings;
use roundhouse_registry::presence::Progress;
use roundhouse_registry::record::Director;
use roundhouse_registry::{LeaseId, Presence};
use roundhouse_tests::{Hub, Wire, eventually_async, seen};
use serde_json::Value;

const TTL: Duration = Duration::from_secs(2);
/// The presence's own back-off goes up to 5 s, and a call up to 5 s.
const RECOVERY: Duration = Duration::from_secs(15);

/// A registry with a gateway on it, and the way by which directors come to it.
struct Site {
    hub: Hub,
    url: String,
}

impl Site {
    fn embedded() -> Site {
        let hub = Hub::embedded();
        Site { url: hub.gateway.url(), hub }
    }

    /// Through the gateway.
    fn etcd() -> Site {
        let hub = Hub::etcd();
        Site { url: hub.gateway.url(), hub }
    }

    /// Beside it.
    fn direct() -> Site {
        let hub = Hub::etcd();
        Site { url: hub.etcd.as_ref().unwrap().url(), hub }
    }

    fn start(&self, id: &str, director: Director) -> Presence {
        self.start_with(id, director, TTL)
    }

    /// By another way to the same registry.
    fn start_through(&self, wire: &Wire, id: &str) -> Presence {
        let (scheme, _) = self.url.split_once("://").unwrap();
        let url = format!("{scheme}://{}", wire.address());
        let registry = RegistrySettings { url: url.parse().unwrap(), ..RegistrySettings::default() };
        Presence::start(&registry, id, on(id), TTL).unwrap()
    }

    /// A way that can be cut.
    async fn wire(&self) -> Wire {
        let (_, authority) = self.url.split_once("://").unwrap();
        Wire::to(authority.parse().unwrap()).await
    }

    fn start_with(&self, id: &str, director: Director, ttl: Duration) -> Presence {
        let registry = RegistrySettings { url: self.url.parse().unwrap(), ..RegistrySettings::default() };
        Presence::start(&registry, id, director, ttl).unwrap()
    }

    /// A record as the gateway shows it.
    fn shown(&self, path: &str) -> Option<Value> {
        let reply = self.hub.gateway.api(&format!("/v1/{path}"));
        (reply.status == 200).then(|| reply.json())
    }

    fn entry(&self, key: &str) -> Option<Value> {
        let snapshot = self.hub.gateway.api("/v1/snapshot").json();
        snapshot["entries"].as_array().unwrap().iter().find(|entry| entry["key"] == key).cloned()
    }

    fn lease(&self, key: &str) -> LeaseId {
        self.entry(key).unwrap()["lease"].as_str().unwrap().parse().unwrap()
    }

    /// Ends the lease of a director that lives, as an accident would.
    fn revoke(&self, id: &str) {
        let lease = self.lease(&format!("directors/{id}"));
        self.hub.write("DELETE", &format!("/v1/directors/{id}?lease={lease}"), "");
    }
}

/// A director on a host.
fn on(host: &str) -> Director {
    Director::new("0.1.0", host)
}

async fn progress(presence: &Presence, wanted: impl Fn(&Progress) -> bool) -> Progress {
    let look = async || seen(presence.progress().borrow().clone(), &wanted);
    eventually_async(RECOVERY, "the presence's progress", look).await
}

async fn registered(presence: &Presence) {
    progress(presence, |progress| *progress == Progress::Registered).await;
}

/// Writes each of the named checks (`async fn(&Site)`) as a test by every way to a registry.
macro_rules! by_every_way {
    ($($check:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check(&$crate::Site::embedded()).await;
            })+
        }
        mod etcd {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check(&$crate::Site::etcd()).await;
            })+
        }
        mod direct {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check(&$crate::Site::direct()).await;
            })+
        }
    };
}
pub(crate) use by_every_way;
