//! The registry under faults: whatever happens to etcd, to the way to it or to registrars, nobody's request fails and the
//! table is right again soon.
//!
//! ```text
//! killed     etcd is killed again and again while others write
//! frozen     etcd stands still; a leader stands still for longer than a lease
//! majority   two of three members are dead
//! cut_off    packets to etcd are dropped, meanwhile the world goes on and history is compacted
//! expiry     thousands of leases run out at once
//! registrar  a registrar stands still while its app lives
//! wiped      etcd comes back without its data, to a gateway that runs and to one that was down
//! cold       a start without a registry: from the disk, or not at all
//! values     what nobody should write, written past every check
//! ```
//!
//! Each in a short form here, and in full under `make soak`. [`Judge`] says what was right and what was not.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod cold;
mod cut_off;
mod expiry;
mod frozen;
mod killed;
mod majority;
mod registrar;
mod values;
mod wiped;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::RegistrySettings;
use roundhouse_registry::Registrar;
use roundhouse_registry::kv::{Commit, Kv, Revision, Txn};
use roundhouse_tests::history::Chronicle;
use roundhouse_tests::{Fleet, Gateway, Judge, SOON, eventually, seen};
use serde_json::Value;

const PREFIX: &str = "/roundhouse/v1";
/// Of the registrars here; long enough for a machine that is busy.
const TTL: Duration = Duration::from_secs(4);

/// A gateway with jobs of apps that really answer, and a judge who looks on.
struct Stage {
    kv: Arc<dyn Kv>,
    gateway: Gateway,
    fleet: Fleet,
    labels: Vec<String>,
    /// They keep the fleet registered as long as they are here.
    registrars: Vec<Registrar>,
}

impl Stage {
    /// Two jobs with three registered apps each. `url`: what the gateway is told; `registrars_url`: the others.
    async fn set(kv: Arc<dyn Kv>, endpoints: &[String], url: &str, registrars_url: &str) -> (Stage, Judge) {
        let chronicle = Chronicle::begin(endpoints, PREFIX);
        let mut stage = Stage::prepared(kv, url, "").await;
        stage.registrars = stage.fleet.register(&settings(registrars_url), TTL);
        stage.gateway.run();
        for label in &stage.labels {
            stage.gateway.wait_healthy(label, 3);
        }
        let judge = Judge::begin(&stage.gateway, chronicle, &stage.labels);
        (stage, judge)
    }

    /// The gateway does not run yet, and nobody is registered. `more`: of its configuration.
    async fn prepared(kv: Arc<dyn Kv>, url: &str, more: &str) -> Stage {
        let registry = format!("url = \"{url}\"\nrecord = \"{}\"", Judge::RECORD);
        let gateway = Gateway::configured(&registry, more);
        let labels: Vec<String> = ["web", "shop"].map(str::to_owned).into();
        for label in &labels {
            put_job(&*kv, label, Some(OFTEN), true).await;
        }
        let fleet = Fleet::listening(&gateway.net, &labels, 3).await;
        Stage { kv, gateway, fleet, labels, registrars: Vec::new() }
    }

    fn holds(&self) -> Vec<Value> {
        holds(&self.gateway)
    }

    /// Until the gateway knows that the registry is away.
    #[track_caller]
    fn wait_lost(&self) {
        eventually(SOON, "the gateway knows that the registry is away", || {
            seen(self.gateway.api("/v1/status").json()["registry"].clone(), |registry| {
                registry["lost"].is_string()
            })
        });
    }

    /// Until all that was held has come back.
    #[track_caller]
    fn wait_nothing_held(&self) {
        // A registrar's own back-off goes up to 5 s.
        eventually(SOON * 3, "everybody is registered again", || seen(self.holds(), Vec::is_empty));
    }
}

fn holds(gateway: &Gateway) -> Vec<Value> {
    gateway.api("/v1/holds").json().as_array().cloned().unwrap_or_default()
}

fn settings(url: &str) -> RegistrySettings {
    RegistrySettings { url: url.parse().unwrap(), prefix: PREFIX.into(), ..RegistrySettings::default() }
}

/// How often an app is asked whether it lives.
const OFTEN: &str = "1s";

/// An HTTP job with one port. `check`: its interval. `hold`: whether a loss of many instances is to be doubted.
async fn put_job(kv: &dyn Kv, label: &str, check: Option<&str>, hold: bool) {
    let check = check.map_or("null".to_owned(), |interval| {
        format!(r#"{{"kind":"tcp","interval":"{interval}","timeout":"2s","rise":1,"fall":3}}"#)
    });
    let ports = r#"[{"name":"main","port":9090,"protocol":"http"}]"#;
    let record = format!(r#"{{"jobname":"job.{label}","ports":{ports},"check":{check},"hold":{hold}}}"#);
    commit(kv, Txn::new().put(format!("jobs/{label}"), record, None)).await;
}

async fn commit(kv: &dyn Kv, txn: Txn) -> Revision {
    match kv.commit(txn).await.unwrap() {
        Commit::Done(revision) => revision,
        Commit::Refused => panic!("refused"),
    }
}
