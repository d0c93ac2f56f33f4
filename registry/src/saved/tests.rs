use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::kv::LeaseId;

const PREFIX: &str = "/roundhouse/v1";

fn snapshot() -> Snapshot {
    let entry = |key: &str, value: &str, revision: u64| Entry {
        key: key.into(),
        value: value.to_owned().into(),
        created: Revision(revision),
        modified: Revision(revision + 1),
        lease: key.starts_with("instances/").then_some(LeaseId(7)),
    };
    let id = "0a1b2c3d-0000-4000-8000-000000000001";
    let instance = r#"{"address":"10.0.0.7","ports":{"main":1111}}"#;
    let held = format!(r#"{{"instance":{instance},"since":5,"reason":"a test","by":"hub-1"}}"#);
    let entries = vec![
        entry("jobs/app2", r#"{"jobname":"job.app2"}"#, 1),
        entry(&format!("instances/app2/{id}"), instance, 2),
        entry(&format!("held/app3/{id}"), &held, 3),
        entry("vips/app2", r#"{"offset":3}"#, 4),
    ];
    let listing = Listing { origin: "cluster-1".into(), revision: Revision(17), entries };
    let mut snapshot = Snapshot::from_listing(listing);
    assert!(snapshot.quarantine.is_empty(), "{:?}", snapshot.quarantine);
    let since = Timestamp::from_seconds(5);
    snapshot.retained.insert("jobs/app2".into(), Retained { since, until: None, reason: "a test".into() });
    snapshot
}

fn contact() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn saved() -> (TempDir, SavedFile) {
    let folder = TempDir::new().unwrap();
    let file = SavedFile::new(folder.path().join("snapshot.jsonl"), PREFIX);
    file.write(&snapshot(), contact()).unwrap();
    (folder, file)
}

#[test]
fn what_was_saved_is_read() {
    let (folder, file) = saved();
    let read = file.read().unwrap().unwrap();
    assert!(read.snapshot.same_records(&snapshot()), "{:?}", read.snapshot);
    assert_eq!((read.snapshot.revision, &*read.snapshot.origin), (Revision(17), "cluster-1"));
    assert_eq!(read.contact, contact());
    // Nothing is left beside it, and nobody else may read it.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn no_file_is_no_error() {
    let folder = TempDir::new().unwrap();
    assert!(SavedFile::new(folder.path().join("none"), PREFIX).read().unwrap().is_none());
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let (_folder, file) = saved();
    let whole = fs::read(&file.path).unwrap();
    for length in 0..whole.len() {
        fs::write(&file.path, &whole[..length]).unwrap();
        let error = file.read().unwrap_err().to_string();
        assert!(error.contains(file.path.to_str().unwrap()), "{length}: {error}");
    }
    fs::write(&file.path, [&whole[..], b"\n"].concat()).unwrap();
    assert!(file.read().unwrap_err().to_string().contains("goes on after its end"));
}

#[test]
fn a_file_that_was_altered_anywhere_is_refused() {
    let (_folder, file) = saved();
    let whole = fs::read(&file.path).unwrap();
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        fs::write(&file.path, altered).unwrap();
        assert!(file.read().is_err(), "byte {at} of {}", whole.len());
    }
}

#[test]
fn another_prefix_and_another_layout_are_refused_with_both_named() {
    let (_folder, file) = saved();
    let other = SavedFile::new(&file.path, "/other").read().unwrap_err().to_string();
    assert!(other.contains("is of the prefix /roundhouse/v1, and this registry's is /other"), "{other}");
    fs::write(&file.path, "{\"roundhouse_snapshot\":2,\"prefix\":\"\",\"origin\":\"\",\"revision\":1,\"contact\":1,\"entries\":0}\n")
        .unwrap();
    let newer = file.read().unwrap_err().to_string();
    assert!(newer.contains("has layout 2, and this program reads 1"), "{newer}");
}

#[tokio::test]
async fn the_store_is_saved_as_it_changes_and_once_more_at_the_end() {
    let (_folder, file) = saved();
    let store = Arc::new(Store::new(Snapshot::default()));
    let (stop, stopped) = watch::channel(false);
    let keeping = tokio::spawn(file.clone().keep(store.clone(), stopped));
    let revision = |file: &SavedFile| file.read().unwrap().unwrap().snapshot.revision;
    tokio::time::timeout(Duration::from_secs(10), async {
        while revision(&file) != Revision(0) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("saved at once");
    store.publish(snapshot());
    stop.send_replace(true);
    keeping.await.unwrap();
    assert_eq!(revision(&file), Revision(17));
}
