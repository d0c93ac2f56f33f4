//! `roundhouse guard add` and `rm`: jobs that are default-deny.

use std::io::{self, Write};

use clap::Subcommand;
use hyper::Method;
use roundhouse_config::Selector;
use roundhouse_registry::Revision;
use roundhouse_registry::record::{Guard, Record as _, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::server::{Server, encoded};
use super::{Outcome, Output, columns, print_json};

#[derive(Debug, Subcommand)]
pub(super) enum GuardCommand {
    /// Make jobs default-deny, also later ones: only whom an allow rule lets in gets in.
    Add {
        /// The jobs, such as service.redis_cop.coding.
        selector: Selector,
        /// What it is for [default: as it is].
        #[arg(long, value_name = "TEXT")]
        note: Option<Box<str>>,
    },
    /// Open jobs again: whom no rule speaks of is judged by the job's own `access`.
    Rm { selector: Selector },
}

/// What `GET /v1/guards/<selector>` answers.
#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    guard: Guard,
    revision: Revision,
}

pub(super) async fn run(
    command: GuardCommand,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    match command {
        GuardCommand::Add { selector, note } => {
            let before: Option<Shown> = server.find(&path(&selector)).await?;
            let wanted = wanted(before.as_ref().map(|shown| &shown.guard), note, Timestamp::now());
            wanted.check()?;
            let (word, condition) = match &before {
                Some(shown) if shown.guard == wanted => {
                    return told(&selector, "unchanged", &Value::Null, output, out);
                }
                Some(shown) => ("changed", ("If-Match", format!("\"{}\"", shown.revision))),
                None => ("created", ("If-None-Match", "*".to_owned())),
            };
            let answer =
                server.send(Method::PUT, &path(&selector), &[(condition.0, &condition.1)], &wanted).await?;
            let outcome = told(&selector, word, &answer["warnings"], output, out)?;
            if before.is_none() && output == Output::Table {
                tell_new(&json!(selector));
            }
            Ok(outcome)
        }
        GuardCommand::Rm { selector } => {
            let _: Value = server.delete(&path(&selector)).await?;
            let outcome = told(&selector, "removed", &Value::Null, output, out)?;
            if output == Output::Table {
                let _ = writeln!(
                    io::stderr(),
                    "note: jobs under `{selector}` that no other guard has are open again to whom no rule speaks of, as \
                     far as their own `access` says"
                );
            }
            Ok(outcome)
        }
    }
}

pub(super) fn path(selector: &Selector) -> String {
    format!("/v1/guards/{}", encoded(selector.as_str()))
}

/// The guard as it shall be: who or what brought it, and when, stays.
pub(super) fn wanted(before: Option<&Guard>, note: Option<Box<str>>, now: Timestamp) -> Guard {
    let mut guard = before.cloned().unwrap_or_else(|| Guard {
        job: None,
        rule: None,
        since: Some(now),
        note: Box::default(),
    });
    // Whoever names a subtree means the whole of it, not the one job that a rule had guarded.
    guard.job = None;
    if let Some(note) = note {
        guard.note = note;
    }
    guard
}

/// The guard that a write brought along, if it did, in whose face it closes what was open.
pub(super) fn tell_new(guard: &Value) {
    if let Some(selector) = guard.as_str() {
        let _ = writeln!(io::stderr(), "{}", columns::clean(&note(selector)));
    }
}

fn note(selector: &str) -> String {
    // A shell would look for files.
    let word = if selector.contains('*') { format!("'{selector}'") } else { selector.to_owned() };
    format!(
        "note: what the guard `{selector}` covers is default-deny from now on; `roundhouse guard rm {word}` opens it again"
    )
}

fn told(
    selector: &Selector,
    word: &str,
    warnings: &Value,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    if output == Output::Json {
        let warnings = warnings.as_array().cloned().unwrap_or_default();
        print_json(&json!({ "action": word, "selector": selector, "warnings": warnings }), out)?;
        return Ok(Outcome::Ok);
    }
    writeln!(out, "{word} guard {selector}")?;
    super::warn(warnings);
    Ok(Outcome::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brought_a_guard_stays() {
        let now = Timestamp::from_seconds(9);
        let shown: Shown = serde_json::from_str(
            r#"{"selector":"job.redis","rule":"redis-1","since":5,"note":"n","revision":3}"#,
        )
        .unwrap();
        assert_eq!(wanted(Some(&shown.guard), None, now), shown.guard);
        let changed = wanted(Some(&shown.guard), Some("m".into()), now);
        assert_eq!(changed, Guard { note: "m".into(), ..shown.guard.clone() });
        let one = Guard { job: "redis".parse().ok(), ..shown.guard.clone() };
        assert_eq!(wanted(Some(&one), None, now), shown.guard);
        assert_eq!(wanted(None, None, now), Guard { since: Some(now), ..Guard::default() });
    }

    #[test]
    fn a_new_guard_says_how_it_ends() {
        let redis = "note: what the guard `job.redis` covers is default-deny from now on; `roundhouse guard rm job.redis` \
                     opens it again";
        assert_eq!(note("job.redis"), redis);
        assert!(note("job.*").contains("`roundhouse guard rm 'job.*'`"));
        assert_eq!(path(&"job.*_cop.a".parse().unwrap()), "/v1/guards/job.%2A_cop.a");
    }
}
