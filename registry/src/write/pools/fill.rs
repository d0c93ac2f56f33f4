//! From a pool as it was written to one with its VIPs. Pure.

use std::net::IpAddr;

use roundhouse_config::Label;

use super::among::Among;
use super::choose::{Taken, choose, usage};
use crate::record::{Network, Pool};
use crate::write::WriteError;

/// The pool with its VIPs, and the lines that gave some.
pub(super) fn filled(
    name: &Label,
    pool: &Pool,
    among: &Among,
    now: u64,
) -> Result<(Pool, Vec<Label>), WriteError> {
    let (_, stored) = among.pool(name);
    let mut taken = among.taken(pool);
    let (mut filled, mut gave) = (pool.clone(), Vec::new());
    for line in open_lines(pool, stored, among) {
        // What the record gives to another line by name is there now.
        let elsewhere = |vip: &IpAddr| pool.vips().any(|(_, written)| written == *vip);
        let mut vips = stored.and_then(|stored| stored.lines.get(&line)).cloned().unwrap_or_default();
        vips.retain(|vip| !elsewhere(vip));
        let ranges = among.line(&line)?.map(|record| record.vips).unwrap_or_default();
        for of_family in [IpAddr::is_ipv4, IpAddr::is_ipv6] {
            let ranges: Vec<Network> =
                ranges.iter().copied().filter(|range| of_family(&range.net().addr())).collect();
            if ranges.is_empty() || vips.iter().any(of_family) {
                continue;
            }
            let vip = choose(&ranges, &taken, now).ok_or_else(|| exhausted(&line, &ranges, &taken))?;
            taken.insert(vip, None);
            vips.push(vip);
            gave.push(line.clone());
        }
        filled.lines.insert(line, vips);
    }
    gave.dedup();
    Ok((filled, gave))
}

/// The lines that say nothing of their VIPs: those with none, or all there are if no line is named.
fn open_lines(pool: &Pool, stored: Option<&Pool>, among: &Among) -> Vec<Label> {
    if !pool.lines.is_empty() {
        return pool.lines.iter().filter(|(_, vips)| vips.is_empty()).map(|(line, _)| line.clone()).collect();
    }
    let kept = stored.into_iter().flat_map(|stored| stored.lines.keys());
    let mut lines: Vec<Label> = kept.chain(among.lines_with_vips()).cloned().collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

fn exhausted(line: &Label, ranges: &[Network], taken: &Taken) -> WriteError {
    let usages = ranges.iter().map(|range| usage(*range, taken));
    let (used, size) =
        usages.fold((0, 0u128), |(used, size), usage| (used + usage.used, size.saturating_add(usage.size)));
    let ranges = ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    WriteError::NoPoolVip { line: line.clone(), ranges, used, size }
}
