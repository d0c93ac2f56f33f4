//! Row 10: what a request costs a gateway with two workers, to what it costs one with a single worker. Everybody has
//! both cores, the load too: on a machine with two there is no other way to let two workers run at once.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::compare::{Comparison, Contender, Skipped, Stage, Who};
use roundhouse_benches::{Nginx, Samples, wrk};
use roundhouse_tests::Loopback;

use crate::contender::{self, Way};
use crate::proof::Proof;

const ROW: u8 = 10;
const BACKEND: u16 = 7_310;
const LISTEN: u16 = 7_410;
const CONNECTIONS: usize = 64;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let backend = SocketAddr::new(net.app(0), BACKEND);
    let nginx = Nginx::backend(&[backend]);
    let way = |app| Way {
        cores: &stage.cores,
        listen: SocketAddr::new(net.app(app), LISTEN),
        backend,
        proof: &Proof::Http,
    };
    let contenders = [contender::with_workers(way(1), 2)?, contender::with_workers(way(2), 1)?];
    let everybody = contenders.iter().map(Contender::pid).chain([nginx.pid(), std::process::id()]);
    everybody.for_each(|pid| stage.cores.to_all(pid));
    for contender in &contenders {
        wrk::load(contender.at, "bench", CONNECTIONS, Duration::from_secs(1));
    }
    let (time, mut failed) = (stage.options.seconds(5), 0.0);
    let samples = stage.alternate(&contenders, |contender| {
        let before = contender.cpu();
        let load = wrk::load(contender.at, "bench", CONNECTIONS, time);
        let spent = contender.cpu().since(&before);
        failed += load.failed;
        [spent.as_secs_f64() * 1e6 / load.requests]
    });
    stage.cores.to_load();
    let [two, one] = [0, 1].map(|who: usize| samples[who][0].median());
    let ratio = Samples::from_iter([two / one]);
    let what = format!("two workers to one, small messages, {CONNECTIONS} connections");
    stage.report.add(Comparison::cost(ROW, what, "ratio", [(Who::Roundhouse, ratio)]).no_more_than(1.05));
    stage.report.note(
        ROW,
        format!(
            "gateway, load and backend on both cores; wrk -t1 -c{CONNECTIONS} for {time:?}, 30-byte answers of nginx; \
             {two:.2} and {one:.2} us CPU/request; {failed} failed"
        ),
    );
    Ok(())
}
