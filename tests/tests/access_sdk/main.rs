//! The guard in other programs: in Rust and in C, on a real etcd and through a real gateway, and without either.
//!
//! ```text
//! following   verdicts change with the registry, and stay when it goes, also over a restart
//! bootstrap   where the registry was never heard
//! c           the example in C, compiled and run
//! docs        what docs/access-sdk.md shows is what is run here
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod bootstrap;
mod c;
mod docs;
mod example;
mod following;

use std::net::IpAddr;

use roundhouse_registry::access::Guard;
use roundhouse_registry::access::guard::{Ask, Decision, Options};
use roundhouse_registry::record::{Digest, Name, Rule, Timestamp, decode};
use roundhouse_registry::write::{Expect, NewInstance};
use roundhouse_registry::{InstanceId, Registry, Revision};
use roundhouse_tests::sample::{instance, job, label, port};
use roundhouse_tests::{Etcd, SOON, TempDir, eventually_async};

const PREFIX: &str = "/roundhouse/v1";
const TOKEN: &str = "rh_app_5e5e";

/// An etcd with a job `redis`, and instances of others.
struct Stage {
    etcd: Etcd,
    registry: Registry,
    folder: TempDir,
}

impl Stage {
    async fn start() -> Stage {
        let etcd = Etcd::running();
        let registry = Registry::new(etcd.kv(PREFIX).await);
        let stage = Stage { etcd, registry, folder: TempDir::new().unwrap() };
        stage.registry.put_job(&label("redis"), &job("job.redis_cop.x"), Expect::Any).await.unwrap();
        stage.lives("app", "10.0.0.1:1111", false).await;
        stage.lives("other", "10.0.0.2:1111", false).await;
        stage.lives("app", "10.0.0.3:1111", true).await;
        stage.lives("other", "10.0.0.3:1112", true).await;
        stage
    }

    async fn lives(&self, job: &str, address: &str, shared: bool) -> Revision {
        let mut instance = instance(address);
        (instance.shared_ip, instance.proof) = (shared, Some(Digest::of(TOKEN.as_bytes())));
        let (job, id, ports) = (label(job), InstanceId::random(), vec![port("main", 1111)]);
        let new = NewInstance { job, id, instance, jobname: None, ports };
        let (_, written) = self.registry.register_leased(&new, SOON * 6).await.unwrap();
        written.revision
    }

    async fn rule(&self, id: &str, rule: &str) {
        let (id, rule): (Name, Rule) = (id.parse().unwrap(), decode(rule.as_bytes()).unwrap());
        self.registry.put_rule(&id, &rule, Expect::Any, Timestamp::now()).await.unwrap();
    }

    fn options(&self, url: &str) -> Options {
        let mut options = Options::new(url.parse().unwrap(), label("redis"));
        options.snapshot = Some(self.folder.path().join("snapshot.jsonl"));
        options
    }
}

/// What a guard says of everybody.
fn verdicts(guard: &Guard) -> Vec<(IpAddr, Option<&'static str>, String)> {
    let peers = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "::ffff:10.0.0.1", "192.0.2.1"];
    let claims = [None, Some("job.app"), Some("job.other")];
    let all = peers.iter().flat_map(|peer| claims.map(|claim| (peer.parse().unwrap(), claim)));
    all.map(|(peer, claim)| (peer, claim, said(&guard.check(peer, claim, 1111)))).collect()
}

fn said(decision: &Decision) -> String {
    let rule = decision.rule.as_ref().map_or("", |rule| rule.as_str());
    let name = decision.identity.as_ref().map_or("", |name| name.as_str());
    let Decision { verdict, reason, .. } = decision;
    format!("{} {} {rule} {name}", verdict.as_str(), reason.as_str())
}

fn ask(peer: &str) -> Ask<'static> {
    Ask::new(peer.parse().unwrap(), 1111)
}

/// Looks again at each change, as a proxy does at its sessions.
async fn until(guard: &Guard, peer: &str, wanted: &str) {
    let mut changes = guard.changes();
    let waiting = async {
        while said(&guard.check_with(&ask(peer))) != wanted {
            changes.changed().await.unwrap();
        }
    };
    let came = tokio::time::timeout(SOON, waiting).await;
    assert!(came.is_ok(), "{peer} is not {wanted}: {}, {guard:?}", said(&guard.check_with(&ask(peer))));
}

async fn until_lost(guard: &Guard) {
    let look = async || guard.status().error;
    eventually_async(SOON, "the guard notices that the registry is away", look).await;
}
