//! Row 9: how much later an answer comes through a proxy, at a rate that everybody can serve.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::compare::{Against, Comparison, Skipped, Stage, Who};
use roundhouse_benches::load::OpenLoop;
use roundhouse_benches::{Nginx, wrk};
use roundhouse_tests::Loopback;

use crate::contender::{self, Way};
use crate::proof::Proof;

const ROW: u8 = 9;
const BACKEND: u16 = 7_309;
const LISTEN: u16 = 7_409;
const CONNECTIONS: usize = 64;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let backend = SocketAddr::new(net.app(0), BACKEND);
    let _nginx = Nginx::backend(&[backend]);
    let way = |app| Way {
        cores: &stage.cores,
        listen: SocketAddr::new(net.app(app), LISTEN),
        backend,
        proof: &Proof::Http,
    };
    let contenders =
        [contender::roundhouse(way(1), "tcp")?, contender::nginx(way(2)), contender::haproxy(way(3), "")];
    let most = contenders[1..].iter().map(|peer| {
        wrk::load(peer.at, "bench", CONNECTIONS, stage.options.seconds(5).max(Duration::from_secs(2)))
            .a_second
    });
    let rate = (most.fold(f64::INFINITY, f64::min) / 2.0).floor();

    // And nobody in between, for what is added.
    let direct = [(None, backend)];
    let through = contenders.iter().map(|contender| (Some(contender.who), contender.at));
    let ways: Vec<(Option<Who>, SocketAddr)> = direct.into_iter().chain(through).collect();
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
        "open loop, {rate:.0} requests/s (half of what the slower peer can), {CONNECTIONS} connections, {time:?}; direct: p50 \
         {p50:.0} us, p99 {p99:.0} us"
    );
    stage.report.note(ROW, note);
    Ok(())
}
