//! What every row works with.

use std::thread;
use std::time::Duration;

use roundhouse_benches::Samples;

use crate::cores::Cores;
use crate::namespace::Network;
use crate::options::Options;
use crate::report::Report;

/// Between runs, so that what one leaves behind is not the next one's.
const SETTLE: Duration = Duration::from_millis(300);

pub(crate) struct Stage {
    pub(crate) options: Options,
    pub(crate) cores: Cores,
    pub(crate) report: Report,
}

/// Why a row, or a part of it, was not measured.
#[derive(Debug)]
pub(crate) struct Skipped(pub(crate) String);

impl Stage {
    pub(crate) fn new(options: Options, network: &Network) -> Stage {
        let report = Report::begin(&options, network);
        let cores = Cores::take();
        Stage { options, cores, report }
    }

    /// Everybody has a turn, again and again: A B C A B C …. What each run said, by whose it was, in the given order.
    pub(crate) fn alternate<T, const N: usize>(
        &self,
        all: &[T],
        mut run: impl FnMut(&T) -> [f64; N],
    ) -> Vec<[Samples; N]> {
        let mut samples: Vec<[Samples; N]> =
            all.iter().map(|_| std::array::from_fn(|_| Samples::default())).collect();
        for _ in 0..self.options.pairs() {
            for (one, samples) in all.iter().zip(&mut samples) {
                thread::sleep(SETTLE);
                for (sample, value) in samples.iter_mut().zip(run(one)) {
                    sample.push(value);
                }
            }
        }
        samples
    }
}
