//! Row 4: large streams from the backend to the client. The client has the kernel throw them away, so that it and the
//! backend, both on core 1, are not what is measured.

use std::net::SocketAddr;

use roundhouse_benches::compare::{Against, Comparison, Skipped, Stage};
use roundhouse_benches::load::stream;
use roundhouse_tests::Loopback;

use crate::contender::{self, Way};
use crate::proof::Proof;

const ROW: u8 = 4;
const BACKEND: u16 = 7_304;
const LISTEN: u16 = 7_404;
const AT_ONCE: usize = 4;

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let net = Loopback::take();
    let backend = SocketAddr::new(net.app(0), BACKEND);
    stream::source(backend).expect("the network is ours");
    let way = |app| Way {
        cores: &stage.cores,
        listen: SocketAddr::new(net.app(app), LISTEN),
        backend,
        proof: &Proof::Bytes,
    };
    let contenders = [
        contender::roundhouse(way(1), "tcp")?,
        contender::nginx(way(2)),
        contender::haproxy(way(3), ""),
        contender::haproxy(way(4), "option splice-auto"),
        contender::haproxy(way(5), "option splice-response"),
    ];
    let times = stage.options.times(5);
    let samples = stage.alternate(&contenders, |contender| {
        let before = contender.cpu();
        let began = std::time::Instant::now();
        let bytes = stream::drain(AT_ONCE, times, || stream::count(contender.at)).expect("it relays");
        let (seconds, spent) = (began.elapsed().as_secs_f64(), contender.cpu().since(&before));
        let gigabytes = bytes as f64 / 1e9;
        [spent.as_secs_f64() / gigabytes, gigabytes / seconds]
    });
    let of = |index: usize, who: &[usize]| {
        let all: Vec<_> =
            who.iter().map(|one| (contenders[*one].who, samples[*one][index].clone())).collect();
        all
    };
    let comparisons = [
        Comparison::cost(ROW, "bulk, 100 MB, 4 connections", "s CPU/GB", of(0, &[0, 1, 2]))
            .at_most(0.25, Against::Better),
        Comparison::yields(ROW, "  throughput", "GB/s", of(1, &[0, 1, 2])),
        Comparison::cost(ROW, "bulk, HAProxy with splice-auto", "s CPU/GB", of(0, &[0, 3])),
        Comparison::cost(ROW, "bulk, HAProxy with splice-response", "s CPU/GB", of(0, &[0, 4]))
            .at_most(0.8, Against::Haproxy),
        Comparison::yields(ROW, "  throughput", "GB/s", of(1, &[0, 4])),
    ];
    comparisons.into_iter().for_each(|comparison| stage.report.add(comparison));
    let note = format!("{AT_ONCE} connections at a time, {times} in turn each; GB is 10^9 bytes");
    stage.report.note(ROW, note);
    Ok(())
}
