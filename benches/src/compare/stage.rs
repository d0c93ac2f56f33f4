//! What every row works with.

use std::io;
use std::thread;
use std::time::Duration;

use super::{Contender, Cores, Network, Options, Report, Subject};
use crate::Samples;

/// Between runs, so that what one leaves behind is not the next one's.
const SETTLE: Duration = Duration::from_millis(300);

pub struct Stage {
    pub options: Options,
    pub cores: Cores,
    pub report: Report,
}

/// Why a row, or a part of it, was not measured.
#[derive(Debug)]
pub struct Skipped(pub String);

impl Stage {
    pub fn new(subject: &'static Subject, options: Options, network: &Network) -> Stage {
        let report = Report::begin(subject, &options, network);
        let cores = Cores::take();
        Stage { options, cores, report }
    }

    /// Runs a row and writes down all that there is by then: it must not be lost with what comes next.
    pub fn row(&mut self, row: u8, run: impl FnOnce(&mut Stage) -> Result<(), Skipped>) -> io::Result<()> {
        eprintln!("row {row} …");
        if let Err(skipped) = run(self) {
            self.report.skip(row, skipped);
        }
        self.report.write(&self.options.out)
    }

    /// Those who can do what the row is about; why the others cannot is said.
    pub fn able(
        &mut self,
        row: u8,
        all: impl IntoIterator<Item = Result<Contender, Skipped>>,
    ) -> Vec<Contender> {
        let able = |one: Result<Contender, Skipped>| one.map_err(|why| self.report.skip(row, why)).ok();
        all.into_iter().filter_map(able).collect()
    }

    /// Everybody has a turn, again and again: A B C A B C …. What each run said, by whose it was, in the given order.
    pub fn alternate<T, const N: usize>(
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
