//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures L4 beside nginx stream and HAProxy tcp.
#[derive(Debug, Parser)]
#[command(name = "bench-l4")]
pub(crate) struct Options {
    /// Only these rows, as in `1,3`: 1 small messages, 2 the same saturated, 3 a connection a request, 4 bulk, 5 UDP,
    /// 6 idle connections' memory, 7 10,000 jobs, 8 TLS termination, 9 latency, 10 two workers.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=10))]
    rows: Vec<u8>,
    /// How often everybody has a turn; 5, or 2 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=99))]
    pairs: Option<u8>,
    /// Shorter and rougher: to see that everything works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where `<date>-l4.txt`, `.json` and `.svg` are written.
    #[arg(long, default_value = "benches/results")]
    pub(crate) out: PathBuf,
}

impl Options {
    pub(crate) fn wants(&self, row: u8) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }

    pub(crate) fn pairs(&self) -> usize {
        self.pairs.map_or(if self.quick { 2 } else { 5 }, usize::from)
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
