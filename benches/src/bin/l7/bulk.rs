//! Row 5: 100 MB an answer. The client has the kernel throw them away, so that it and the backend, both on core 1, are
//! not what is measured.

use std::time::Instant;

use roundhouse_benches::Nginx;
use roundhouse_benches::compare::{Against, Comparison, Skipped, Stage, Who, each};
use roundhouse_benches::load::{HOST, stream};
use roundhouse_tests::Loopback;

use crate::contender;
use crate::way::{Answer, Asked, Spoken, Way};

const ROW: u8 = 5;
const AT_ONCE: usize = 4;
const PATH: &str = "/of/large";

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    let (net, second) = (Loopback::take(), Loopback::take());
    let length = stream::LENGTH as usize;
    // What comes back is proven by a small one; the large ones are counted.
    let asked = Asked { path: "/of/small", body: "", answer: Answer::Length(1 << 10) };
    let way = Way::new(&net, Spoken::Http1, asked);
    let files = [("small", "x".repeat(1 << 10)), ("large", "x".repeat(length))];
    let _nginx = Nginx::with_files(way.backend, &files.each_ref().map(|(name, text)| (*name, text.as_str())));
    drop(files);
    let mut contenders = contender::all(stage, ROW, way);
    let splicing = Way { net: &second, haproxy: "option splice-response", ..way };
    let splicing = contender::one(Who::Haproxy, &stage.cores, splicing);
    contenders.extend(stage.able(ROW, [splicing]));

    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    let times = stage.options.times(5);
    let samples = stage.alternate(&contenders, |contender| {
        let (before, began) = (contender.cpu(), Instant::now());
        let one = || stream::download(contender.at, request.as_bytes());
        let bytes = stream::drain(AT_ONCE, times, one).expect("it relays");
        let (seconds, spent) = (began.elapsed().as_secs_f64(), contender.cpu().since(&before));
        let gigabytes = bytes as f64 / 1e9;
        [spent.as_secs_f64() / gigabytes, gigabytes / seconds]
    });
    let mut defaults = [0, 1].map(|index| each(&contenders, &samples, index));
    // The last HAProxy is the one that splices.
    let splicing = defaults.each_mut().map(|all| all.pop().expect("HAProxy answers"));
    let mut beside = defaults.clone();
    for (all, splicing) in beside.iter_mut().zip(splicing) {
        all.retain(|(who, _)| *who == Who::Roundhouse);
        all.push(splicing);
    }
    let ([cost, rate], [cost_beside, rate_beside]) = (defaults, beside);
    let comparisons = [
        Comparison::cost(ROW, "HTTP/1.1, 100 MB, 4 connections", "s CPU/GB", cost)
            .at_most(0.25, Against::Better),
        Comparison::yields(ROW, "  throughput", "GB/s", rate),
        Comparison::cost(ROW, "100 MB, HAProxy with splice-response", "s CPU/GB", cost_beside)
            .at_most(0.8, Against::Haproxy),
        Comparison::yields(ROW, "  throughput", "GB/s", rate_beside),
    ];
    comparisons.into_iter().for_each(|comparison| stage.report.add(comparison));
    let note = format!("{AT_ONCE} connections at a time, {times} in turn each; GB is 10^9 bytes");
    stage.report.note(ROW, note);
    Ok(())
}
