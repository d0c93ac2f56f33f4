//! "Did you mean": the known names nearest to one that is unknown.

use roundhouse_config::suggest::distance;

use crate::table::Table;

/// More would be a list, not a suggestion.
const SHOWN: usize = 3;
/// Names looked at: beyond that the table is too large to compare with one by one for a hint.
const COMPARED: usize = 20_000;

/// The nearest names, best first: at most a third of the letters differ (optimal string alignment distance).
pub(super) fn nearest(name: &str, table: &Table) -> Vec<String> {
    let zone = table.zone.as_str();
    let prefix = table.inside_zone(name).unwrap_or(name);
    let jobs = table.jobs().map(|job| (job.label.as_str(), prefix, format!("{}.{zone}", job.label)));
    let domains = table.domains().map(|domain| (domain.name.as_str(), name, domain.name.to_string()));
    let mut near: Vec<(usize, String)> = jobs
        .chain(domains)
        .take(COMPARED)
        .filter_map(|(known, asked, shown)| {
            let allowed = (asked.chars().count() / 3).max(1);
            // Lengths that differ more cannot be near, and need no table.
            let apart = known.len().abs_diff(asked.len());
            let distance = (apart <= allowed).then(|| distance(asked, known))?;
            (distance <= allowed).then_some((distance, shown))
        })
        .collect();
    near.sort();
    near.into_iter().map(|(_, name)| name).take(SHOWN).collect()
}
