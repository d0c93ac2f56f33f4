//! Row 15: how much later an answer comes through a proxy, at a rate that everybody can serve.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::compare::{Against, Comparison, Contender, Skipped, Stage, Who};
use roundhouse_benches::load::{HOST, OpenLoop};
use roundhouse_benches::{Nginx, wrk};
use roundhouse_tests::Loopback;

use crate::contender;
use crate::way::{Asked, Spoken, Way};

const ROW: u8 = 15;
const CONNECTIONS: usize = 64;
/// What pingora must be able to do of the rate: near its own most it would only queue.
const ROOM: f64 = 1.25;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let way = Way::new(&net, Spoken::Http1, Asked::SMALL);
    let _nginx = Nginx::backend(&[way.backend]);
    let mut contenders = contender::all(stage, ROW, way);
    let time = stage.options.seconds(5).max(Duration::from_secs(2));
    let most = |contender: &Contender| wrk::load(contender.at, HOST, CONNECTIONS, time).a_second;
    let of = |who: Who| contenders.iter().find(|contender| contender.who == who).map(most);
    let slower = [Who::Nginx, Who::Haproxy].into_iter().filter_map(of).fold(f64::INFINITY, f64::min);
    let rate = (slower / 2.0).floor();
    if let Some(most) = of(Who::Pingora).filter(|most| *most < rate * ROOM) {
        let reason = format!("pingora has no room at {rate:.0} requests/s, since it can {most:.0}");
        stage.report.skip(ROW, Skipped(reason));
        contenders.retain(|contender| contender.who != Who::Pingora);
    }

    // And nobody in between, for what is added.
    let through = contenders.iter().map(|contender| (Some(contender.who), contender.at));
    let ways: Vec<(Option<Who>, SocketAddr)> = [(None, way.backend)].into_iter().chain(through).collect();
    let time = stage.options.seconds(10);
    let samples = stage.alternate(&ways, |(_, server)| {
        let load = OpenLoop { server: *server, connections: CONNECTIONS, rate };
        let latencies = load.run(time).expect("everybody answers");
        [latencies.quantile(0.5), latencies.p99()]
    });
    let directly: [f64; 2] = std::array::from_fn(|index| samples[0][index].median());
    for (index, name) in ["p50", "p99"].into_iter().enumerate() {
        let all = || {
            ways.iter()
                .zip(&samples)
                .filter_map(move |((who, _), samples)| Some(((*who)?, samples[index].clone())))
        };
        let added = all().map(|(who, samples)| (who, samples.less(directly[index])));
        let whole = Comparison::cost(ROW, format!("latency, {name}, from when it was due"), "us", all());
        stage.report.add(if name == "p99" { whole.at_most(1.0, Against::Better) } else { whole });
        stage.report.add(Comparison::cost(ROW, format!("  {name} added to direct"), "us", added));
    }
    let [p50, p99] = directly;
    let note = format!(
        "open loop, {rate:.0} requests/s (half of what the slower of nginx and HAProxy can), {CONNECTIONS} connections, \
         {time:?}; direct: p50 {p50:.0} us, p99 {p99:.0} us"
    );
    stage.report.note(ROW, note);
    Ok(())
}
