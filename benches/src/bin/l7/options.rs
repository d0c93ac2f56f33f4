//! The command line.

use clap::Parser;
use roundhouse_benches::compare;

/// Measures L7 beside nginx, HAProxy and pingora-proxy.
#[derive(Debug, Parser)]
#[command(name = "bench-l7")]
pub(crate) struct Options {
    /// Only these rows, as in `1,3`: 1 small answers, 2 the same saturated, 3 1 KB, 4 100 KB, 5 100 MB, 6 POST, 7 a
    /// connection a request, 8 TLS, 9 TLS handshakes, 10 HTTP/2, 11 gRPC, 12 10,000 hosts, 13 1,000 changes a second,
    /// 14 idle connections' memory, 15 latency, 16 two workers.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=16))]
    rows: Vec<u8>,
    #[command(flatten)]
    pub(crate) shared: compare::Options,
}

impl Options {
    pub(crate) fn wants(&self, row: u8) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }
}
