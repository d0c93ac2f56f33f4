//! What every side-by-side run may be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

#[derive(Debug, Args)]
pub struct Options {
    /// How often everybody has a turn; 5, or 2 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=99))]
    pairs: Option<u8>,
    /// Shorter and rougher: to see that everything works.
    #[arg(long)]
    pub quick: bool,
    /// Where the results are written, as text, JSON and a picture.
    #[arg(long, default_value = "benches/results")]
    pub out: PathBuf,
}

impl Options {
    pub fn pairs(&self) -> usize {
        self.pairs.map_or(if self.quick { 2 } else { 5 }, usize::from)
    }

    /// A count or a length of time: the full one, or a fifth of it.
    pub fn times(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(5) } else { full }
    }

    pub fn seconds(&self, full: u64) -> Duration {
        let full = Duration::from_secs(full);
        if self.quick { full / 5 } else { full }
    }
}
