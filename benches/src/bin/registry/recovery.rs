//! Row 7: etcd is killed and comes back; how long until the gateway follows it again?

use std::time::{Duration, Instant};

use roundhouse_benches::{PREFIX, Samples, fill};
use roundhouse_tests::{Etcd, Gateway};

use crate::options::Options;
use crate::probe::{Probe, Way};
use crate::report::{Figure, Report};
use crate::world::runtime;

pub(crate) fn run(options: &Options, report: &mut Report) {
    let runtime = runtime();
    let mut etcd = Etcd::running();
    let kv = runtime.block_on(async {
        let kv = etcd.kv(PREFIX).await;
        fill(kv.clone(), Probe::records()).await;
        kv
    });
    let gateway = Gateway::on(&etcd.url());
    let mut probe = Probe::start(&gateway);
    runtime.block_on(probe.go(&*kv, Way::Name));
    drop(kv);
    for (away, rounds) in [(Duration::ZERO, 5), (Duration::from_secs(4), 2)] {
        let [mut healthy_to, mut killed_to] = [(); 2].map(|()| Samples::default());
        for _ in 0..options.times(rounds) {
            let killed = Instant::now();
            etcd.kill9();
            // The outage itself, not a wait for something.
            std::thread::sleep(away);
            etcd.start();
            let healthy = Instant::now();
            let kv = runtime.block_on(etcd.kv(PREFIX));
            let moved = runtime.block_on(probe.go(&*kv, Way::Name));
            healthy_to.push((moved.routable - healthy).as_secs_f64() * 1e3);
            killed_to.push((moved.routable - killed).as_secs_f64() * 1e3);
        }
        let outage = match away.as_secs() {
            0 => "started again at once".to_owned(),
            seconds => format!("started again after {seconds} s"),
        };
        report.add(Figure::new(
            7,
            format!("etcd killed, {outage}: healthy -> a new put is routable"),
            "ms",
            &healthy_to,
        ));
        report.add(Figure::new(
            7,
            format!("etcd killed, {outage}: kill -> a new put is routable"),
            "ms",
            &killed_to,
        ));
    }
    report.note(7, "one etcd member alone; the gateway's pauses between attempts grow from 0.1 s to 2 s");
}
