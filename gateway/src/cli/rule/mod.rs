//! `roundhouse rule add` and `rm`.
//!
//! ```text
//! GET /v1/rules/<id> ─► decide (pure): the same? there already? ─► PUT, only if the record is still as it was read
//! ```

mod options;

use std::io::Write;

use anyhow::bail;
use hyper::Method;
use roundhouse_registry::Revision;
use roundhouse_registry::record::{Name, Rule, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use self::options::{RuleCommand, port};
use super::server::Server;
use super::{Outcome, Output, columns, guard, print_json};
use crate::jobs::differences;

/// What `GET /v1/rules/<id>` answers.
#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    rule: Rule,
    revision: Revision,
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Keep,
    Create,
    /// With what it changes, a sentence each.
    Replace(Revision, Vec<String>),
}

pub(super) async fn run(
    command: RuleCommand,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    match command {
        RuleCommand::Add(add) => {
            let wanted = add.rule(Timestamp::now())?;
            let before = server.find(&path(&add.id)).await?;
            let decision = decide(&add.id, before.as_ref(), &wanted, add.replace)?;
            let answer = write(&add.id, &decision, &wanted, server).await?;
            told(&add.id, &decision, &answer, output, out)
        }
        RuleCommand::Rm { id } => {
            let _: Value = server.delete(&path(&id)).await?;
            match output {
                Output::Json => print_json(&json!({ "action": "removed", "id": id }), out)?,
                Output::Table => writeln!(out, "removed rule {id}")?,
            }
            Ok(Outcome::Ok)
        }
    }
}

fn path(id: &Name) -> String {
    format!("/v1/rules/{id}")
}

/// A rule that somebody relies on is not lost to a name that was chosen twice.
fn decide(id: &Name, before: Option<&Shown>, wanted: &Rule, replace: bool) -> anyhow::Result<Decision> {
    let Some(before) = before else { return Ok(Decision::Create) };
    let differing = differences(&json!(before.rule), &json!(wanted)).into_iter();
    let changes: Vec<String> =
        differing.map(|change| format!("{}: {} -> {}", change.field, change.from, change.to)).collect();
    if changes.is_empty() {
        return Ok(Decision::Keep);
    }
    if !replace {
        let changes = columns::clean(&changes.join(", "));
        bail!(
            "there is a rule `{id}` already ({changes}); --replace puts this one in its place, or choose another id"
        );
    }
    Ok(Decision::Replace(before.revision, changes))
}

async fn write(id: &Name, decision: &Decision, wanted: &Rule, server: &Server) -> anyhow::Result<Value> {
    let condition = match decision {
        Decision::Keep => return Ok(Value::Null),
        Decision::Create => ("If-None-Match", "*".to_owned()),
        Decision::Replace(revision, _) => ("If-Match", format!("\"{revision}\"")),
    };
    Ok(server.send(Method::PUT, &path(id), &[(condition.0, &condition.1)], wanted).await?)
}

/// What was done on stdout, what the gateway made of it on stderr.
fn told(
    id: &Name,
    decision: &Decision,
    answer: &Value,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let (word, changes) = match decision {
        Decision::Keep => ("unchanged", &[][..]),
        Decision::Create => ("created", &[][..]),
        Decision::Replace(_, changes) => ("replaced", &changes[..]),
    };
    if output == Output::Json {
        let warnings = answer["warnings"].as_array().cloned().unwrap_or_default();
        let told = json!({ "action": word, "id": id, "changes": changes, "warnings": warnings, "guard": answer["guard"] });
        print_json(&told, out)?;
        return Ok(Outcome::Ok);
    }
    writeln!(out, "{word} rule {id}")?;
    for change in changes {
        writeln!(out, "    {}", columns::clean(change))?;
    }
    super::warn(&answer["warnings"]);
    guard::tell_new(&answer["guard"]);
    Ok(Outcome::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Shown {
        serde_json::from_str(text).unwrap()
    }

    const STORED: &str = r#"{"id":"a","to":{"job":"redis"},"from":{"jobname":"cop.coding","cidr":["10.0.0.0/8"]},
        "action":"allow","ports":[6379,"main"],"proof":"none","dry_run":false,"expires":null,"note":"","revision":7}"#;

    #[test]
    fn a_rule_that_is_there_is_replaced_only_when_told() {
        let (id, before) = ("a".parse().unwrap(), shown(STORED));
        let mut wanted = before.rule.clone();
        assert_eq!(decide(&id, None, &wanted, false).unwrap(), Decision::Create);
        assert_eq!(decide(&id, Some(&before), &wanted, false).unwrap(), Decision::Keep);
        assert_eq!(decide(&id, Some(&before), &wanted, true).unwrap(), Decision::Keep);
        wanted.dry_run = true;
        let refused = decide(&id, Some(&before), &wanted, false).unwrap_err().to_string();
        let sentence = "there is a rule `a` already (dry_run: false -> true); --replace puts this one in its place, or \
                        choose another id";
        assert_eq!(refused, sentence);
        let replaced = Decision::Replace(Revision(7), vec!["dry_run: false -> true".into()]);
        assert_eq!(decide(&id, Some(&before), &wanted, true).unwrap(), replaced);
    }

    #[test]
    fn what_was_done_is_told() {
        let id = "a".parse().unwrap();
        let mut out = Vec::new();
        let decision = Decision::Replace(Revision(7), vec!["note: \"\" -> \"x\"".into()]);
        told(&id, &decision, &json!({"warnings": []}), Output::Table, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "replaced rule a\n    note: \"\" -> \"x\"\n");
        let mut out = Vec::new();
        let answer = json!({"id": "a", "warnings": ["w"], "guard": "job.redis", "revision": 9});
        told(&id, &Decision::Create, &answer, Output::Json, &mut out).unwrap();
        let expected =
            json!({"action": "created", "id": "a", "changes": [], "warnings": ["w"], "guard": "job.redis"});
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
    }
}
