//! A round in a terminal.

use std::io::{self, Write};

use roundhouse_registry::record::Timestamp;

use crate::sync::Report;

pub(super) fn print_plan(report: &Report, now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let sink = report.sink;
    match report.plan.ops.len() {
        0 => writeln!(out, "{sink}: nothing to do at revision {}", report.revision)?,
        n => writeln!(out, "{sink}: {n} operation(s) for revision {}", report.revision)?,
    }
    for op in &report.plan.ops {
        let failed = report.failed.iter().find(|failed| failed.op == *op);
        match failed {
            Some(failed) => writeln!(out, "  {op}    FAILED: {}", failed.error)?,
            None => writeln!(out, "  {op}")?,
        }
    }
    for problem in &report.plan.problems {
        writeln!(out, "  {}: {problem}", if problem.blocks() { "problem" } else { "warning" })?;
    }
    for draining in &report.plan.draining {
        let left = draining.deadline.since(now).as_secs();
        writeln!(
            out,
            "  draining {} of {}: {} connection(s), {left} s left",
            draining.address, draining.service, draining.open
        )?;
    }
    for doubted in &report.plan.doubted {
        let n = doubted.vanished.len();
        let left = doubted.until.since(now).as_secs();
        writeln!(
            out,
            "  waiting {left} s: {n} of the destinations of {} vanished together and may be alive; --force believes it now",
            doubted.service
        )?;
    }
    Ok(())
}
