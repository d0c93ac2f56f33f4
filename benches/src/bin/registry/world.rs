//! A large registry in a real etcd, filled once and shared by the rows that need it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roundhouse_benches::{PREFIX, edit, fill, instance_key, job_record};
use roundhouse_registry::Kv;
use roundhouse_registry::kv::etcd::Options;
use roundhouse_tests::{Etcd, Gateway, eventually};
use tokio::runtime::Runtime;

pub(crate) const JOBS: usize = 1_000;
/// Instances a job, when the world is whole: 100,000 in all.
pub(crate) const EACH: usize = 100;

/// Far from the prefixes that tests and a default gateway use: a job has its VIP already when a gateway starts here.
const VIPS: &str = "127.98.0.0/16";

/// 1,000 jobs, each with a VIP and without a check, and up to 100 instances each.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    etcd: Option<Etcd>,
    each: usize,
}

impl World {
    /// Empty, and not started before somebody needs it.
    pub(crate) fn new() -> World {
        World { runtime: runtime(), etcd: None, each: 0 }
    }

    /// Grows to so many instances a job. How long that took, in seconds.
    pub(crate) fn grow(&mut self, each: usize) -> f64 {
        let began = Instant::now();
        let mut puts = Vec::new();
        if self.etcd.is_none() {
            self.etcd = Some(Etcd::running());
            for n in 0..JOBS {
                puts.push((format!("jobs/app{n}"), job_record(&format!("app{n}"))));
                puts.push((format!("vips/app{n}"), format!(r#"{{"offset":{}}}"#, n + 1)));
                puts.push((format!("vip-owners/{}", n + 1), format!(r#"{{"job":"app{n}"}}"#)));
            }
        }
        for n in self.each * JOBS..each * JOBS {
            puts.push((instance_key(&format!("app{}", n % JOBS), n), instance_record(n)));
        }
        self.each = self.each.max(each);
        self.runtime.block_on(async { fill(self.kv().await, puts).await });
        began.elapsed().as_secs_f64()
    }

    pub(crate) fn instances(&self) -> usize {
        JOBS * self.each
    }

    /// A connection of its own.
    pub(crate) async fn kv(&self) -> Arc<dyn Kv> {
        self.etcd().kv(PREFIX).await
    }

    pub(crate) fn etcd_options(&self) -> Options {
        self.etcd().options(PREFIX)
    }

    /// A gateway that was not started yet, with all of its VIPs in its own prefix.
    pub(crate) fn gateway(&self) -> Gateway {
        let gateway = Gateway::prepared(&self.etcd().url(), "");
        edit(&gateway, &gateway.net.vips(), VIPS);
        gateway
    }

    fn etcd(&self) -> &Etcd {
        self.etcd.as_ref().expect("the world was grown")
    }
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("two threads")
}

/// As job-init writes it; nobody listens there.
pub(crate) fn instance_record(n: usize) -> String {
    format!(
        r#"{{"address":"10.{}.{}.{}","ports":{{"main":{},"web":8080}},"host":"core-app-{n}","line":"telecom",
            "version":"59559fd","started":1767225600}}"#,
        n >> 16 & 255,
        n >> 8 & 255,
        n & 255,
        10_000 + n % 50_000,
    )
}

/// Until the gateway has its snapshot on disk: what the start needed is done then. Answers where it is.
pub(crate) fn saved(gateway: &Gateway) -> PathBuf {
    let file = gateway.config().with_file_name("data").join("snapshot.jsonl");
    eventually(Duration::from_secs(30), "the snapshot is saved", || file.exists());
    file
}
