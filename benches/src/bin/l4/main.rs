//! L4 beside nginx stream and HAProxy tcp: one table, every figure with its ratios and its aim.
//!
//! ```text
//! make bench-l4                     all rows, a quarter of an hour
//! bench-l4 --rows 1,4 --quick       some of them, shorter and rougher
//!
//!  core 1: load ──► core 0: a proxy ──► core 1: backend       alone: what the proxy costs
//!                                   └─► core 0: backend       saturated: what capacity means
//! ```
//!
//! - Everybody has one worker, writes no log, and is on loopback in a network of its own ([`namespace`]), with the
//!   same congestion control.
//! - Measured is the CPU time of the proxy's processes, all threads ([`roundhouse_benches::process::Cpu`]), for what
//!   the load counted. Contenders take turns (A B C A B C …), and the medians of the runs are compared.
//! - A row is a module with one function, `run`. What a gateway refuses or does not do yet is skipped, with its reason.
//!
//! Nothing here fails because a figure misses its aim: the table says so, and a person looks. On a busy machine only
//! the ratios say something; the load average is printed above them.

// A bench is a harness: it may stop where it stands, and printing is its work.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

mod bulk;
mod certificate;
mod comparison;
mod connections;
mod contender;
mod cores;
mod fast_open;
mod idle;
mod latency;
mod load;
mod many;
mod namespace;
mod options;
mod picture;
mod proof;
mod ready;
mod report;
mod small;
mod stage;
mod tls;
mod udp;
mod workers;

use clap::Parser as _;

use self::options::Options;
use self::stage::Stage;

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let network = namespace::enter()?;
    let mut stage = Stage::new(options, &network);
    for row in 1..=10 {
        if !stage.options.wants(row) {
            continue;
        }
        eprintln!("row {row} …");
        let done = match row {
            1 => small::run(&mut stage, &small::ALONE),
            2 => small::run(&mut stage, &small::SATURATED),
            3 => connections::run(&mut stage),
            4 => bulk::run(&mut stage),
            5 => udp::run(&mut stage),
            6 => idle::run(&mut stage),
            7 => many::run(&mut stage),
            8 => tls::run(&mut stage),
            9 => latency::run(&mut stage),
            _ => workers::run(&mut stage),
        };
        if let Err(skipped) = done {
            stage.report.skip(row, skipped);
        }
        // After each: what was measured must not be lost with what comes next.
        stage.report.write(&stage.options.out)?;
    }
    println!("{}", stage.report.text());
    stage.report.say_where(&stage.options.out);
    Ok(())
}
