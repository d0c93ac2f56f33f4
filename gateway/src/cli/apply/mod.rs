//! `roundhouse apply` and `diff`: the registry as a file says, one of jobs or (`.toml`, module `rules`) one of rules.
//!
//! ```text
//! JobsFile ─► Desired (hosts looked up) ─┐
//!                                        ├─► plan (pure) ─► print, and write with If-Match
//! GET /v1/jobs/…, /v1/domains/… ─► Current ─┘
//! ```
//!
//! The plan is [`crate::jobs`]'s, and the same for a file that a gateway watches.
//!
//! The file is the truth for what it can say: what it leaves out is the default, but for who a job is (JOBNAME, VIP) and
//! who may come in. What it cannot say keeps its stored value, so that a drained instance stays drained. Nothing is
//! deleted: what is in the registry and not in the file is left alone, and a static instance that is left is named. One
//! job's failure does not stop the others; it is told with the job's place in the file. A gateway that does not answer
//! stops it all.

mod current;
mod report;
mod rules;
mod write;

use std::io::{self, Write};
use std::path::Path;

use anyhow::bail;
use roundhouse_config::{JobSpec, JobsFile, Problems};
use roundhouse_registry::http::HttpError;

use self::report::{Line, Mode, Report};
use super::server::Server;
use super::{Outcome, Output};
use crate::jobs::{Desired, plan};

pub(super) async fn apply(
    file: &Path,
    prune: bool,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    whichever(file, prune, server, Report::new(Mode::Apply, output), out).await
}

/// What [`apply`] would do.
pub(super) async fn diff(
    file: &Path,
    prune: bool,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    whichever(file, prune, server, Report::new(Mode::Diff, output), out).await
}

/// By its name: `.toml` is a rules file, anything else a jobs file.
async fn whichever(
    file: &Path,
    prune: bool,
    server: &Server,
    report: Report,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    if file.extension().is_some_and(|extension| extension == "toml") {
        return rules::whole_file(file, prune, server, report, out).await;
    }
    if prune {
        bail!("--prune is for rules files (.toml); what a jobs file leaves out is left alone");
    }
    each_job(file, server, report, out).await
}

async fn each_job(
    file: &Path,
    server: &Server,
    mut report: Report,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let jobs = match JobsFile::from_file(file) {
        Ok(jobs) => jobs,
        Err(problems) => return Ok(refused(&problems)),
    };
    for spec in &jobs.jobs {
        if let Err(error) = one_job(spec, server, &mut report, out).await {
            if is_final(&error) {
                return Err(error);
            }
            let place = format!("{}:{}:{}", file.display(), spec.place.line, spec.place.column);
            report.failed(&format!("{place}: job `{}`: {error:#}", spec.label));
        }
    }
    report.finish(out)
}

async fn one_job(
    spec: &JobSpec,
    server: &Server,
    report: &mut Report,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let desired = Desired::read(spec).await?;
    let current = current::read(&desired, server).await?;
    for change in plan(&desired, &current) {
        if report.mode() == Mode::Apply {
            write::carry_out(&change, server).await?;
        }
        report.add(&Line::of(&change), out)?;
    }
    Ok(())
}

fn refused(problems: &Problems) -> Outcome {
    let _ = writeln!(io::stderr(), "{problems}");
    Outcome::Failed
}

/// An output that is closed, or a gateway that is gone, is gone for the next job too.
fn is_final(error: &anyhow::Error) -> bool {
    error.is::<io::Error>()
        || matches!(error.downcast_ref(), Some(HttpError::Unavailable { .. } | HttpError::Strange { .. }))
}
