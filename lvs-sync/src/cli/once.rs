//! `plan` and `apply --once`: the registry is read once, and nobody stays.

use std::io::{IsTerminal, Write};

use anyhow::Context as _;
use roundhouse_config::DirectorSettings;
use roundhouse_registry::Snapshot;
use roundhouse_registry::record::Timestamp;
use serde_json::Value;

use super::Outcome;
use super::lead::Lead;
use super::options::Output;
use super::shown;
use crate::ipvsadm;
use crate::model::Services;
use crate::run::Binder;
use crate::run::{self, source};
use crate::sync::{Report, Round, StateFile, Sync, json};

/// A sink that is not as believed is looked at again so often: somebody else writes to it all the time.
const ROUNDS: usize = 5;

pub(super) async fn plan(
    settings: &DirectorSettings,
    force: bool,
    table: bool,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let snapshot = read(settings).await?;
    let file = StateFile::peek(&settings.state_file)?;
    let round = Round { look: true, forced: force, dry: true, until: None };
    let mut reports = Vec::new();
    for sink in run::sinks(settings)? {
        let kind = sink.kind();
        let mut sync = Sync::new(sink, run::held(settings), file.of(kind));
        if table {
            let wanted = sync.wanted(&snapshot, Timestamp::now());
            let services: Services =
                wanted.services.into_iter().map(|(key, wanted)| (key, wanted.service)).collect();
            write!(out, "{}", ipvsadm::table(&services))?;
        }
        reports.push(
            sync.round(&snapshot, Timestamp::now(), round, |_| Ok(())).with_context(|| format!("{kind}"))?,
        );
    }
    if !table {
        print(&reports, output, out)?;
    }
    let changes = reports.iter().any(|report| !report.plan.ops.is_empty());
    Ok(match (has_problems(&reports), changes) {
        (true, _) => Outcome::Failed,
        (false, true) => Outcome::Different,
        (false, false) => Outcome::Ok,
    })
}

pub(super) async fn apply(
    settings: &DirectorSettings,
    force: bool,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let file = StateFile::open(&settings.state_file)?;
    let snapshot = read(settings).await?;
    let mut reports = Vec::new();
    let mut lead = Lead::none();
    for of in &settings.sinks {
        let sink = run::sink(of)?;
        let kind = sink.kind();
        let (_campaign, until) = match of.shared() {
            Some(name) => {
                let (campaign, until) = lead.take(settings, name, sink.longest_call(), &snapshot).await?;
                (Some(campaign), until)
            }
            None => (None, None),
        };
        let mut sync = Sync::new(sink, run::held(settings), file.of(kind));
        let binder = settings.bind.as_ref().map(|device| Binder::new(device.clone()));
        let first = Round { look: true, forced: force, until, ..Round::default() };
        let report = settle(&mut sync, &snapshot, first, &file, binder.as_ref()).await;
        reports.push(report.with_context(|| format!("{kind}"))?);
    }
    lead.give_back().await;
    print(&reports, output, out)?;
    let failed = reports.iter().any(|report| !report.failed.is_empty());
    Ok(if failed || has_problems(&reports) { Outcome::Failed } else { Outcome::Ok })
}

/// Rounds until the sink is as it should be, but for what drains.
async fn settle(
    sync: &mut Sync,
    snapshot: &Snapshot,
    round: Round,
    file: &StateFile,
    binder: Option<&Binder>,
) -> anyhow::Result<Report> {
    let kind = sync.sink.kind();
    let mut done: Option<Report> = None;
    for n in 1..=ROUNDS {
        progress(&match n {
            1 => format!("{kind}: looking at what there is …"),
            _ => format!("{kind}: once more, since it was not as it had been …"),
        });
        if let Some(binder) = binder {
            run::bind(binder, sync, snapshot, file)?;
        }
        let mut report = sync.round(snapshot, Timestamp::now(), round, |state| file.save(kind, state))?;
        if let Some(binder) = binder {
            run::unbind(binder, sync, snapshot, file)?;
        }
        progress(&format!("{kind}: {} operation(s) done", report.plan.ops.len() - report.failed.len()));
        let (again, to_probe) = (report.again, report.to_probe.clone());
        if let Some(before) = done.take() {
            // What was done in all rounds, and what is left after the last.
            report.plan.ops.splice(0..0, before.plan.ops);
        }
        sync.probes().ask(&to_probe).await;
        let dead = !to_probe.is_empty() && sync.probes().any_dead();
        done = Some(report);
        if !again && !dead {
            break;
        }
    }
    done.context("no round was made")
}

/// For who waits at a terminal; a pipe sees the answer alone.
fn progress(text: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = writeln!(stderr, "{text}");
    }
}

async fn read(settings: &DirectorSettings) -> anyhow::Result<Snapshot> {
    progress(&format!("reading the registry {} …", settings.registry.url));
    let source = source::open(&settings.registry)?;
    let listing = source.list().await.with_context(|| {
        format!("the registry {} cannot be read, and nothing is changed without it", settings.registry.url)
    })?;
    Ok(Snapshot::from_listing(listing))
}

fn has_problems(reports: &[Report]) -> bool {
    reports.iter().flat_map(|report| &report.plan.problems).any(crate::desired::Problem::blocks)
}

fn print(reports: &[Report], output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let now = Timestamp::now();
    match output {
        Output::Json => {
            let shown: Vec<_> = reports.iter().map(|report| json(report, now)).collect();
            writeln!(out, "{:#}", Value::Array(shown))?;
        }
        Output::Table => {
            for report in reports {
                shown::print_plan(report, now, out)?;
            }
        }
    }
    Ok(())
}
