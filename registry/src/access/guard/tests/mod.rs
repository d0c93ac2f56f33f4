//! A guard over a scripted registry. Against real ones: `tests/tests/access_sdk`.

mod scripted;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use self::scripted::Scripted;
use super::*;
use crate::kv::Source;
use crate::saved::SavedFile;

const SOON: Duration = Duration::from_secs(10);
const REDIS: &str = r#"{"jobname":"job.redis","ports":[{"name":"main","port":6379}],"access":"deny"}"#;
const ALLOW_APP: &str = r#"{"to":{"job":"redis"},"from":{"jobname":"job.app"},"action":"allow"}"#;
const APP: &str = "instances/app/0a1b2c3d-0000-4000-8000-000000000001";
const AT_7: &str = r#"{"address":"10.0.0.7","ports":{"main":1111}}"#;

fn options(folder: &Path) -> Options {
    let mut options = Options::new("etcd://scripted".parse().unwrap(), "redis".parse().unwrap());
    options.snapshot = Some(folder.join("snapshot.jsonl"));
    options.wait = Duration::from_millis(50);
    options
}

fn open(registry: &Arc<Scripted>, options: &Options) -> Result<Guard, OpenError> {
    let mut start = options.prepare()?;
    let registry = registry.clone();
    start.connect = Box::new(move || Ok(registry as Arc<dyn Source>));
    Ok(Guard { job: options.job.clone(), running: Running::start(start)? })
}

fn bootstrap(folder: &Path, records: &[(&str, &str)]) -> std::path::PathBuf {
    let records: Vec<String> = records.iter().map(|(key, record)| format!("\"{key}\":{record}")).collect();
    let file = folder.join("bootstrap.json");
    std::fs::write(&file, format!("{{{}}}", records.join(","))).unwrap();
    file
}

fn peer() -> IpAddr {
    [10, 0, 0, 7].into()
}

fn said(guard: &Guard) -> (bool, &'static str) {
    let decision = guard.check(peer(), None, 6379);
    (decision.allows(), decision.reason.as_str())
}

/// Looks again at each change.
async fn until(guard: &Guard, wanted: impl Fn(&Guard) -> bool) {
    let mut changes = guard.changes();
    let waiting = async {
        while !wanted(guard) {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("not within {SOON:?}: {guard:?}"));
}

#[tokio::test]
async fn verdicts_follow_the_registry_and_stay_without_it() {
    let (folder, registry) = (TempDir::new().unwrap(), Scripted::up());
    let guard = open(&registry, &options(folder.path())).unwrap();
    let unknown = guard.check(peer(), None, 6379);
    assert_eq!((unknown.verdict, unknown.reason, unknown.revokes()), (Verdict::Deny, Reason::NoJob, false));
    registry.put("jobs/redis", REDIS);
    until(&guard, |guard| said(guard) == (false, "default_deny")).await;
    registry.put("rules/app", ALLOW_APP);
    registry.put(APP, AT_7);
    until(&guard, |guard| said(guard) == (true, "rule")).await;
    let decision = guard.check("::ffff:10.0.0.7".parse().unwrap(), Some("job.app"), 6379);
    assert_eq!(decision.rule.unwrap().as_str(), "app");
    assert_eq!(decision.identity.unwrap().as_str(), "job.app");
    assert_eq!((decision.revision, decision.stale), (Revision(3), Duration::ZERO));
    assert!(guard.check(peer(), Some("job.other"), 6379).revokes());

    registry.stop();
    until_lost(&guard).await;
    assert_eq!(said(&guard), (true, "rule"));
    assert!(guard.status().stale > Duration::ZERO && guard.check(peer(), None, 6379).stale > Duration::ZERO);
    drop(guard);
    // What was heard is on disk, for a start without the registry.
    let guard = open(&registry, &options(folder.path())).unwrap();
    assert_eq!(said(&guard), (true, "rule"));
    assert_eq!(guard.status().revision, Revision(3));
}

async fn until_lost(guard: &Guard) {
    let waiting = async {
        while guard.status().error.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap();
}

#[tokio::test]
async fn the_bootstrap_file_decides_until_the_registry_is_heard_and_not_beyond() {
    let (folder, registry) = (TempDir::new().unwrap(), Scripted::down());
    let file = bootstrap(folder.path(), &[("jobs/redis", REDIS), ("rules/old", ALLOW_APP), (APP, AT_7)]);
    let an_hour_ago = std::time::SystemTime::now() - Duration::from_secs(3_600);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(an_hour_ago).unwrap();
    let options = Options { bootstrap: Some(file), ..options(folder.path()) };
    let guard = open(&registry, &options).unwrap();
    assert_eq!(said(&guard), (true, "rule"));
    let status = guard.status();
    assert_eq!(status.revision, Revision(0));
    assert!((3_600..4_000).contains(&status.stale.as_secs()), "as old as the file: {status:?}");
    assert!(status.error.unwrap().contains("it is down"));
    // It is not what the registry said.
    let saved = SavedFile::new(folder.path().join("snapshot.jsonl"), "/roundhouse/v1");
    assert!(saved.read().unwrap().is_none());

    registry.put("jobs/redis", REDIS);
    registry.put(APP, AT_7);
    registry.start();
    until(&guard, |guard| said(guard) == (false, "default_deny")).await;
    assert_eq!(guard.status().revision, Revision(2));
    drop(guard);
    assert_eq!(saved.read().unwrap().unwrap().snapshot.revision, Revision(2));
    registry.stop();
    // What was heard is better than the file.
    assert_eq!(said(&open(&registry, &options).unwrap()), (false, "default_deny"));
}

#[test]
fn a_door_that_nobody_watches_is_not_opened() {
    let folder = TempDir::new().unwrap();
    let error = open(&Scripted::down(), &options(folder.path())).unwrap_err().to_string();
    assert!(error.contains("no registry at etcd://scripted:2379") && error.contains("it is down"), "{error}");
    std::fs::write(folder.path().join("snapshot.jsonl"), "{}").unwrap();
    let error = open(&Scripted::down(), &options(folder.path())).unwrap_err().to_string();
    assert!(
        error.contains("etcd://scripted:2379") && error.contains("snapshot.jsonl: is cut off"),
        "{error}"
    );
    // Not even beside a registry.
    let bootstrap = Some(bootstrap(folder.path(), &[("rules/old", "{}")]));
    let error =
        open(&Scripted::up(), &Options { bootstrap, ..options(folder.path()) }).unwrap_err().to_string();
    assert!(error.contains("bootstrap.json: nothing of it is used, because of rules/old: "), "{error}");
    let embedded = Options::new("embedded".parse().unwrap(), "redis".parse().unwrap());
    let error = Guard::open(embedded).unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:8400"), "{error}");
}

#[tokio::test]
async fn a_peer_that_registered_just_now_is_looked_for_once_more() {
    let (folder, registry) = (TempDir::new().unwrap(), Scripted::up());
    registry.put("jobs/redis", REDIS);
    registry.put("rules/app", ALLOW_APP);
    let guard = Arc::new(open(&registry, &options(folder.path())).unwrap());
    registry.put_unsaid(APP, AT_7);
    assert_eq!(said(&guard), (false, "default_deny"));
    let decision = guard.check_fresh(&Ask::new(peer(), 6379)).await;
    assert!(decision.allows(), "{decision:?}");
    let ask = Ask::new([10, 0, 0, 8].into(), 6379);
    assert!(!guard.check_fresh(&ask).await.allows());

    registry.put_unsaid(&APP.replace("001", "002"), &AT_7.replace(".7", ".9"));
    let other = guard.clone();
    let asked = move || other.check_fresh_blocking(&Ask::new([10, 0, 0, 9].into(), 6379));
    let decision = tokio::task::spawn_blocking(asked).await.unwrap();
    assert!(decision.allows(), "{decision:?}");

    // The news may come between the decision and the question.
    for n in 0..100u8 {
        registry
            .put(&format!("{}{n:02}", &APP[..APP.len() - 2]), &AT_7.replace("0.0.7", &format!("1.0.{n}")));
        let decision = guard.check_fresh(&Ask::new([10, 1, 0, n].into(), 6379)).await;
        assert!(decision.allows(), "{n}: {decision:?}");
    }
}

#[tokio::test]
async fn a_rule_that_expires_is_a_change() {
    let (folder, registry) = (TempDir::new().unwrap(), Scripted::up());
    registry.put("jobs/redis", REDIS);
    registry.put(APP, AT_7);
    let expires = Timestamp::now().seconds() + 2;
    registry.put("rules/app", &ALLOW_APP.replace("{\"to", &format!("{{\"expires\":{expires},\"to")));
    let guard = open(&registry, &options(folder.path())).unwrap();
    assert_eq!(said(&guard), (true, "rule"));
    until(&guard, |guard| said(guard) == (false, "default_deny")).await;
}
