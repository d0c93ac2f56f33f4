//! Many records at once.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use roundhouse_registry::Kv;
use roundhouse_registry::kv::embedded::Embedded;
use roundhouse_registry::kv::{Commit, Txn};
use tokio::task::JoinSet;

/// A transaction takes 128 operations.
const TOGETHER: usize = 128;
const AT_ONCE: usize = 4;

/// Many puts, as many in a transaction as etcd takes.
pub async fn fill(kv: Arc<dyn Kv>, puts: Vec<(String, String)>) {
    let mut txns: VecDeque<Txn> = puts
        .chunks(TOGETHER)
        .map(|some| {
            some.iter().fold(Txn::new(), |txn, (key, value)| txn.put(key.as_str(), value.clone(), None))
        })
        .collect();
    let mut running = JoinSet::new();
    while !txns.is_empty() || !running.is_empty() {
        while running.len() < AT_ONCE
            && let Some(txn) = txns.pop_front()
        {
            let kv = kv.clone();
            running.spawn(async move { kv.commit(txn).await.expect("the registry takes it") });
        }
        let done = running.join_next().await.expect("one runs").expect("it does not panic");
        assert!(matches!(done, Commit::Done(_)));
    }
}

/// The same in the embedded registry of a gateway that does not run yet.
pub fn fill_embedded(data_dir: &Path, puts: Vec<(String, String)>) {
    std::fs::create_dir_all(data_dir).expect("the folder is ours");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Embedded::open(&data_dir.join("registry.redb")).expect("a new file");
        fill(Arc::new(store), puts).await;
    });
}
