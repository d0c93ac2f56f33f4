//! The command line.

use clap::Parser;
use roundhouse_benches::compare;

/// Measures L4 beside nginx stream and HAProxy tcp.
#[derive(Debug, Parser)]
#[command(name = "bench-l4")]
pub(crate) struct Options {
    /// Only these rows, as in `1,3`: 1 small messages, 2 the same saturated, 3 a connection a request, 4 bulk, 5 UDP,
    /// 6 idle connections' memory, 7 10,000 jobs, 8 TLS termination, 9 latency, 10 two workers.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=10))]
    rows: Vec<u8>,
    #[command(flatten)]
    pub(crate) shared: compare::Options,
}

impl Options {
    pub(crate) fn wants(&self, row: u8) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }
}
