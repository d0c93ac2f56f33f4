//! L7 beside nginx, HAProxy and pingora-proxy: one table, every figure with its ratios and its aim.
//!
//! ```text
//! make bench-l7                     all rows, half an hour
//! bench-l7 --rows 1,8 --quick       some of them, shorter and rougher
//! ```
//!
//! - Everybody routes by Host, keeps connections on both sides and writes no log. Aims are against the better of nginx
//!   and HAProxy; pingora is there to be seen.
//! - A row is a module with one function, `run`; how it is compared is said in [`roundhouse_benches::compare`]. Before
//!   it measures, each contender has answered as it should ([`proof`]); who does not is named, and the others go on.

// A bench is a harness: it may stop where it stands, and printing is its work.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

mod bodies;
mod bulk;
mod changes;
mod connections;
mod contender;
mod grpc;
mod hosts;
mod http2;
mod idle;
mod kept;
mod latency;
mod measure;
mod options;
mod proof;
mod tls;
mod versions;
mod way;
mod workers;

use clap::Parser as _;
use roundhouse_benches::compare::{Stage, Subject, Who, namespace};

use self::options::Options;

const SUBJECT: Subject =
    Subject { name: "L7", peers: &[Who::Nginx, Who::Haproxy, Who::Pingora], versions: versions::versions };

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let network = namespace::enter()?;
    let rows: Vec<u8> = (1..=16).filter(|row| options.wants(*row)).collect();
    let mut stage = Stage::new(&SUBJECT, options.shared, &network);
    for row in rows {
        stage.row(row, |stage| match row {
            1 => kept::run(stage, &kept::ALONE),
            2 => kept::run(stage, &kept::SATURATED),
            3 => kept::run(stage, &kept::KILOBYTE),
            4 => kept::run(stage, &kept::HUNDRED),
            5 => bulk::run(stage),
            6 => bodies::run(stage),
            7 => connections::run(stage),
            8 => tls::kept(stage),
            9 => tls::handshakes(stage),
            10 => http2::run(stage),
            11 => grpc::run(stage),
            12 => hosts::run(stage),
            13 => changes::run(stage),
            14 => idle::run(stage),
            15 => latency::run(stage),
            _ => workers::run(stage),
        })?;
    }
    println!("{}", stage.report.text());
    stage.report.say_where(&stage.options.out);
    Ok(())
}
