//! What the registry is told of this director: DNS names only VIPs that are applied, and operators look here.

use std::time::Duration;

use roundhouse_config::DirectorSettings;
use roundhouse_registry::Revision;
use roundhouse_registry::presence::Progress;
use roundhouse_registry::record::{Director as Record, Key, Sorted};

use super::Running;
use super::worker::Shown;

/// A director that is gone is named no longer than this.
pub(crate) const TTL: Duration = Duration::from_secs(20);

/// The record, as it is now.
pub(crate) fn record(settings: &DirectorSettings, sinks: &[Running]) -> Record {
    let mut record = Record {
        version: env!("CARGO_PKG_VERSION").into(),
        host: host_name(&settings.director),
        sinks: Vec::new(),
        lines: settings.lines.clone(),
        revision: Revision(0),
        drift: 0,
        applied: Sorted::default(),
        problems: 0,
    };
    let mut revisions = Vec::new();
    let mut applied = Vec::new();
    for sink in sinks {
        let shown = sink.shown.borrow();
        record.sinks.push(shown.sink);
        let Shown { report: Some(report), error, .. } = &*shown else {
            revisions.push(Revision(0));
            continue;
        };
        // What a sink that is not in step shows is what it showed last.
        revisions.push(report.revision);
        record.drift += report.counters.drift;
        record.problems += report.plan.problems.len() as u64 + report.failed.len() as u64;
        record.problems += u64::from(error.is_some());
        applied.extend(report.vips.iter().map(|(pool, vips)| (pool.clone(), vips.iter().copied().collect())));
    }
    record.revision = revisions.into_iter().min().unwrap_or_default();
    record.applied = applied.into_iter().collect();
    record
}

/// A host that was given none says `(none)`, which is none: the director's id names it then.
fn host_name(director: &str) -> String {
    let uname = rustix::system::uname();
    let right = |name: &&str| Key::parse(&format!("directors/{name}")).is_ok();
    uname.nodename().to_str().ok().filter(right).unwrap_or(director).to_owned()
}

/// What became of telling it, for the log.
pub(super) fn log(progress: &Progress) {
    match progress {
        Progress::Registered => tracing::info!("announced"),
        Progress::Pending { error: Some(error) } => tracing::warn!(error, "not announced, trying again"),
        Progress::Pending { error: None } => {}
        Progress::Failing { reason } | Progress::Refused { reason } => {
            tracing::error!(reason, "the registry refuses this director's record");
        }
    }
}
