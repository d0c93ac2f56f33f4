//! The gateway's table against a fresh read of etcd.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use roundhouse_registry::Revision;
use serde_json::Value;

use crate::history::{Keys, same};
use crate::http;

/// What only writers look at, what is nobody's, and what no reader is shown.
const NOT_SHOWN: &[&str] = &["addresses/", "vip-owners/", "pool-vips/", "kv/", "tokens/"];

/// Whether `/v1/snapshot` and `/v1/instances` are etcd's keys and the holds, no more and no less. Answers when the table
/// was looked at.
pub(super) fn agrees(admin: SocketAddr, fresh: &Keys) -> Result<Instant, String> {
    let recorded = fresh.keys().filter(|key| key.starts_with("held/")).count() as u64;
    let held = get(admin, "/v1/status")?["held"].as_u64().unwrap_or_default();
    if held < recorded {
        return Err(format!("{held} are held, and etcd has records of {recorded} holds"));
    }
    let snapshot = get(admin, "/v1/snapshot")?;
    let at = Instant::now();
    let holds = Holds::of(&get(admin, "/v1/holds")?);
    let quarantined: BTreeSet<String> = each(&get(admin, "/v1/quarantine")?, "key").collect();
    let entries = snapshot["entries"].as_array().ok_or("a snapshot has entries")?;
    let table: Keys =
        entries.iter().filter_map(|entry| Some((text(entry, "key")?, revision(entry)))).collect();

    let shown = |key: &str| !NOT_SHOWN.iter().any(|kind| key.starts_with(kind)) && !quarantined.contains(key);
    let mut expected: Keys =
        fresh.iter().filter(|(key, _)| shown(key)).map(|(key, at)| (key.clone(), *at)).collect();
    let in_etcd: BTreeSet<String> = expected
        .keys()
        .filter(|key| key.starts_with("held/"))
        .map(|key| key.replacen("held", "instances", 1))
        .collect();
    if holds.recorded != in_etcd {
        return Err(format!(
            "{} recorded holds are listed, etcd has {}",
            holds.recorded.len(),
            in_etcd.len()
        ));
    }
    expected.extend(holds.local.iter().map(|key| (key.replacen("instances", "held", 1), Revision(0))));
    // Of another history, so their revisions say nothing.
    for key in &holds.records {
        if let Some(at) = table.get(key) {
            expected.insert(key.clone(), *at);
        }
    }
    same("the snapshot", &table, &expected)?;

    let instances = get(admin, "/v1/instances")?;
    let served: BTreeSet<String> =
        instances.as_array().into_iter().flatten().filter_map(instance_key).collect();
    let live = expected.keys().filter(|key| key.starts_with("instances/")).cloned();
    let wanted: BTreeSet<String> = live.chain(holds.recorded).chain(holds.local).collect();
    if served != wanted {
        let ghosts: Vec<_> = served.difference(&wanted).take(8).collect();
        let missing: Vec<_> = wanted.difference(&served).take(8).collect();
        return Err(format!("instances: ghosts: {ghosts:?}; missing: {missing:?}"));
    }
    Ok(at)
}

/// Keys of what is held: instances with a record of it and without, and other records.
#[derive(Default)]
struct Holds {
    recorded: BTreeSet<String>,
    local: BTreeSet<String>,
    records: BTreeSet<String>,
}

impl Holds {
    fn of(list: &Value) -> Holds {
        let mut holds = Holds::default();
        for hold in list.as_array().into_iter().flatten() {
            let kind = match (hold["kind"] == "instance", hold["recorded"] == true) {
                (true, true) => &mut holds.recorded,
                (true, false) => &mut holds.local,
                (false, _) => &mut holds.records,
            };
            kind.extend(text(hold, "key"));
        }
        holds
    }
}

fn get(admin: SocketAddr, path: &str) -> Result<Value, String> {
    let reply = http::get(admin, &admin.to_string(), path).map_err(|error| format!("{path}: {error}"))?;
    Ok(reply.json())
}

fn each(list: &Value, field: &str) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(move |one| text(one, field))
}

fn instance_key(instance: &Value) -> Option<String> {
    Some(format!("instances/{}/{}", text(instance, "job")?, text(instance, "id")?))
}

fn text(value: &Value, field: &str) -> Option<String> {
    value[field].as_str().map(str::to_owned)
}

fn revision(entry: &Value) -> Revision {
    Revision(entry["revision"].as_u64().unwrap_or_default())
}
