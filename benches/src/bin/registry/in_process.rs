//! Row 1 without a gateway: a follower and a table in this process, and the watch alone, to see where the time goes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use roundhouse_benches::{PREFIX, Samples, process};
use roundhouse_registry::kv::Event;
use roundhouse_registry::kv::etcd::Etcd as EtcdKv;
use roundhouse_registry::{Follower, Kv, Source as _};
use roundhouse_tests::Etcd;

use crate::options::Options;
use crate::plane::Plane;
use crate::probe::{JOB, place};
use crate::report::{Figure, Report};
use crate::routable::{RATE, pause, signed_ms};

/// The same without a socket behind etcd: Follower, publish, the table's refresh.
pub(crate) async fn run(options: &Options, etcd: &Etcd, kv: &dyn Kv, report: &mut Report) {
    let (seen_out, seen) = mpsc::channel();
    let source = etcd.options(PREFIX);
    let (thread_out, thread) = mpsc::channel();
    let follower = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _ = thread_out.send(process::own_thread());
        runtime.block_on(follow(Arc::new(EtcdKv::new(source)), &seen_out));
    });
    let thread = thread.recv().expect("it started");
    let cpu_before = process::thread_cpu(std::process::id(), thread);
    let began = Instant::now();
    let end = began + options.seconds(8);
    let (mut to_table, mut turn) = (Samples::default(), 0_u8);
    while Instant::now() < end {
        pause().await;
        turn = 1 - turn;
        let backend = [10, 9, 9, turn + 1];
        let (_, acknowledged) = place(kv, backend.into()).await;
        loop {
            let (address, at) = seen.recv_timeout(Duration::from_secs(10)).expect("the move is seen");
            if address.ip() == IpAddr::from(backend) {
                to_table.push(signed_ms(acknowledged, at));
                break;
            }
        }
    }
    let cpu = process::thread_cpu(std::process::id(), thread) - cpu_before;
    let changes = began.elapsed().as_secs_f64() * f64::from(RATE);
    report.add(Figure::new(
        1,
        "in process: acknowledgement -> table (Follower, no gateway)",
        "ms",
        &to_table,
    ));
    let a_change = cpu.as_secs_f64() * 1e6 / changes;
    report.add(Figure::single(
        1,
        "in process: Follower and table, CPU a change",
        "us",
        a_change,
        changes as usize,
    ));
    drop(seen);
    // It notices at the next move that nobody listens to it.
    place(kv, [10, 9, 9, 3].into()).await;
    follower.join().expect("it does not panic");
}

/// What of the CPU above is etcd's protocol: the same changes, received and thrown away.
pub(crate) fn watch_alone(options: &Options, etcd: &Etcd, report: &mut Report) {
    let (span, source) = (options.seconds(4), etcd.options(PREFIX));
    let watcher = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let kv = EtcdKv::new(source);
            let at = kv.list().await.expect("etcd runs").revision;
            let mut watch = kv.watch(at).await.expect("etcd runs");
            let (end, mut changes) = (tokio::time::Instant::now() + span, 0);
            let thread = process::own_thread();
            let cpu = process::thread_cpu(std::process::id(), thread);
            while let Ok(Some(event)) = tokio::time::timeout_at(end, watch.recv()).await {
                if let Event::Batch(batch) = event.expect("etcd runs") {
                    changes += batch.changes.len();
                }
            }
            (process::thread_cpu(std::process::id(), thread) - cpu, changes)
        })
    });
    let (cpu, changes) = watcher.join().expect("it does not panic");
    let a_change = cpu.as_secs_f64() * 1e6 / changes as f64;
    report.add(Figure::single(1, "in process: the watch alone, CPU a change", "us", a_change, changes));
}

/// Says where the probed instance is whenever that changes, until nobody listens.
async fn follow(source: Arc<dyn Kv>, seen: &Sender<(SocketAddr, Instant)>) {
    let follower = Follower::start(source).await.expect("etcd runs");
    let store = follower.store();
    let mut changes = store.changes();
    let mut plane = Plane::first(store.load());
    tokio::spawn(follower.run());
    let mut last = plane.address(JOB, 0);
    while changes.changed().await.is_ok() {
        plane.take(store.load());
        let now = plane.address(JOB, 0);
        if now != last
            && let Some(address) = now
        {
            last = now;
            if seen.send((address, Instant::now())).is_err() {
                return;
            }
        }
    }
}
