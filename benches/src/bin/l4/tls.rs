//! Row 8: TLS ends at the proxy. What a full handshake costs, and what bulk.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::Nginx;
use roundhouse_benches::compare::{Comparison, Contender, Skipped, Stage, each};
use roundhouse_benches::load::{Certificate, stream};
use roundhouse_tests::Loopback;

use crate::contender::{self, Way};
use crate::proof::Proof;

const ROW: u8 = 8;
const BACKEND: u16 = 7_308;
const LISTEN: u16 = 7_408;
/// Handshakes at once.
const CLIENTS: usize = 16;
const STREAMS: usize = 4;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let certificate = Certificate::generate();
    handshakes(stage, &net, &certificate)?;
    bulk(stage, &net, &certificate)?;
    let note = "TLS 1.3, ECDSA P-256, X25519, AES-256-GCM, no resumption; no aim is set for TLS at L4";
    stage.report.note(ROW, note);
    Ok(())
}

/// A connection with a full handshake, one request and its answer.
fn handshakes(stage: &mut Stage, net: &Loopback, certificate: &Certificate) -> Result<(), Skipped> {
    let backend = SocketAddr::new(net.app(0), BACKEND);
    let _nginx = Nginx::backend(&[backend]);
    let proof = Proof::Tls(certificate.clone());
    let contenders = contenders(stage, net, 1, backend, &proof, certificate)?;
    let time = stage.options.seconds(5);
    for contender in &contenders {
        certificate.handshakes(contender.at, CLIENTS, Duration::from_millis(300));
    }
    let samples = stage.alternate(&contenders, |contender| {
        let before = contender.cpu();
        let done = certificate.handshakes(contender.at, CLIENTS, time) as f64;
        let spent = contender.cpu().since(&before).as_secs_f64();
        [spent * 1e6 / done, done / spent]
    });
    let what = "TLS ends here: a connection with one request";
    stage.report.add(Comparison::cost(ROW, what, "us CPU/connection", each(&contenders, &samples, 0)));
    stage.report.add(Comparison::yields(
        ROW,
        "  handshakes a second of CPU",
        "1/s",
        each(&contenders, &samples, 1),
    ));
    Ok(())
}

fn bulk(stage: &mut Stage, net: &Loopback, certificate: &Certificate) -> Result<(), Skipped> {
    let backend = SocketAddr::new(net.app(10), BACKEND);
    stream::source(backend).expect("the network is ours");
    let proof = Proof::TlsBytes(certificate.clone());
    let contenders = contenders(stage, net, 11, backend, &proof, certificate)?;
    let times = stage.options.times(5);
    let samples = stage.alternate(&contenders, |contender| {
        let before = contender.cpu();
        let one = || stream::read(&mut certificate.connect(contender.at, None)?);
        let bytes = stream::drain(STREAMS, times, one).expect("it relays");
        [contender.cpu().since(&before).as_secs_f64() * 1e9 / bytes as f64]
    });
    let all = contenders.iter().zip(samples).map(|(contender, [samples])| (contender.who, samples));
    stage.report.add(Comparison::cost(ROW, "TLS ends here: bulk, 100 MB, 4 connections", "s CPU/GB", all));
    Ok(())
}

fn contenders(
    stage: &Stage,
    net: &Loopback,
    first: u8,
    backend: SocketAddr,
    proof: &Proof,
    certificate: &Certificate,
) -> Result<[Contender; 3], Skipped> {
    let way =
        |app| Way { cores: &stage.cores, listen: SocketAddr::new(net.app(app), LISTEN), backend, proof };
    Ok([
        contender::roundhouse_tls(way(first), certificate)?,
        contender::nginx_tls(way(first + 1), certificate),
        contender::haproxy_tls(way(first + 2), certificate),
    ])
}
