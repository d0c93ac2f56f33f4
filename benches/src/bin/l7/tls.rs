//! Rows 8 and 9: TLS 1.3 ends at the proxy. What a request on a kept connection costs, and what a full handshake.

use std::time::Duration;

use roundhouse_benches::Nginx;
use roundhouse_benches::compare::{Comparison, Skipped, Stage, each};
use roundhouse_benches::load::{Certificate, HOST};
use roundhouse_benches::wrk::Wrk;
use roundhouse_tests::Loopback;

use crate::contender;
use crate::measure::Requests;
use crate::way::{Asked, Spoken, Way};

const CONNECTIONS: usize = 64;
/// Handshakes at once.
const CLIENTS: usize = 16;

pub(crate) fn kept(stage: &mut Stage) -> Result<(), Skipped> {
    const ROW: u8 = 8;
    let (net, certificate) = (Loopback::take(), Certificate::generate());
    let way = Way::new(&net, Spoken::Http1Tls(&certificate), Asked::SMALL);
    let _nginx = Nginx::backend(&[way.backend]);
    let contenders = contender::all(stage, ROW, way);
    let what = format!("HTTP/1.1 in TLS 1.3, 30 B, {CONNECTIONS} connections");
    let load = format!("wrk -t1 -c{CONNECTIONS}");
    Requests { row: ROW, what, aim: Some(0.95), load: &load }.compare(stage, &contenders, |at, time| {
        Wrk { at, host: HOST, path: "/", tls: true, connections: CONNECTIONS, script: "" }.run(time)
    });
    Ok(())
}

pub(crate) fn handshakes(stage: &mut Stage) -> Result<(), Skipped> {
    const ROW: u8 = 9;
    let (net, certificate) = (Loopback::take(), Certificate::generate());
    let way = Way::new(&net, Spoken::Http1Tls(&certificate), Asked::SMALL);
    let _nginx = Nginx::backend(&[way.backend]);
    let contenders = contender::all(stage, ROW, way);
    for contender in &contenders {
        certificate.handshakes(contender.at, CLIENTS, Duration::from_millis(300));
    }
    let time = stage.options.seconds(5);
    let samples = stage.alternate(&contenders, |contender| {
        let before = contender.cpu();
        let done = certificate.handshakes(contender.at, CLIENTS, time) as f64;
        let spent = contender.cpu().since(&before).as_secs_f64();
        [spent * 1e6 / done, done / spent]
    });
    let what = "TLS 1.3, a handshake with one request";
    let cost = each(&contenders, &samples, 0);
    stage.report.add(Comparison::cost(ROW, what, "us CPU/connection", cost));
    let yields = each(&contenders, &samples, 1);
    stage.report.add(Comparison::yields(ROW, "  handshakes a second of CPU", "1/s", yields));
    let note = "ECDSA P-256, X25519, AES-256-GCM, no resumption; no aim is set for handshakes";
    stage.report.note(ROW, note);
    Ok(())
}
