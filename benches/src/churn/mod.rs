//! Changes at a steady rate, each a commit of its own: instances that come, move, say farewell and go.

mod mix;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use roundhouse_registry::Kv;
use roundhouse_registry::kv::Txn;
use roundhouse_registry::kv::etcd::{Etcd, Options};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

pub use self::mix::Mix;
use crate::instance_key;

/// How often the rate is caught up with.
const STEP: Duration = Duration::from_millis(1);
/// Commits under way: etcd's disk may be slow for a moment, but nothing may pile up.
const AT_ONCE: usize = 256;

/// An instance that comes and goes. `addresses`: where it comes, and where it moves to.
pub struct Slot {
    key: String,
    addresses: [SocketAddr; 2],
}

impl Slot {
    pub fn new(job: &str, n: usize, addresses: [SocketAddr; 2]) -> Slot {
        Slot { key: instance_key(job, n), addresses }
    }

    /// Where nobody listens.
    pub fn idle(job: &str, n: usize) -> Slot {
        let [a, b] = [1, 2].map(|net| SocketAddr::from(([10, net, (n >> 8) as u8, n as u8], 9_999)));
        Slot::new(job, n, [a, b])
    }

    /// Four changes are a life. Like a registrar it says farewell first: a departure without one is a matter for the
    /// hold, which would keep a third of these instances.
    fn change(&self, turn: usize) -> Txn {
        let record = |address: SocketAddr, state: &str| {
            let (ip, port) = (address.ip(), address.port());
            format!(r#"{{"address":"{ip}","ports":{{"main":{port},"web":{port}}},"state":"{state}"}}"#)
        };
        let [first, second] = self.addresses;
        match turn % 4 {
            0 => Txn::new().put(self.key.as_str(), record(first, "up"), None),
            1 => Txn::new().put(self.key.as_str(), record(second, "up"), None),
            2 => Txn::new().put(self.key.as_str(), record(second, "draining"), None),
            _ => Txn::new().delete(self.key.as_str()),
        }
    }
}

pub struct Churn {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    began: Instant,
    thread: JoinHandle<()>,
}

impl Churn {
    /// `rate` changes a second, each slot in its turn, from a thread of its own. Slots must be at least a few hundred:
    /// two changes of one slot must not be under way at once.
    pub fn start(options: Options, rate: u32, slots: Vec<Slot>) -> Churn {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (stop.clone(), done.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let kv: Arc<dyn Kv> = Arc::new(Etcd::new(options));
            runtime.expect("a runtime").block_on(run(kv, rate, slots, stopped, counted));
        });
        Churn { stop, done, began: Instant::now(), thread }
    }

    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// The rate that etcd really took.
    pub fn stop(self) -> f64 {
        let rate = self.done() as f64 / self.began.elapsed().as_secs_f64();
        self.stop.store(true, Relaxed);
        self.thread.join().expect("every change was taken");
        rate
    }
}

async fn run(kv: Arc<dyn Kv>, rate: u32, slots: Vec<Slot>, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut step = tokio::time::interval(STEP);
    step.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let began = Instant::now();
    let mut sent = 0;
    while !stop.load(Relaxed) {
        step.tick().await;
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as usize;
        while sent < due {
            let place = room.clone().acquire_owned().await.expect("it is never closed");
            let (kv, done) = (kv.clone(), done.clone());
            let change = slots[sent % slots.len()].change(sent / slots.len());
            tokio::spawn(async move {
                kv.commit(change).await.expect("etcd takes it");
                done.fetch_add(1, Relaxed);
                drop(place);
            });
            sent += 1;
        }
    }
    // The last ones.
    let _all = room.acquire_many(AT_ONCE as u32).await;
}
