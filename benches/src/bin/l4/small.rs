//! Rows 1 and 2: requests and answers of some 100 bytes on kept connections, with a proxy that has its core for itself,
//! and with one that shares it with the backend and has not enough of it.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::compare::{Against, Comparison, Skipped, Stage, each};
use roundhouse_benches::{Nginx, wrk};
use roundhouse_tests::Loopback;

use crate::contender::{self, Way};
use crate::proof::Proof;

const BACKEND: u16 = 7_301;
const LISTEN: u16 = 7_401;

pub(crate) struct Shape {
    row: u8,
    name: &'static str,
    connections: usize,
    saturated: bool,
}

pub(crate) const ALONE: Shape = Shape { row: 1, name: "alone", connections: 64, saturated: false };
pub(crate) const SATURATED: Shape = Shape { row: 2, name: "saturated", connections: 128, saturated: true };

pub(crate) fn run(stage: &mut Stage, shape: &Shape) -> Result<(), Skipped> {
    let net = Loopback::take();
    let backend = SocketAddr::new(net.app(0), BACKEND);
    let nginx = Nginx::backend(&[backend]);
    if shape.saturated {
        stage.cores.to_proxy(nginx.pid());
    }
    let way = |app| Way {
        cores: &stage.cores,
        listen: SocketAddr::new(net.app(app), LISTEN),
        backend,
        proof: &Proof::Http,
    };
    let contenders =
        [contender::roundhouse(way(1), "tcp")?, contender::nginx(way(2)), contender::haproxy(way(3), "")];
    let Shape { row, name, connections, .. } = *shape;
    for contender in &contenders {
        wrk::load(contender.at, "bench", connections, Duration::from_secs(1));
    }
    let (time, mut failed) = (stage.options.seconds(5), 0.0);
    let samples = stage.alternate(&contenders, |contender| {
        let before = contender.cpu();
        let load = wrk::load(contender.at, "bench", connections, time);
        let spent = contender.cpu().since(&before);
        failed += load.failed;
        [spent.as_secs_f64() * 1e6 / load.requests, load.a_second, load.p99_ms]
    });
    let what = format!("small messages, {name}, {connections} connections");
    let comparisons = [
        Comparison::cost(row, what, "us CPU/request", each(&contenders, &samples, 0))
            .at_most(1.0, Against::Better),
        Comparison::yields(row, "  requests", "1/s", each(&contenders, &samples, 1)),
        Comparison::cost(row, "  p99 latency at full load", "ms", each(&contenders, &samples, 2)),
    ];
    comparisons.into_iter().for_each(|comparison| stage.report.add(comparison));
    let place = match (stage.cores.placement(), shape.saturated) {
        (place, false) => place.to_owned(),
        (place, true) => format!("{place}, the backend beside the proxy"),
    };
    stage.report.note(
        row,
        format!("{place}; wrk -t1 -c{connections} for {time:?}, 30-byte answers of nginx; {failed} failed"),
    );
    Ok(())
}
