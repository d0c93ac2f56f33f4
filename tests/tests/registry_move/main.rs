//! Everything from one registry to another: `roundhouse registry export`, `import` and `diff`.
//!
//! ```text
//! records   what arrives is what left, whichever way it goes
//! live      instances that are in use meanwhile
//! refused   files and registries that do not fit, and nothing is written then
//! large     many transactions, and an end in the middle of them
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod large;
mod live;
mod records;
mod refused;

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use roundhouse_registry::Kv;
use roundhouse_registry::kv::embedded::Embedded;
use roundhouse_registry::kv::{Op, Txn};
use roundhouse_tests::{Etcd, Gateway, programs};

const PREFIX: &str = "/roundhouse/v1";

/// How a command ended and what it said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!said.err.contains("panicked"), "{said:?}");
        said
    }
}

/// `roundhouse registry …`
fn run(arguments: &[&str]) -> Said {
    let mut command = programs::roundhouse();
    command.arg("registry").args(arguments).env_remove("ROUNDHOUSE_SERVER");
    command.output().unwrap().into()
}

#[track_caller]
fn ok(arguments: &[&str]) -> Said {
    let said = run(arguments);
    assert!(said.code == Some(0) && said.err.is_empty(), "{arguments:?}: {said:?}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every key with its value, but what a gateway says of itself.
async fn records(kv: &dyn Kv) -> Vec<(String, String)> {
    let entries = kv.list().await.unwrap().entries;
    let moved = entries.into_iter().filter(|entry| !entry.key.starts_with("gateways/"));
    moved.map(|entry| (entry.key, String::from_utf8_lossy(&entry.value).into_owned())).collect()
}

/// The embedded registry of a data directory that nobody uses.
async fn embedded(data_dir: &Path) -> Vec<(String, String)> {
    records(&Embedded::open(&data_dir.join("registry.redb")).unwrap()).await
}

async fn etcd(etcd: &Etcd) -> Vec<(String, String)> {
    records(&*etcd.kv(PREFIX).await).await
}

/// Writes records past every rule, as somebody else would.
async fn fill(kv: &Arc<dyn Kv>, records: impl IntoIterator<Item = (String, String)>) {
    let records: Vec<_> = records.into_iter().collect();
    for some in records.chunks(128) {
        let put = |(key, value): &(String, String)| Op::Put {
            key: key.clone(),
            value: value.clone().into_bytes().into(),
            lease: None,
        };
        kv.commit(Txn { when: Vec::new(), then: some.iter().map(put).collect() }).await.unwrap();
    }
}

/// The gateway's settings with another registry.
fn settle_on(gateway: &Gateway, url: &str) {
    let settings = std::fs::read_to_string(gateway.config()).unwrap();
    assert!(settings.contains("url = \"embedded\""));
    let settings = settings.replace("url = \"embedded\"", &format!("url = \"{url}\""));
    std::fs::write(gateway.config(), settings).unwrap();
}
