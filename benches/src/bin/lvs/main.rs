//! The IPVS sink beside ipvsadm(8), on a kernel with IPVS (user-mode-linux).
//!
//! ```text
//! make bench-lvs                  1,000 services of 10 destinations
//! bench-lvs --services 100        fewer
//!
//! outside ─► linux.uml ─► this program again: ipvsadm and lvs-sync in turn, on the same set ─► figures ─► results
//! ```
//!
//! System calls are dear in there, so figures are ratios, of this kernel alone. ipvsadm is a process, and its start is in
//! its figure; lvs-sync's is a round of the program that runs, from a snapshot of the registry to what is in the kernel.

// A bench is a harness: it may stop where it stands, and printing is its work.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

mod figures;
mod inside;
mod latency;

use std::path::PathBuf;

use clap::Parser;
use roundhouse_benches::{Machine, process};
use roundhouse_tests::uml;

/// Measures lvs-sync's IPVS sink against the aims of its design.
#[derive(Debug, Parser)]
#[command(name = "bench-lvs")]
struct Options {
    /// Services, of 10 destinations each.
    #[arg(long, default_value_t = 1_000)]
    services: usize,
    /// Times that each is done, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where `<date>-lvs.json` and `<date>-lvs.txt` are written.
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    if uml::is_inside() {
        inside::run(options.services, options.rounds);
        return Ok(());
    }
    let mut machine = Machine::begin(false);
    let (services, rounds) = (options.services.to_string(), options.rounds.to_string());
    let ended = uml::run_inside(&["--services", &services, "--rounds", &rounds], &["wrr"])
        .expect("user-mode-linux runs");
    assert_eq!(ended.status, Some(0), "{}", ended.said);
    machine.end();
    let figures = figures::Figures::read(&ended.said);
    let date = process::first_output("date", &["+%F"]);
    let text = format!(
        "lvs-sync, {date}: {machine}
load {} before, {} after\n\n{figures}",
        machine.load_before, machine.load_after
    );
    println!("{text}");
    std::fs::create_dir_all(&options.out)?;
    std::fs::write(options.out.join(format!("{date}-lvs.txt")), &text)?;
    let json = serde_json::json!({ "machine": machine, "figures": figures });
    std::fs::write(options.out.join(format!("{date}-lvs.json")), format!("{json:#}\n"))
}
