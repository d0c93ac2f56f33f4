//! How much later an answer comes through a proxy, at a rate that everybody can serve.

use std::net::SocketAddr;

use super::{Against, Comparison, Contender, Stage, Who};
use crate::load::OpenLoop;

/// An open loop at so many requests a second.
#[derive(Clone, Copy, Debug)]
pub struct Latency<'a> {
    pub row: u8,
    pub connections: usize,
    pub rate: f64,
    /// Whose the rate is half of the most of.
    pub slower: &'a str,
}

impl Latency<'_> {
    /// Measures the contenders, and the backend without anybody in between for what they add.
    pub fn compare(self, stage: &mut Stage, backend: SocketAddr, contenders: &[Contender]) {
        let Latency { row, connections, rate, slower } = self;
        let through = contenders.iter().map(|contender| (Some(contender.who), contender.at));
        let ways: Vec<(Option<Who>, SocketAddr)> = [(None, backend)].into_iter().chain(through).collect();
        let time = stage.options.seconds(10);
        let samples = stage.alternate(&ways, |(_, server)| {
            let load = OpenLoop { server: *server, connections, rate };
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
            let whole = Comparison::cost(row, format!("latency, {name}, from when it was due"), "us", all());
            stage.report.add(if name == "p99" { whole.at_most(1.0, Against::Better) } else { whole });
            stage.report.add(Comparison::cost(row, format!("  {name} added to direct"), "us", added));
        }
        let [p50, p99] = directly;
        let note = format!(
            "open loop, {rate:.0} requests/s (half of what the slower {slower} can), {connections} connections, {time:?}; \
             direct: p50 {p50:.0} us, p99 {p99:.0} us"
        );
        stage.report.note(row, note);
    }
}
