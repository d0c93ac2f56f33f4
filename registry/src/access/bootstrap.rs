//! The bootstrap file: who may come in before the registry was ever heard.
//!
//! ```json
//! {"jobs/redis": {"jobname": "job.redis", "ports": [{"name": "main", "port": 6379}]},
//!  "rules/redis-app": {"to": {"job": "redis"}, "from": {"jobname": "job.app"}, "action": "allow"},
//!  "instances/app/0a1b2c3d-0000-4000-8000-000000000001": {"address": "10.0.0.7", "ports": {"main": 1111}}}
//! ```
//!
//! An object of the registry's keys and records. It is read whole or not at all: a file of which a part is left out may
//! open a door. For the same reason an allow rule guards what it is to, as one does that is written to a registry.
//!
//! Its snapshot is of no origin and of revision 0, before everything that a registry says; once one is heard, nothing of
//! it is left.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use roundhouse_config::Selector;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::kv::{Entry, Listing, Revision};
use crate::record::{Action, Guard, Key, Rule, Target, encode};
use crate::snapshot::Snapshot;

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("bootstrap file {}: cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "bootstrap file {}: {source}; write an object of keys and records, as in \
         {{\"jobs/redis\":{{…}},\"rules/r1\":{{…}}}}",
        path.display()
    )]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("bootstrap file {}: nothing of it is used, because of {}", path.display(), Listed(bad))]
    Records { path: PathBuf, bad: Vec<BadRecord> },
}

/// A key of the file, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    pub key: String,
    pub reason: String,
}

/// The file as a snapshot.
pub fn read(path: &Path) -> Result<Snapshot, BootstrapError> {
    let text =
        std::fs::read(path).map_err(|source| BootstrapError::Read { path: path.to_owned(), source })?;
    let written: Written = serde_json::from_slice(&text)
        .map_err(|source| BootstrapError::Json { path: path.to_owned(), source })?;
    parse(written).map_err(|bad| BootstrapError::Records { path: path.to_owned(), bad })
}

fn parse(Written(records): Written) -> Result<Snapshot, Vec<BadRecord>> {
    let mut bad = Vec::new();
    let mut seen = BTreeSet::new();
    let mut entries = Vec::with_capacity(records.len());
    for (key, value) in records {
        if seen.insert(key.clone()) {
            entries.push(entry(key, Box::<str>::from(value).into_string().into_bytes()));
        } else {
            bad.push(BadRecord { key, reason: "is there twice; keep one".into() });
        }
    }
    let listing = Listing { origin: String::new(), revision: Revision(0), entries };
    let mut snapshot = Snapshot::from_listing(listing);
    let quarantined = snapshot.quarantine.iter();
    bad.extend(quarantined.map(|(key, why)| BadRecord { key: key.to_string(), reason: why.reason.clone() }));
    bad.extend(guard(&mut snapshot));
    if bad.is_empty() { Ok(snapshot) } else { Err(bad) }
}

/// Adds the guards that the allow rules bring. Answers the rules that are to a job that is not there.
fn guard(snapshot: &mut Snapshot) -> Vec<BadRecord> {
    let mut bad = Vec::new();
    for (id, record) in snapshot.rules.clone() {
        let Rule { to, action, dry_run, .. } = &record.value;
        let (selector, job) = match to {
            Target::JobName(selector) => (selector.clone(), None),
            Target::Job(label) => match snapshot.jobs.get(label) {
                Some(record) => (Selector::from(&record.value.jobname), Some(label.clone())),
                None => {
                    let reason = format!("to.job: there is no `jobs/{label}` in the file; add it");
                    bad.push(BadRecord { key: Key::Rule(id).to_string(), reason });
                    continue;
                }
            },
        };
        let standing = snapshot.guards.get(&selector).map(|guard| &guard.value.job);
        let guards_enough = standing.is_some_and(|whose| whose.is_none() || job.is_some());
        if *action == Action::Allow && !dry_run && !guards_enough {
            let guard = Guard { job, rule: Some(id), since: None, note: Box::default() };
            snapshot.put(&entry(Key::Guard(selector).to_string(), encode(&guard).to_vec()));
        }
    }
    bad
}

fn entry(key: String, value: Vec<u8>) -> Entry {
    Entry { key, value: value.into(), created: Revision(0), modified: Revision(0), lease: None }
}

/// The object as it stands, each key as often as it is there.
struct Written(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Written, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys and records")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
                let mut records = Vec::new();
                while let Some(record) = map.next_entry()? {
                    records.push(record);
                }
                Ok(Written(records))
            }
        }

        from.deserialize_map(Object)
    }
}

struct Listed<'a>(&'a [BadRecord]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, BadRecord { key, reason }) in self.0.iter().enumerate() {
            write!(f, "{}{key}: {reason}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "jobs/redis": {"jobname": "job.redis_cop.x", "ports": [{"name": "main", "port": 6379}]},
        "rules/app": {"to": {"job": "redis"}, "from": {"jobname": "job.app"}, "action": "allow"},
        "instances/app/0a1b2c3d-0000-4000-8000-000000000001": {"address": "10.0.0.7", "ports": {"main": 1111}}
    }"#;

    fn read_text(text: &str) -> Result<Snapshot, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).map_err(|error| {
            let error = error.to_string();
            let named = format!("bootstrap file {}: ", file.path().display());
            error.strip_prefix(&named).unwrap_or_else(|| panic!("names no file: {error}")).to_owned()
        })
    }

    #[test]
    fn a_file_is_a_snapshot_of_no_registry() {
        let snapshot = read_text(FILE).unwrap();
        assert_eq!((&*snapshot.origin, snapshot.revision), ("", Revision(0)));
        assert_eq!((snapshot.jobs.len(), snapshot.rules.len(), snapshot.instance_count()), (1, 1, 1));
    }

    #[test]
    fn an_allow_rule_guards_as_in_a_registry() {
        let guard = |file: &str, selector: &str| {
            let guards = read_text(file).unwrap().guards;
            guards.get(&selector.parse::<Selector>().unwrap()).map(|guard| guard.value.clone())
        };
        let own = guard(FILE, "job.redis_cop.x").unwrap();
        assert_eq!((own.job, own.rule), (Some("redis".parse().unwrap()), Some("app".parse().unwrap())));
        assert_eq!(guard(&FILE.replace("allow", "deny"), "job.redis_cop.x"), None);
        let tried = FILE.replace(r#""allow""#, r#""allow", "dry_run": true"#);
        assert_eq!(guard(&tried, "job.redis_cop.x"), None);
        let subtree = FILE.replace(r#"{"job": "redis"}"#, r#"{"jobname": "cop.x"}"#);
        assert_eq!(guard(&subtree, "cop.x").unwrap().job, None);
        // The guard of a job alone becomes that of its subtree; one that is there already stays.
        let widened = subtree.replace(r#""rules/app""#, r#""guards/cop.x": {"job": "redis"}, "rules/app""#);
        assert_eq!(guard(&widened, "cop.x").unwrap().job, None);
        let kept = FILE.replace(r#""rules/app""#, r#""guards/job.redis_cop.x": {"note": "n"}, "rules/app""#);
        let kept = guard(&kept, "job.redis_cop.x").unwrap();
        assert_eq!((kept.job, &*kept.note), (None, "n"));
    }

    #[test]
    fn whatever_is_wrong_is_named_all_of_it() {
        let text = r#"{"jobs/Redis": {"jobname": "job.redis"}, "rules/a": {"action": "allow"}, "rulez/b": {},
            "rules/c": {"to": {"job": "none"}, "from": {"cidr": ["::/0"]}, "action": "deny"},
            "vips/a": {"offset": 1}, "vips/a": {"offset": 2}, "guards/cop.x": 1}"#;
        let error = read_text(text).unwrap_err();
        assert!(error.starts_with("nothing of it is used, because of "), "{error}");
        for wanted in [
            "jobs/Redis: ",
            "rules/a: ",
            "rulez/b: unknown kind",
            "rules/c: to.job: there is no `jobs/none` in the file",
            "vips/a: is there twice",
            "guards/cop.x: ",
        ] {
            assert!(error.contains(wanted), "no `{wanted}` in {error}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        for (text, wanted) in [
            ("", "line 1"),
            ("[]", "an object of keys and records"),
            ("{\"a\":\n", "line 2"),
            ("{} x", "trailing"),
            ("null", "an object of keys and records"),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.contains(wanted) && error.contains("\"jobs/redis\":"), "{text}: {error}");
        }
        let none = read(Path::new("/nowhere/rules.json")).unwrap_err().to_string();
        assert!(none.contains("/nowhere/rules.json: cannot be read: No such file"), "{none}");
    }
}
