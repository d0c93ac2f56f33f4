use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use roundhouse_registry::kv::embedded::Embedded;
use roundhouse_registry::kv::{
    Commit, Entry, Kv, KvError, LeaseId, Listing, Pending, Revision, Source, Txn, Watch,
};
use tempfile::TempDir;

use super::super::{Contents, ImportError, Mode, Options, import};
use super::{contents, entry, leased, some};

/// A real store whose way is cut after a number of transactions, before or after the last one was taken.
struct Cut {
    store: Arc<Embedded>,
    left: AtomicUsize,
    taken: bool,
    most: AtomicUsize,
}

fn away() -> KvError {
    KvError::Unavailable { store: "test".into(), reason: "cut".into() }
}

impl Source for Cut {
    fn name(&self) -> String {
        self.store.name()
    }

    fn list(&self) -> Pending<'_, Listing> {
        self.store.list()
    }

    fn watch(&self, after: Revision) -> Pending<'_, Watch> {
        self.store.watch(after)
    }

    fn newest(&self) -> Pending<'_, Revision> {
        self.store.newest()
    }
}

impl Kv for Cut {
    fn range<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Entry>> {
        self.store.range(prefix)
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Entry>> {
        self.store.get(key)
    }

    fn commit(&self, txn: Txn) -> Pending<'_, Commit> {
        Box::pin(async move {
            self.most.fetch_max(txn.then.len(), Ordering::Relaxed);
            if self.left.load(Ordering::Relaxed) == 0 {
                if self.taken {
                    self.store.commit(txn).await?;
                }
                return Err(away());
            }
            self.left.fetch_sub(1, Ordering::Relaxed);
            self.store.commit(txn).await
        })
    }

    fn grant(&self, ttl: Duration) -> Pending<'_, LeaseId> {
        self.store.grant(ttl)
    }

    fn keep_alive(&self, lease: LeaseId) -> Pending<'_, ()> {
        self.store.keep_alive(lease)
    }

    fn revoke(&self, lease: LeaseId) -> Pending<'_, ()> {
        self.store.revoke(lease)
    }
}

fn store() -> (TempDir, Arc<Embedded>) {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(&folder.path().join("registry.redb")).unwrap();
    (folder, Arc::new(store))
}

fn many() -> Contents {
    let mut entries = some();
    for n in 0..1_000 {
        entries.push(entry(&format!("jobs/job-{n}"), &format!(r#"{{"jobname":"job.job-{n}"}}"#)));
        let id = format!("0a1b2c3d-0000-4000-8000-{n:012}");
        let key = format!("instances/job-{n}/{id}");
        let (host, port) = (n % 250, 1000 + n);
        entries.push(leased(
            &key,
            &format!(r#"{{"address":"10.0.1.{host}","ports":{{"main":{port}}}}}"#),
            n + 100,
        ));
        entries.push(leased(&format!("addresses/tcp/10.0.1.{host}:{port}"), &key, n + 100));
    }
    contents(entries)
}

async fn records(kv: &dyn Kv) -> Vec<(String, bytes::Bytes, bool)> {
    let entries = kv.list().await.unwrap().entries;
    entries.into_iter().map(|entry| (entry.key, entry.value, entry.lease.is_some())).collect()
}

fn of(contents: &Contents) -> Vec<(String, bytes::Bytes, bool)> {
    let entries = contents.entries.iter();
    entries.map(|entry| (entry.key.clone(), entry.value.clone(), entry.lease.is_some())).collect()
}

#[tokio::test]
async fn an_import_that_is_cut_off_says_where_it_stands_and_goes_on_when_it_is_run_again() {
    let file = many();
    for taken in [false, true] {
        let (_folder, store) = store();
        let cut = Cut { store: store.clone(), left: AtomicUsize::new(0), taken, most: AtomicUsize::new(0) };
        let mut rounds = 0;
        let report = loop {
            cut.left.store(7, Ordering::Relaxed);
            match import(&cut, &file, Options::default(), 0, |_| {}).await {
                Ok(report) => break report,
                Err(error @ ImportError::Interrupted { .. }) => {
                    let said = error.to_string();
                    assert!(
                        said.contains("run the import again") && said.contains("records are written"),
                        "{said}"
                    );
                }
                Err(error) => panic!("{error}"),
            }
            rounds += 1;
            assert!(rounds < 10);
        };
        assert!(rounds >= 3, "3,006 records are 24 transactions or more");
        assert_eq!(cut.most.load(Ordering::Relaxed), 128);
        assert_eq!(records(&*store).await, of(&file));
        assert!(report.total().equal > 0);
        // Once more: nothing to do.
        let again = import(&cut, &file, Options::default(), 0, |_| {}).await.unwrap();
        assert!(!again.changes());
    }
}

#[tokio::test]
async fn everything_leased_is_under_one_lease_of_the_grace() {
    let (_folder, store) = store();
    let file = many();
    let options = Options { grace: "5s".parse().unwrap(), ..Options::default() };
    import(&*store, &file, options, 0, |_| {}).await.unwrap();
    let leases: std::collections::BTreeSet<_> =
        store.list().await.unwrap().entries.iter().filter_map(|entry| entry.lease).collect();
    assert_eq!(leases.len(), 1);
}

#[tokio::test]
async fn a_dry_run_and_a_refusal_write_nothing() {
    let (_folder, store) = store();
    let file = contents(some());
    let dry = Options { dry_run: true, ..Options::default() };
    let report = import(&*store, &file, dry, 0, |_| {}).await.unwrap();
    assert!(report.changes() && report.total().create == 6);
    assert_eq!(records(&*store).await, []);

    store.commit(Txn::new().put("jobs/other", "{}", None)).await.unwrap();
    let before = store.list().await.unwrap();
    for mode in [Mode::Fresh] {
        let error =
            import(&*store, &file, Options { mode, ..Options::default() }, 0, |_| {}).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains("jobs/other") && said.contains("--merge"), "{said}");
    }
    assert_eq!(store.list().await.unwrap().revision, before.revision);
}

#[tokio::test]
async fn large_values_are_split_by_bytes() {
    let big = format!("\"{}\"", "x".repeat(60_000));
    let entries: Vec<_> = (0..100).map(|n| entry(&format!("kv/{n:03}"), &big)).collect();
    let (_folder, store) = store();
    import(&*store, &contents(entries), Options::default(), 0, |_| {}).await.unwrap();
    // 17 of them are a MiB.
    assert_eq!(store.list().await.unwrap().revision, Revision(6));
}

#[test]
fn a_grace_has_bounds() {
    let grace = |text: &str| text.parse::<super::super::Grace>();
    assert_eq!(grace("2m").unwrap().to_string(), "2m");
    assert!(grace("1s").unwrap_err().contains("write 5s to 1h"), "{:?}", grace("1s"));
    assert!(grace("2h").is_err() && grace("x").is_err());
}
