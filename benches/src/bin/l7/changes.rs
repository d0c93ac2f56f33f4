//! Row 13: what 1,000 changes a second do to those who are served meanwhile; beside it, what reloads do to nginx's.
//!
//! Without changes etcd takes the same writes under a prefix that the gateway does not follow, so that core 1 has the
//! same to do and only the gateway's part differs.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use roundhouse_benches::churn::{Churn, Mix};
use roundhouse_benches::compare::{Comparison, Skipped, Stage, Who};
use roundhouse_benches::load::HOST;
use roundhouse_benches::wrk::{self, Load};
use roundhouse_benches::{Nginx, PREFIX, Samples, domain_record, fill, prepared, process};
use roundhouse_tests::{Etcd, Loopback};

const ROW: u8 = 13;
const RATE: u32 = 1_000;
const CONNECTIONS: usize = 64;
const JOB: &str = "served";
const BACKEND: u16 = 7_500;
const LISTEN: u16 = 7_600;
const ELSEWHERE: &str = "/elsewhere/v1";
/// Until the changes come steadily.
const SETTLE: Duration = Duration::from_millis(500);

/// What changes do to one who serves.
struct Outcome {
    /// Requests a second with changes, to those without.
    rate: f64,
    failed: f64,
    requests: f64,
}

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let (ours, worker, control) = gateway(stage)?;
    let nginx = nginx(stage);
    let one = |value: f64| [(Who::Roundhouse, Samples::from_iter([value]))];
    let both = |value: fn(&Outcome) -> f64| {
        [(Who::Roundhouse, &ours), (Who::Nginx, &nginx)]
            .map(|(who, outcome)| (who, Samples::from_iter([value(outcome)])))
    };
    let comparisons = [
        Comparison::cost(ROW, "1,000 changes/s to none: worker CPU a request", "ratio", one(worker))
            .no_more_than(1.02),
        Comparison::cost(ROW, "  control thread, CPU a change", "us", one(control)).no_more_than(40.0),
        Comparison::cost(ROW, "  failed requests", "", both(|outcome| outcome.failed)).no_more_than(0.0),
        Comparison::yields(ROW, "  requests a second, to none", "ratio", both(|outcome| outcome.rate)),
    ];
    comparisons.into_iter().for_each(|comparison| stage.report.add(comparison));
    stage.report.note(
        ROW,
        format!(
            "wrk -t1 -c{CONNECTIONS}, {:.0} and {:.0} requests in all; nginx beside it has `-s reload` once a second, \
             which closes kept connections",
            ours.requests, nginx.requests
        ),
    );
    Ok(())
}

/// And the worker's CPU a request with changes to that without, and microseconds of the control thread a change.
fn gateway(stage: &Stage) -> Result<(Outcome, f64, f64), Skipped> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let etcd = Etcd::running();
    let mut gateway = prepared(&etcd.url(), "", &[])?;
    let mix = Mix::new(JOB, &gateway.net, BACKEND);
    let _backend = Nginx::backend(&mix.backends);
    let domain = (format!("domains/{HOST}"), domain_record(JOB));
    let records = mix.records().into_iter().chain([domain]).collect();
    runtime.block_on(async { fill(etcd.kv(PREFIX).await, records).await });
    gateway.run();
    let pid = gateway.process().pid();
    stage.cores.to_proxy(pid);
    gateway.vip(JOB);
    let load = |time| wrk::load(gateway.http(), HOST, CONNECTIONS, time);
    load(Duration::from_secs(1));

    let (time, mut control, mut changes) = (stage.options.seconds(5), Duration::ZERO, 0);
    let mut loads = Vec::new();
    let samples = stage.alternate(&[ELSEWHERE, PREFIX], |prefix| {
        let churn = Churn::start(etcd.options(prefix), RATE, mix.slots());
        thread::sleep(SETTLE);
        let workers = process::named_cpu(pid, "worker-");
        let (own, done) = (process::control_cpu(pid), churn.done());
        let load = load(time);
        let spent = process::named_cpu(pid, "worker-") - workers;
        if *prefix == PREFIX {
            control += process::control_cpu(pid) - own;
            changes += churn.done() - done;
        }
        churn.stop();
        let values = [spent.as_secs_f64() / load.requests, load.a_second];
        loads.push(load);
        values
    });
    let to_none = |index: usize| samples[1][index].median() / samples[0][index].median();
    let control = control.as_secs_f64() * 1e6 / changes as f64;
    Ok((Outcome::of(to_none(1), &loads), to_none(0), control))
}

fn nginx(stage: &Stage) -> Outcome {
    let net = Loopback::take();
    let backends = [0, 1].map(|app| SocketAddr::new(net.app(app), BACKEND));
    let _backend = Nginx::backend(&backends);
    let listen = SocketAddr::new(net.gateway(), LISTEN);
    let proxy = Nginx::proxy(listen, &backends);
    // Workers that a reload starts have their core from the master.
    stage.cores.to_proxy(proxy.pid());
    let time = stage.options.seconds(5);
    let mut loads = Vec::new();
    let samples = stage.alternate(&[false, true], |reloads| {
        let over = AtomicBool::new(false);
        let load = thread::scope(|scope| {
            scope.spawn(|| {
                while *reloads && !over.load(Relaxed) {
                    proxy.reload();
                    thread::park_timeout(Duration::from_secs(1));
                }
            });
            let load = wrk::load(listen, HOST, CONNECTIONS, time);
            over.store(true, Relaxed);
            load
        });
        let values = [load.a_second];
        loads.push(load);
        values
    });
    Outcome::of(samples[1][0].median() / samples[0][0].median(), &loads)
}

impl Outcome {
    fn of(rate: f64, loads: &[Load]) -> Outcome {
        let sum = |value: fn(&Load) -> f64| loads.iter().map(value).sum();
        Outcome { rate, failed: sum(|load| load.failed), requests: sum(|load| load.requests) }
    }
}
