//! `apply` and `diff` of a rules file.
//!
//! ```text
//! RulesFile ─────────────────────────┐
//!                                    ├─► plan (pure) ─► print, and write with If-Match, in the plan's order
//! GET /v1/guards, /v1/rules ─► Current ─┘
//! ```
//!
//! Jobs are each their own; rules are one set, and half of it may let in whom the whole keeps out. So the plan closes
//! before it opens, and the first write that fails is the last.

mod current;
mod plan;
mod write;

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use roundhouse_config::Place;
use roundhouse_registry::record::Timestamp;

use self::current::Current;
use self::plan::{Step, plan};
use super::is_final;
use super::report::{Deed, Line, Mode, Report};
use crate::cli::Outcome;
use crate::cli::rules_file::RulesFile;
use crate::cli::server::Server;

pub(super) async fn whole_file(
    path: &Path,
    prune: bool,
    server: &Server,
    mut report: Report,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let file = match RulesFile::from_file(path) {
        Ok(file) => file,
        Err(problems) => return Ok(super::refused(&problems)),
    };
    if prune && file.rules.is_empty() {
        bail!(
            "{}: has no rule, and with --prune every rule would go, the denies too; take them out with `roundhouse rule rm`",
            path.display()
        );
    }
    let current = Current::read(server).await?;
    let (steps, left) = plan(&file, &current, prune, Timestamp::now());
    report.leave(left);
    for (done, step) in steps.iter().enumerate() {
        if report.mode() == Mode::Apply
            && let Err(error) = write::carry_out(step, server).await
        {
            let error = anyhow::Error::from(error);
            if is_final(&error) {
                return Err(error);
            }
            report.failed(&format!("{}: {error:#}{}", reference(path, step), undone(&steps, done)));
            break;
        }
        let deed = step.deed;
        let line = Line {
            deed,
            kind: step.subject.kind(),
            name: step.subject.to_string(),
            fields: step.fields.clone(),
        };
        report.add(&line, out)?;
    }
    report.finish(out)
}

/// Where the file has it, and what it is.
fn reference(path: &Path, step: &Step) -> String {
    let place = match step.place {
        Some(Place { line, column }) => format!("{}:{line}:{column}", path.display()),
        None => path.display().to_string(),
    };
    format!("{place}: {} `{}`", step.subject.kind(), step.subject)
}

/// What a failure leaves as it was.
fn undone(steps: &[Step], failed: usize) -> String {
    let rest = steps.iter().skip(failed + 1).filter(|step| step.deed != Deed::Keep).count();
    match rest {
        0 => String::new(),
        1 => "; 1 more change is not made, since what opens comes after what closes".to_owned(),
        _ => format!("; {rest} more changes are not made, since what opens comes after what closes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_where_it_is_and_what_it_left_undone() {
        let text = "[[rule]]\nid = \"a\"\nto = { job = \"x\" }\nfrom = { cidr = [\"::/0\"] }\naction = \"allow\"\n\
                    [[guard]]\nselector = \"job.x\"\n[[guard]]\nselector = \"job.y\"\n";
        let file = RulesFile::parse(text, "f.toml").unwrap();
        let (steps, _) = plan(&file, &Current::default(), false, Timestamp::now());
        assert_eq!(reference(Path::new("f.toml"), &steps[0]), "f.toml:7:12: guard `job.x`");
        assert!(undone(&steps, 0).starts_with("; 2 more changes are not made, since"));
        assert!(undone(&steps, 1).starts_with("; 1 more change is not made, since"));
        assert_eq!(undone(&steps, 2), "");
    }
}
