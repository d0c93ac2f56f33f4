//! Row 8: TLS ends at the proxy. What a full handshake costs, and what bulk.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use roundhouse_benches::Nginx;
use roundhouse_tests::Loopback;

use crate::certificate::Certificate;
use crate::comparison::Comparison;
use crate::contender::{Contender, Way};
use crate::load::stream;
use crate::proof::Proof;
use crate::stage::{Skipped, Stage};

const ROW: u8 = 8;
const BACKEND: u16 = 7_308;
const LISTEN: u16 = 7_408;
/// Handshakes at once.
const CLIENTS: usize = 16;
const STREAMS: usize = 4;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let certificate = Certificate::new();
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
        connections(certificate, contender.at, Duration::from_millis(300));
    }
    let samples = stage.alternate(&contenders, |contender| {
        let before = contender.cpu();
        let done = connections(certificate, contender.at, time) as f64;
        let spent = contender.cpu().since(&before).as_secs_f64();
        [spent * 1e6 / done, done / spent]
    });
    let all = |index: usize| {
        contenders
            .iter()
            .zip(&samples)
            .map(move |(contender, samples)| (contender.who, samples[index].clone()))
    };
    let what = "TLS ends here: a connection with one request";
    stage.report.add(Comparison::cost(ROW, what, "us CPU/connection", all(0)));
    stage.report.add(Comparison::yields(ROW, "  handshakes a second of CPU", "1/s", all(1)));
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
        Contender::roundhouse_tls(way(first), certificate)?,
        Contender::nginx_tls(way(first + 1), certificate),
        Contender::haproxy_tls(way(first + 2), certificate),
    ])
}

fn connections(certificate: &Certificate, at: SocketAddr, time: Duration) -> u64 {
    let (end, done) = (Instant::now() + time, AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while Instant::now() < end {
                    certificate.exchange(at, None).expect("it relays");
                    done.fetch_add(1, Relaxed);
                }
            });
        }
    });
    done.into_inner()
}
