//! What only a file has: it is killed under, locked, damaged, and opened again.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use roundhouse_registry::kv::embedded::Embedded;
use roundhouse_registry::kv::{Kv, KvError, Revision, Source, Txn};
use roundhouse_tests::{
    Background, SOON, Signal, TempDir, changes_until, eventually, eventually_async, seen, watch_end,
};

use crate::{done, keys, put, put_leased};

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("registry");
    for round in 1..=5 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_writes-until-killed"));
        command.arg(&path);
        let writer = Background::spawn(command);
        let acknowledged = || writer.stdout().lines().filter(|line| line.starts_with("written ")).count();
        eventually(SOON, "some writes", || acknowledged() >= 20 * round);
        writer.signal(Signal::KILL);
        writer.wait_exit(SOON);
        let store = Embedded::open(&path).unwrap();
        let listing = store.list().await.unwrap();
        let log = writer.stdout();
        // The last line may be cut off.
        let whole = &log[..log.rfind('\n').unwrap()];
        for line in whole.lines().filter_map(|line| line.strip_prefix("written ")) {
            let (key, revision) = line.split_once(' ').unwrap();
            let entry = listing.entries.iter().find(|entry| entry.key == key);
            let modified = entry.unwrap_or_else(|| panic!("{key} is lost")).modified;
            assert_eq!(modified.to_string(), revision);
        }
        assert!(listing.entries.iter().all(|entry| entry.modified <= listing.revision));
    }
}

#[tokio::test]
async fn a_file_opened_again_has_everything_but_its_history() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("registry");
    let store = Embedded::open(&path).unwrap();
    let lease = store.grant(Duration::from_secs(60)).await.unwrap();
    put(&store, "a", "1").await;
    put_leased(&store, "b", lease).await;
    let last = put(&store, "a", "2").await;
    let before = store.list().await.unwrap();
    drop(store);
    let store = Embedded::open(&path).unwrap();
    let after = store.list().await.unwrap();
    assert_eq!((after.origin, after.revision, after.entries), (before.origin, last, before.entries));
    for past in [Revision(0), Revision(last.0 - 1)] {
        let error = store.watch(past).await.unwrap_err();
        assert!(matches!(error, KvError::Compacted(at) if at == last), "{error:?}");
    }
    let mut watch = store.watch(last).await.unwrap();
    let next = put(&store, "c", "3").await;
    assert_eq!(next.0, last.0 + 1, "revisions go on where they were");
    assert_eq!(changes_until(&mut watch, next).await.len(), 1);
    store.revoke(lease).await.unwrap();
    assert_eq!(keys(&store, "").await, ["a", "c"]);
}

#[tokio::test]
async fn a_locked_file_is_refused_with_its_path() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("registry");
    let store = Embedded::open(&path).unwrap();
    let error = Embedded::open(&path).err().unwrap().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("open"), "{error}");
    put(&store, "a", "still at work").await;
    drop(store);
    Embedded::open(&path).unwrap();
    let nowhere = dir.path().join("no/such/directory/registry");
    let error = Embedded::open(&nowhere).err().unwrap().to_string();
    assert!(error.contains(nowhere.to_str().unwrap()) && error.contains("No such file"), "{error}");
}

/// A damaged file is refused with its path, unless the damage hit nothing: never a panic, never half of it.
#[tokio::test]
async fn a_damaged_file_is_refused_and_never_half_read() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("registry");
    let store = Embedded::open(&path).unwrap();
    let lease = store.grant(Duration::from_secs(60)).await.unwrap();
    for chunk in 0..20 {
        done(
            &store,
            (0..100).fold(Txn::new(), |txn, i| txn.put(format!("k/{chunk}/{i}"), vec![7; 50], Some(lease))),
        )
        .await;
    }
    let whole = store.list().await.unwrap().entries;
    drop(store);
    let good = std::fs::read(&path).unwrap();
    let seed = rand::random();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut refused = 0;
    for round in 0..150 {
        std::fs::write(&path, damaged(good.clone(), round, &mut rng)).unwrap();
        match Embedded::open(&path) {
            Ok(store) => {
                assert!(store.list().await.unwrap().entries == whole, "round {round} of seed {seed}");
            }
            Err(error) => {
                assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 75, "only {refused} were refused (seed {seed})");
    for text in ["this is no registry", "\0\0\0\0", &"x".repeat(100_000)] {
        std::fs::write(&path, text).unwrap();
        let error = Embedded::open(&path).err().unwrap().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

/// Cut off, a few bytes changed here and there, or one page overwritten.
fn damaged(mut bytes: Vec<u8>, round: usize, rng: &mut StdRng) -> Vec<u8> {
    const PAGE: usize = 4096;
    match round % 3 {
        0 => bytes.truncate(rng.random_range(1..bytes.len())),
        1 => (0..50).for_each(|_| {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }),
        _ => {
            let at = rng.random_range(0..bytes.len() - PAGE);
            bytes[at..at + PAGE].fill_with(|| rng.random());
        }
    }
    bytes
}

/// A tmpfs that takes 1 MiB, in the mount namespace of a process that sleeps, and the way there from this one.
fn small_disk() -> (Background, PathBuf) {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-c", "mount -t tmpfs -o size=1m none /mnt && echo mounted && exec sleep 1000"]);
    let holder = Background::spawn(command);
    eventually(SOON, "a small disk", || holder.stdout().contains("mounted"));
    let path = PathBuf::from(format!("/proc/{}/root/mnt", holder.pid()));
    (holder, path)
}

/// redb refuses everything after one failed write until its file is opened again; that must not take a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_was_full_is_written_again_once_it_has_room() {
    let (_holder, disk) = small_disk();
    let path = disk.join("registry");
    let store = Embedded::open(&path).unwrap();
    let lease = store.grant(Duration::from_secs(60)).await.unwrap();
    put_leased(&store, "leased", lease).await;
    let last = put(&store, "a", "written").await;
    let filler = disk.join("filler");
    std::fs::write(&filler, vec![7; 2 << 20]).expect_err("the disk is full now");
    let mut watch = store.watch(last).await.unwrap();
    for attempt in 0..3 {
        let large = Txn::new().put("large", vec![7; 60_000], None).put("a", "lost", None);
        let error = store.commit(large).await.unwrap_err();
        assert!(matches!(error, KvError::Unavailable { .. }), "{attempt}: {error:?}");
    }
    assert!(watch_end(&mut watch, SOON).await.is_none(), "who watches lists again");
    // Whatever can be read is what the disk has.
    let read = async || match store.get("a").await {
        Ok(entry) => {
            assert_eq!(entry.unwrap().value, "written");
            true
        }
        Err(KvError::Unavailable { .. }) => false,
        Err(error) => panic!("{error:?}"),
    };
    read().await;
    std::fs::remove_file(&filler).unwrap();
    eventually_async(SOON, "it is read again", read).await;
    assert_eq!(put(&store, "b", "written").await.0, last.0 + 1, "nothing of what was refused is there");
    assert_eq!(keys(&store, "").await, ["a", "b", "leased"]);
    store.keep_alive(lease).await.unwrap();
    let before = store.list().await.unwrap();
    drop(store);
    let after = Embedded::open(&path).unwrap().list().await.unwrap();
    assert_eq!(
        (after.origin, after.revision, after.entries),
        (before.origin, before.revision, before.entries)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_deleted_under_a_failed_write_is_not_replaced_by_an_empty_one() {
    let (_holder, disk) = small_disk();
    let path = disk.join("registry");
    let store = Embedded::open(&path).unwrap();
    put(&store, "a", "written").await;
    std::fs::write(disk.join("filler"), vec![7; 2 << 20]).expect_err("the disk is full now");
    let kept = disk.join("kept");
    std::fs::rename(&path, &kept).unwrap();
    store.commit(Txn::new().put("large", vec![7; 60_000], None)).await.unwrap_err();
    std::fs::remove_file(disk.join("filler")).unwrap();
    let refused = async || {
        seen(store.list().await.err().map(|error| error.to_string()), |error| {
            error.as_ref().is_some_and(|error| error.contains("cannot open the registry file"))
        })
    };
    eventually_async(SOON, "every request is refused", refused).await;
    assert!(!path.exists());
    std::fs::rename(&kept, &path).unwrap();
    let back = async || store.get("a").await.is_ok_and(|entry| entry.is_some());
    eventually_async(SOON, "its file is opened again", back).await;
}

#[tokio::test]
async fn closing_ends_calls_and_watches() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("registry");
    let store = Arc::new(Embedded::open(&path).unwrap());
    let mut watch = store.watch(Revision(0)).await.unwrap();
    drop(store);
    assert!(watch.recv().await.is_none());
    Embedded::open(&path).unwrap();
}
