//! Row 15: how much later an answer comes through a proxy, at a rate that everybody can serve.

use std::time::Duration;

use roundhouse_benches::compare::{Contender, Latency, Skipped, Stage, Who};
use roundhouse_benches::load::HOST;
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

    let latency = Latency { row: ROW, connections: CONNECTIONS, rate, slower: "of nginx and HAProxy" };
    latency.compare(stage, way.backend, &contenders);
    Ok(())
}
