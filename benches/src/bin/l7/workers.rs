//! Row 16: what a request costs a gateway with two workers, to what it costs one with a single worker. Everybody has
//! both cores, the load too: on a machine with two there is no other way to let two workers run at once.

use std::time::Duration;

use roundhouse_benches::compare::{Comparison, Contender, Skipped, Stage, Who};
use roundhouse_benches::load::HOST;
use roundhouse_benches::{Nginx, Samples, wrk};
use roundhouse_tests::Loopback;

use crate::contender;
use crate::way::{Asked, Spoken, Way};

const ROW: u8 = 16;
const CONNECTIONS: usize = 64;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let way = Way::new(&net, Spoken::Http1, Asked::SMALL);
    let nginx = Nginx::backend(&[way.backend]);
    let contenders =
        [contender::roundhouse(&stage.cores, way, 2)?, contender::roundhouse(&stage.cores, way, 1)?];
    let everybody = contenders.iter().map(Contender::pid).chain([nginx.pid(), std::process::id()]);
    everybody.for_each(|pid| stage.cores.to_all(pid));
    let load = |contender: &Contender, time| wrk::load(contender.at, HOST, CONNECTIONS, time);
    for contender in &contenders {
        load(contender, Duration::from_secs(1));
    }
    let (time, mut failed) = (stage.options.seconds(5), 0.0);
    let samples = stage.alternate(&contenders, |contender| {
        let before = contender.cpu();
        let load = load(contender, time);
        let spent = contender.cpu().since(&before);
        failed += load.failed;
        [spent.as_secs_f64() * 1e6 / load.requests]
    });
    stage.cores.to_load();
    let [two, one] = [0, 1].map(|who: usize| samples[who][0].median());
    let ratio = Samples::from_iter([two / one]);
    let what = format!("two workers to one, 30 B, {CONNECTIONS} connections");
    stage.report.add(Comparison::cost(ROW, what, "ratio", [(Who::Roundhouse, ratio)]).no_more_than(1.05));
    stage.report.note(
        ROW,
        format!(
            "gateway, load and backend on both cores; wrk -t1 -c{CONNECTIONS} for {time:?}; {two:.2} and {one:.2} us \
             CPU/request; {failed} failed"
        ),
    );
    Ok(())
}
