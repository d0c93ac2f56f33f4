//! What the kernel inside measured, and what it comes to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Before the one line that the program inside says to the one outside; a kernel says more.
pub(super) const MARK: &str = "bench-lvs figures: ";

/// Seconds of CPU time (of the process, kernel included) and of the clock.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Cost {
    pub(super) cpu: f64,
    pub(super) clock: f64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) kernel: String,
    pub(super) services: usize,
    /// Each of one round.
    pub(super) restore: Vec<Cost>,
    pub(super) first_sync: Vec<Cost>,
    pub(super) save: Vec<Cost>,
    pub(super) look: Vec<Cost>,
    /// Messages of a round after the first.
    pub(super) second_operations: u64,
    /// From the registry's answer to the kernel's table, milliseconds.
    pub(super) latency: Vec<f64>,
}

impl Figures {
    pub(super) fn read(said: &str) -> Figures {
        let line = said.lines().find_map(|line| line.split_once(MARK)).expect("the program inside says it");
        serde_json::from_str(line.1).expect("it is ours")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.services;
        writeln!(
            f,
            "Linux {} in user-mode, {n} services of 10 destinations; medians of {}",
            self.kernel,
            self.restore.len()
        )?;
        let mut row = |what: &str, ours: &[Cost], theirs: &str, peer: &[Cost], aim: f64| {
            let (ours, peer) = (median(ours), median(peer));
            let ratio = ours.cpu / peer.cpu;
            let met = if ratio <= aim { "met" } else { "NOT MET" };
            writeln!(
                f,
                "{what:<24} {:>8.3} s CPU {:>8.3} s   {theirs:<12} {:>8.3} s CPU {:>8.3} s   ratio {ratio:.3} (aim {aim}) {met}",
                ours.cpu, ours.clock, peer.cpu, peer.clock
            )
        };
        row("first sync", &self.first_sync, "ipvsadm -R", &self.restore, 0.15)?;
        row("full dump and diff", &self.look, "ipvsadm -Sn", &self.save, 0.8)?;
        let none = if self.second_operations == 0 { "met" } else { "NOT MET" };
        writeln!(f, "second run               {} operations (aim 0) {none}", self.second_operations)?;
        let mut latency = self.latency.clone();
        latency.sort_by(f64::total_cmp);
        let worst = latency.last().copied().unwrap_or_default();
        let middle = latency.get(latency.len() / 2).copied().unwrap_or_default();
        let met = if middle <= 20.0 { "met" } else { "NOT MET" };
        writeln!(
            f,
            "one instance's change    median {middle:.1} ms, worst of {} {worst:.1} ms from the registry's answer to the kernel's \
             table, 100 services (aim 20 ms) {met}",
            latency.len()
        )
    }
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |of: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Cost { cpu: middle(|cost| cost.cpu), clock: middle(|cost| cost.clock) }
}
