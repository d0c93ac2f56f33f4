//! Row 6: what 1,000 changes a second do to those who are served meanwhile; beside it, what reloads do to nginx's.
//!
//! The proxy has core 0 for itself; wrk, the backend, etcd and whoever writes to it share core 1. Without changes etcd
//! takes the same writes under a prefix that the gateway does not follow, so that core 1 has the same to do and only
//! the gateway's part differs.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use roundhouse_benches::churn::{Churn, Mix};
use roundhouse_benches::{Nginx, PREFIX, Samples, edit, fill, process, wrk};
use roundhouse_tests::{Etcd, Gateway, Loopback, ZONE};

use crate::options::Options;
use crate::report::{Figure, Report};
use crate::world::runtime;

const RATE: u32 = 1_000;
const ROUNDS: usize = 3;
const CONNECTIONS: usize = 64;
const JOB: &str = "served";
const BACKEND: u16 = 7_201;
const ELSEWHERE: &str = "/elsewhere/v1";
/// Between runs, so that what one leaves behind is not the next one's.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) fn run(options: &Options, report: &mut Report) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let own = std::process::id();
    if cores > 1 {
        process::pin(own, "1");
    }
    let time = options.seconds(5);
    gateway(time, cores, report);
    nginx(time, cores, report);
    if cores > 1 {
        process::pin(own, &format!("0-{}", cores - 1));
    }
    let place = if cores > 1 { "the proxy alone on core 0, all else on core 1" } else { "all on one core" };
    report.note(
        6,
        format!("{place}; one worker each, wrk -t1 -c64, 30-byte answers, A B A B A B of {time:?} each"),
    );
}

/// One kind of run, all its rounds.
#[derive(Default)]
struct Rounds {
    a_second: Samples,
    p99: Samples,
    failed: f64,
    requests: f64,
    /// Microseconds of the worker's CPU a request.
    cpu: Samples,
}

impl Rounds {
    fn add(&mut self, load: &wrk::Load, cpu: Duration) {
        self.a_second.push(load.a_second);
        self.p99.push(load.p99_ms);
        self.cpu.push(cpu.as_secs_f64() * 1e6 / load.requests);
        self.failed += load.failed;
        self.requests += load.requests;
    }
}

fn gateway(time: Duration, cores: usize, report: &mut Report) {
    let runtime = runtime();
    let etcd = Etcd::running();
    let mut gateway = Gateway::prepared(&etcd.url(), "");
    edit(&gateway, "count = 2", "count = 1");
    let mix = Mix::new(JOB, &gateway.net, BACKEND);
    let _backend = Nginx::backend(&mix.backends);
    runtime.block_on(async { fill(etcd.kv(PREFIX).await, mix.records()).await });
    gateway.run();
    let pid = gateway.process().pid();
    if cores > 1 {
        process::pin(pid, "0");
    }
    gateway.vip(JOB);
    let host = format!("{JOB}.{ZONE}");
    wrk::load(gateway.http(), &host, CONNECTIONS, Duration::from_secs(1));

    let [mut calm, mut busy] = [(); 2].map(|()| Rounds::default());
    let (mut control, mut changes) = (Duration::ZERO, 0);
    for _ in 0..ROUNDS {
        for (prefix, rounds) in [(ELSEWHERE, &mut calm), (PREFIX, &mut busy)] {
            let churn = Churn::start(etcd.options(prefix), RATE, mix.slots());
            std::thread::sleep(SETTLE);
            let workers = process::named_cpu(pid, "worker-");
            let (own, done) = (process::control_cpu(pid), churn.done());
            let load = wrk::load(gateway.http(), &host, CONNECTIONS, time);
            rounds.add(&load, process::named_cpu(pid, "worker-") - workers);
            if prefix == PREFIX {
                control += process::control_cpu(pid) - own;
                changes += churn.done() - done;
            }
            churn.stop();
            std::thread::sleep(SETTLE);
        }
    }
    figures("gateway", "1,000 changes/s", &calm, &busy, report);
    let share = control.as_secs_f64() * 100.0 / (time.as_secs_f64() * ROUNDS as f64);
    report.note(
        6,
        format!("gateway: the control thread, on the same core, had {share:.1} % of it during the changes"),
    );
    let ratio = busy.cpu.median() / calm.cpu.median();
    report
        .add(Figure::single(6, "  worker CPU a request, changes to none", "x", ratio, ROUNDS).at_most(1.02));
    let a_change = control.as_secs_f64() * 1e6 / changes as f64;
    report.add(
        Figure::single(6, "  control thread, CPU a change while serving", "us", a_change, changes as usize)
            .at_most(40.0),
    );
}

fn nginx(time: Duration, cores: usize, report: &mut Report) {
    let net = Loopback::take();
    let backends = Mix::new(JOB, &net, BACKEND).backends;
    let _backend = Nginx::backend(&backends);
    let listen = SocketAddr::new(net.gateway(), 8080);
    let proxy = Nginx::proxy(listen, &backends[..2]);
    if cores > 1 {
        // Workers that a reload starts have their affinity from the master.
        process::pin(proxy.pid(), "0");
        proxy.reload();
    }
    wrk::load(listen, JOB, CONNECTIONS, Duration::from_secs(1));

    let [mut calm, mut busy] = [(); 2].map(|()| Rounds::default());
    for _ in 0..ROUNDS {
        for (reloads, rounds) in [(false, &mut calm), (true, &mut busy)] {
            let over = AtomicBool::new(false);
            let load = std::thread::scope(|scope| {
                scope.spawn(|| {
                    while reloads && !over.load(Relaxed) {
                        proxy.reload();
                        std::thread::park_timeout(Duration::from_secs(1));
                    }
                });
                let load = wrk::load(listen, JOB, CONNECTIONS, time);
                over.store(true, Relaxed);
                load
            });
            rounds.add(&load, Duration::ZERO);
            std::thread::sleep(SETTLE);
        }
    }
    figures("nginx", "a reload a second", &calm, &busy, report);
    report.note(
        6,
        "nginx: `-s reload` is SIGHUP; it closes kept connections, which wrk opens again and counts or not",
    );
}

fn figures(who: &str, what: &str, calm: &Rounds, busy: &Rounds, report: &mut Report) {
    let (quiet, loud) = (calm.a_second.median(), busy.a_second.median());
    report.add(Figure::new(6, format!("{who}: requests a second, none"), "1/s", &calm.a_second));
    report.add(Figure::new(6, format!("{who}: requests a second, {what}"), "1/s", &busy.a_second));
    let ratio = Figure::single(6, format!("{who}: {what} to none"), "x", loud / quiet, ROUNDS);
    let failed = calm.failed + busy.failed;
    let requests = (calm.requests + busy.requests) as usize;
    let failed = Figure::single(6, format!("{who}: failed requests"), "", failed, requests);
    if who == "gateway" {
        report.add(ratio.at_least(0.98));
        report.add(failed.at_most(0.0));
    } else {
        report.add(ratio);
        report.add(failed);
    }
    report.note(
        6,
        format!(
            "{who}: p99 latency {:.2} ms with none, {:.2} ms with {what} (medians of {ROUNDS})",
            calm.p99.median(),
            busy.p99.median()
        ),
    );
}
