//! Row 4: what a reader pays.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, Cache};
use roundhouse::access_log::AccessLog;
use roundhouse::phase::Phase;
use roundhouse::plane::{Context, Plane};
use roundhouse::table::{Table, Tried};
use roundhouse_benches::{Samples, facts, snapshot};
use roundhouse_registry::{Revision, Snapshot};
use tokio::sync::{mpsc, watch};

use crate::options::Options;
use crate::report::{Figure, Report};

/// Nanoseconds.
const AIM: f64 = 10.0;
const ROUNDS: usize = 5;

pub(crate) fn run(options: &Options, report: &mut Report) {
    let facts = facts();
    let held: Snapshot = snapshot(1_000, 100);
    let table = Table::build(&facts, &held, &Table::empty(&facts), &mut || 0);
    let swap = Arc::new(ArcSwap::from_pointee(table.clone()));
    let (loads, lookups) = (options.times(100_000_000), options.times(5_000_000));

    let mut cache = Cache::new(swap.clone());
    let cached = time(loads, || cache.load().revision);
    report.add(Figure::new(4, "a table load (arc_swap::Cache)", "ns", &cached).at_most(AIM));
    let context = Context::new(plane(swap.clone()), 0);
    let looked = time(loads, || context.look(|table| table.revision));
    report.add(Figure::new(4, "a worker's look (Context::look)", "ns", &looked).at_most(AIM));
    let loaded = time(loads / 10, || swap.load().revision);
    report.add(Figure::new(4, "a table load without a cache (ArcSwap)", "ns", &loaded));
    let written = while_replaced(loads / 10, &swap);
    report.add(Figure::new(4, "a worker's look while the table is replaced 1,000 times/s", "ns", &written));

    let name = time(lookups, || table.resolve(black_box("app500.jobs.coding.net")).is_some());
    report.add(Figure::new(4, "resolve a name among 1,000 jobs", "ns", &name));
    let port = table.job("app500").expect("it is there").ports[0].clone();
    let tried = Tried::default();
    let picked = time(lookups, || port.endpoints().pick(0, &tried).is_some());
    report.add(Figure::new(4, "pick one of 100 endpoints", "ns", &picked));
    report.note(
        4,
        format!("{loads} loads, {lookups} lookups a round, {ROUNDS} rounds; the loop is in the figure"),
    );
}

/// Nanoseconds a call, each round one value.
fn time<T>(calls: usize, mut call: impl FnMut() -> T) -> Samples {
    (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..calls {
                black_box(call());
            }
            began.elapsed().as_nanos() as f64 / calls as f64
        })
        .collect()
}

/// Readers are not locked out by a writer, and do not wait for it: they only find another table now and then.
fn while_replaced(calls: usize, swap: &Arc<ArcSwap<Table>>) -> Samples {
    let context = Context::new(plane(swap.clone()), 0);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = swap.clone();
    let writing = std::thread::spawn(move || {
        let mut revision = 1;
        while stopped
            .recv_timeout(std::time::Duration::from_millis(1))
            .is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            revision += 1;
            writer.store(Arc::new(writer.load().at(Revision(revision))));
        }
    });
    let samples = time(calls, || context.look(|table| table.revision));
    drop(stop);
    writing.join().expect("it does not panic");
    samples
}

fn plane(table: Arc<ArcSwap<Table>>) -> Plane {
    let (failures, _) = mpsc::unbounded_channel();
    let limits = Arc::default();
    Plane {
        certificates: Arc::default(),
        https_port: Arc::default(),
        table,
        limits,
        counters: vec![Arc::default()],
        phase: watch::channel(Phase::Serving).1,
        capacity: Arc::default(),
        fast_open: false,
        originations: Arc::default(),
        access: Arc::default(),
        access_log: AccessLog::default(),
        failures,
    }
}
