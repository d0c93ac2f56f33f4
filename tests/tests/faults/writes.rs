//! Others who write to etcd meanwhile: instances that come, change and go, of a job that is not held.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use roundhouse_registry::kv::{Kv, Txn};
use roundhouse_tests::{SOON, eventually_async, seen};
use tokio::task::JoinHandle;

use crate::put_job;

const JOB: &str = "busy";
/// Calls to etcd at once.
const TOGETHER: usize = 32;
const PACE: Duration = Duration::from_millis(4);

/// Writes on and on, whatever etcd says.
pub(crate) struct Writes {
    ends: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Writes {
    pub(crate) async fn begin(kv: Arc<dyn Kv>) -> Writes {
        put_job(&*kv, JOB, None, false).await;
        let (ends, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (flag, count) = (ends.clone(), done.clone());
        let task = tokio::spawn(async move {
            for n in 0.. {
                if flag.load(Relaxed) {
                    return;
                }
                // One that got lost may have been done: etcd's history knows.
                count.fetch_add(u64::from(kv.commit(write(n, 60)).await.is_ok()), Relaxed);
                tokio::time::sleep(PACE).await;
            }
        });
        Writes { ends, done, task }
    }

    /// Until more are acknowledged.
    pub(crate) async fn go_on(&self, more: u64) {
        let target = self.done.load(Relaxed) + more;
        let look = async || seen(self.done.load(Relaxed), |done| *done >= target);
        eventually_async(SOON, &format!("{more} more writes"), look).await;
    }

    /// Answers how many were acknowledged.
    pub(crate) async fn end(self) -> u64 {
        self.ends.store(true, Relaxed);
        self.task.await.unwrap();
        self.done.load(Relaxed)
    }
}

/// `count` writes as fast as etcd takes them, among so many instances.
pub(crate) async fn burst(kv: &dyn Kv, count: u64, instances: u64) {
    put_job(kv, JOB, None, false).await;
    let commits = stream::iter(0..count).map(|n| kv.commit(write(n, instances)));
    commits.buffer_unordered(TOGETHER).for_each(async |done| assert!(done.is_ok(), "{done:?}")).await;
}

/// Three puts, then a delete, of one instance after the other.
fn write(n: u64, instances: u64) -> Txn {
    let (one, round) = (n % instances, n / instances);
    let key = format!("instances/{JOB}/0a1b2c3d-0000-4000-8000-{one:012}");
    if round % 4 == 3 {
        return Txn::new().delete(key);
    }
    let value = format!(
        r#"{{"address":"10.77.{}.{}","ports":{{"main":9090}},"version":"{round}"}}"#,
        one / 250,
        1 + one % 250
    );
    Txn::new().put(key, value, None)
}
