//! Row 9: how much later an answer comes through a proxy, at a rate that everybody can serve.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::compare::{Latency, Skipped, Stage};
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

    let latency = Latency { row: ROW, connections: CONNECTIONS, rate, slower: "peer" };
    latency.compare(stage, backend, &contenders);
    Ok(())
}
