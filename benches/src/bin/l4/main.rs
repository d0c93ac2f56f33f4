//! L4 beside nginx stream and HAProxy tcp: one table, every figure with its ratios and its aim.
//!
//! ```text
//! make bench-l4                     all rows, a quarter of an hour
//! bench-l4 --rows 1,4 --quick       some of them, shorter and rougher
//! ```
//!
//! A row is a module with one function, `run`; how it is compared is said in [`roundhouse_benches::compare`].

// A bench is a harness: it may stop where it stands, and printing is its work.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

mod bulk;
mod connections;
mod contender;
mod datagrams;
mod idle;
mod latency;
mod many;
mod options;
mod proof;
mod small;
mod tls;
mod udp;
mod workers;

use clap::Parser as _;
use roundhouse_benches::Peer;
use roundhouse_benches::compare::{Stage, Subject, Who, namespace};

use self::options::Options;

const SUBJECT: Subject = Subject { name: "L4", peers: &[Who::Nginx, Who::Haproxy], versions };

fn versions() -> Vec<String> {
    ["nginx", "haproxy", "wrk"].map(|name| Peer::version(name, "-v")).into()
}

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let network = namespace::enter()?;
    let rows: Vec<u8> = (1..=10).filter(|row| options.wants(*row)).collect();
    let mut stage = Stage::new(&SUBJECT, options.shared, &network);
    for row in rows {
        stage.row(row, |stage| match row {
            1 => small::run(stage, &small::ALONE),
            2 => small::run(stage, &small::SATURATED),
            3 => connections::run(stage),
            4 => bulk::run(stage),
            5 => udp::run(stage),
            6 => idle::run(stage),
            7 => many::run(stage),
            8 => tls::run(stage),
            9 => latency::run(stage),
            _ => workers::run(stage),
        })?;
    }
    println!("{}", stage.report.text());
    stage.report.say_where(&stage.options.out);
    Ok(())
}
