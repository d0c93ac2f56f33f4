//! What a request costs everybody.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::compare::{Against, Comparison, Contender, Stage, each};
use roundhouse_benches::wrk::Load;

pub(crate) struct Requests<'a> {
    pub(crate) row: u8,
    pub(crate) what: String,
    /// Ours to the better of nginx and HAProxy, at most.
    pub(crate) aim: Option<f64>,
    /// How the load is called in the note.
    pub(crate) load: &'a str,
}

impl Requests<'_> {
    /// Everybody in turn; the load is asked to run against an address for a time.
    pub(crate) fn compare(
        &self,
        stage: &mut Stage,
        contenders: &[Contender],
        load: impl Fn(SocketAddr, Duration) -> Load,
    ) {
        for contender in contenders {
            load(contender.at, Duration::from_secs(1));
        }
        let (time, mut failed) = (stage.options.seconds(5), 0.0);
        let samples = stage.alternate(contenders, |contender| {
            let before = contender.cpu();
            let load = load(contender.at, time);
            let spent = contender.cpu().since(&before);
            failed += load.failed;
            [spent.as_secs_f64() * 1e6 / load.requests, load.a_second, load.p99_ms]
        });
        let row = self.row;
        let all = |index| each(contenders, &samples, index);
        let cost = Comparison::cost(row, &self.what, "us CPU/request", all(0));
        stage.report.add(match self.aim {
            Some(aim) => cost.at_most(aim, Against::Better),
            None => cost,
        });
        stage.report.add(Comparison::yields(row, "  requests", "1/s", all(1)));
        // h2load tells of no percentiles.
        if samples.iter().any(|[_, _, p99]| p99.median().is_finite()) {
            stage.report.add(Comparison::cost(row, "  p99 latency at full load", "ms", all(2)));
        }
        let Requests { what, load, .. } = self;
        stage.report.note(row, format!("{what}: {load} for {time:?}; {failed} failed"));
    }
}
