//! Row 1: from etcd's acknowledgement of a put to the first answer of the new instance, at 1,000 changes a second.

use std::time::{Duration, Instant};

use roundhouse_benches::churn::{Churn, Slot};
use roundhouse_benches::{PREFIX, Samples, fill, job_record, process};
use roundhouse_registry::Kv;
use roundhouse_tests::{Etcd, Gateway};

use crate::in_process;
use crate::options::Options;
use crate::probe::{Probe, Way};
use crate::report::{Figure, Report};
use crate::world::runtime;

pub(crate) const RATE: u32 = 1_000;
const JOBS: usize = 100;
const EACH: usize = 10;
/// Milliseconds.
const AIM: f64 = 10.0;
/// Microseconds of the control thread, from performance.md.
const CONTROL: f64 = 40.0;

pub(crate) fn run(options: &Options, report: &mut Report) {
    let runtime = runtime();
    let etcd = Etcd::running();
    let kv = runtime.block_on(async {
        let kv = etcd.kv(PREFIX).await;
        let jobs = (0..JOBS).map(|n| (format!("jobs/load{n}"), job_record(&format!("load{n}"))));
        fill(kv.clone(), jobs.chain(Probe::records()).collect()).await;
        kv
    });
    let churn = Churn::start(etcd.options(PREFIX), RATE, slots());
    runtime.block_on(through_a_gateway(options, &etcd, &*kv, &churn, report));
    runtime.block_on(in_process::run(options, &etcd, &*kv, report));
    in_process::watch_alone(options, &etcd, report);
    let rate = churn.stop();
    report
        .add(Figure::single(1, "changes a second that etcd took meanwhile", "1/s", rate, 1).at_least(950.0));
}

/// A life is four changes: with 1,000 slots each comes and goes every four seconds.
fn slots() -> Vec<Slot> {
    (0..JOBS * EACH).map(|n| Slot::idle(&format!("load{}", n % JOBS), n)).collect()
}

async fn through_a_gateway(options: &Options, etcd: &Etcd, kv: &dyn Kv, churn: &Churn, report: &mut Report) {
    let gateway = Gateway::on(&etcd.url());
    let mut probe = Probe::start(&gateway);
    // The first ones find new connections and cold caches.
    for way in [Way::Name, Way::Vip, Way::Name, Way::Vip] {
        probe.go(kv, way).await;
    }
    let pid = gateway.process().pid();
    let (cpu, changes) = (process::control_cpu(pid), churn.done());
    let end = Instant::now() + options.seconds(25);
    let mut ways = [(Way::Name, Timing::default()), (Way::Vip, Timing::default())];
    while Instant::now() < end {
        for (way, timing) in &mut ways {
            pause().await;
            let moved = probe.go(kv, *way).await;
            timing.acknowledged.push(signed_ms(moved.acknowledged, moved.routable));
            timing.sent.push(signed_ms(moved.sent, moved.routable));
            timing.gap.push(ms(moved.gap));
        }
    }
    let own = ways.iter().map(|(_, timing)| timing.sent.count()).sum::<usize>();
    let changes = churn.done() - changes + own as u64;
    let cpu = process::control_cpu(pid) - cpu;

    for (way, timing) in &ways {
        let (way, gap) = match way {
            Way::Name => ("request by name", timing.gap.median()),
            Way::Vip => ("connection to the VIP", timing.gap.median()),
        };
        report.add(
            Figure::new(
                1,
                format!("put -> routable, {way}: from the acknowledgement"),
                "ms",
                &timing.acknowledged,
            )
            .p99_at_most(AIM),
        );
        report.add(Figure::new(
            1,
            format!("put -> routable, {way}: from before the put"),
            "ms",
            &timing.sent,
        ));
        report
            .note(1, format!("{way}: looked for every {gap:.2} ms (median); a figure is late by up to that"));
    }
    let a_change = cpu.as_secs_f64() * 1e6 / changes as f64;
    report.add(
        Figure::single(1, "gateway's control thread, CPU a change", "us", a_change, changes as usize)
            .at_most(CONTROL),
    );
    report.note(
        1,
        "the control thread's CPU has in it the watch, decoding, apply, table, publish, and saving's start",
    );
}

#[derive(Default)]
struct Timing {
    acknowledged: Samples,
    sent: Samples,
    gap: Samples,
}

/// At no fixed distance from the last publish: publishes come every 5 ms, and a probe that always begins right after one
/// would measure that.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_micros(rand::random_range(0..10_000))).await;
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The watch may well be faster than the answer to who wrote.
pub(crate) fn signed_ms(from: Instant, to: Instant) -> f64 {
    if to >= from { ms(to - from) } else { -ms(from - to) }
}
