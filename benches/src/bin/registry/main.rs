//! The registry's numbers: one table, every figure beside its aim.
//!
//! ```text
//! make bench-registry                       all rows, at most six minutes
//! bench-registry --rows 1,3 --quick         some of them, shorter and rougher
//!
//! Etcd ◄─ Churn (1,000 changes/s) ─┐
//!   └─► Gateway (a process) ◄──────┴─ Probe: an instance moves; when does a request reach it?
//! ```
//!
//! A row is a module with one function, `run`. Rows that need a large registry share one ([`world::World`]), which only
//! ever grows. Nothing here fails because a figure misses its aim: the table says so, and a person looks.
//!
//! Figures of one run on a busy machine say little; the load average is printed above them.

// A bench is a harness: it may stop where it stands, and printing is its work.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

mod allocator;
mod change;
mod dip;
mod in_process;
mod listing;
mod memory;
mod options;
mod plane;
mod probe;
mod recovery;
mod report;
mod routable;
mod table;
mod world;

use clap::Parser as _;

use self::options::Options;
use self::report::Report;
use self::world::World;

/// All figures but the allocator's are taken with it counting nothing.
#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let mut report = Report::begin(&options);
    let mut world = World::new();
    // Row 3 first: it needs the world while it is small.
    for row in [3, 2, 5, 4, 1, 6, 7].into_iter().filter(|row| options.wants(*row)) {
        eprintln!("row {row} …");
        match row {
            1 => routable::run(&options, &mut report),
            2 => listing::run(&options, &mut world, &mut report),
            3 => memory::run(&options, &mut world, &mut report),
            4 => table::run(&options, &mut report),
            5 => change::run(&options, &mut world, &mut report),
            6 => dip::run(&options, &mut report),
            _ => recovery::run(&options, &mut report),
        }
    }
    let text = report.text();
    println!("{text}");
    report.write(&options.out, &text)
}
