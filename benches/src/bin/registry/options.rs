//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures the registry against the aims of its design.
#[derive(Debug, Parser)]
#[command(name = "bench-registry")]
pub(crate) struct Options {
    /// Only these rows, as in `1,3`: 1 put to routable, 2 full list, 3 memory, 4 table look, 5 one change, 6 no dip,
    /// 7 recovery.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=7))]
    rows: Vec<u8>,
    /// Shorter and rougher: to see that everything works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where `registry.json` and `registry.txt` are written.
    #[arg(long, default_value = "benches/results")]
    pub(crate) out: PathBuf,
}

impl Options {
    pub(crate) fn wants(&self, row: u8) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }

    /// A count or a length of time: the full one, or a fifth of it.
    pub(crate) fn times(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(5) } else { full }
    }

    pub(crate) fn seconds(&self, full: u64) -> Duration {
        let full = Duration::from_secs(full);
        if self.quick { full / 5 } else { full }
    }
}
