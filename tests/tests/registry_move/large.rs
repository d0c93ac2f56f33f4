use std::sync::Arc;

use roundhouse_registry::kv::embedded::Embedded;
use roundhouse_registry::{Kv, Revision};
use roundhouse_tests::{Background, Etcd, SOON, Signal, TempDir, eventually_async, programs};

use crate::{embedded, etcd, fill, ok, text};

const ENTRIES: usize = 5_000;

/// A data directory with many records.
async fn large(folder: &TempDir) {
    let kv: Arc<dyn Kv> = Arc::new(Embedded::open(&folder.path().join("registry.redb")).unwrap());
    let record = |n| (format!("jobs/job-{n}"), format!(r#"{{"jobname":"job.job-{n}"}}"#));
    fill(&kv, (0..ENTRIES).map(record)).await;
}

async fn revision(store: &Etcd) -> Revision {
    store.kv(crate::PREFIX).await.list().await.unwrap().revision
}

#[tokio::test]
async fn five_thousand_entries_are_forty_transactions() {
    let (folder, store) = (TempDir::new().unwrap(), Etcd::running());
    large(&folder).await;
    let file = folder.path().join("all.jsonl");
    ok(&["export", text(&file), "--data-dir", text(folder.path())]);
    let before = revision(&store).await;
    let said = ok(&["import", text(&file), "--registry", &store.url()]);
    assert!(said.out.contains("5000"), "{said:?}");
    // etcd takes 128 operations in one; each is one revision.
    assert_eq!(revision(&store).await.0 - before.0, 40);
    assert_eq!(etcd(&store).await, embedded(folder.path()).await);
}

#[tokio::test]
async fn an_import_that_is_killed_in_the_middle_is_completed_by_the_next() {
    let (folder, store) = (TempDir::new().unwrap(), Etcd::running());
    large(&folder).await;
    let file = folder.path().join("all.jsonl");
    ok(&["export", text(&file), "--data-dir", text(folder.path())]);
    let mut command = programs::roundhouse();
    command.args(["registry", "import", text(&file), "--registry", &store.url()]);
    let kv = store.kv(crate::PREFIX).await;
    let before = revision(&store).await;
    let import = Background::spawn(command);
    eventually_async(SOON, "the first transaction is there", async || {
        kv.get("jobs/job-0").await.unwrap().is_some()
    })
    .await;
    import.signal(Signal::KILL);
    import.wait_exit(SOON);
    let middle = revision(&store).await.0 - before.0;
    assert!((1..40).contains(&middle), "killed after {middle} of 40 transactions");
    ok(&["import", text(&file), "--registry", &store.url()]);
    assert_eq!(etcd(&store).await, embedded(folder.path()).await);
    assert_eq!(revision(&store).await.0 - before.0, 40, "nothing was written twice");
}
