//! The answer to a test as text: the sentence, who the peer can be, which rules were looked at, and what would be
//! otherwise.

use std::io::{self, Write};

use serde_json::Value;

use crate::cli::columns;
use crate::cli::get::text;

/// Instances of one job that are named; the others are counted.
const INSTANCES: usize = 3;

pub(super) fn print(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: {}", clean(&answer["verdict"]), clean(&answer["sentence"]))?;
    writeln!(out, "reason {}, {}", clean(&answer["reason"]), snapshot(answer))?;
    writeln!(out)?;
    candidates(answer, out)?;
    writeln!(out)?;
    rules(answer, out)?;
    writeln!(out)?;
    let default = &answer["default"];
    writeln!(out, "by default  {}, because of {}", clean(&default["verdict"]), clean(&default["because"]))?;
    if let Some(would) = would(answer) {
        writeln!(out, "dry run     {would}")?;
    }
    Ok(())
}

fn snapshot(answer: &Value) -> String {
    let age = match answer["stale_seconds"].as_f64() {
        Some(seconds) if seconds > 0.0 => format!(", {seconds:.1} s old"),
        _ => String::new(),
    };
    format!("as of revision {}{age}", answer["revision"])
}

fn candidates(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let all = items(&answer["candidates"]);
    let identity = &answer["identity"];
    let shared = answer["shared_ip"].as_bool() == Some(true);
    let taken_for = match (identity.as_str(), shared) {
        (Some(_), true) => format!("taken for {}, one of several jobs at the address", clean(identity)),
        (Some(_), false) => format!("taken for {}", clean(identity)),
        (None, _) if all.is_empty() => {
            "no live instance has the address: only rules by address alone can apply".into()
        }
        (None, _) => "taken for none of the jobs at the address alone: all of them must be let in".into(),
    };
    writeln!(out, "{taken_for}")?;
    if all.is_empty() {
        return Ok(());
    }
    let row = |item: &Value| {
        let shared = if item["shared_ip"].as_bool() == Some(true) { "yes" } else { "" };
        vec![text(&item["job"]), text(&item["jobname"]), shared.to_owned(), instances(&item["instances"])]
    };
    columns::print(&["JOB", "JOBNAME", "SHARED", "INSTANCES"], &all.iter().map(row).collect::<Vec<_>>(), out)
}

fn instances(list: &Value) -> String {
    let all = items(list);
    let mut named: Vec<String> = all.iter().take(INSTANCES).map(text).collect();
    match all.len().saturating_sub(INSTANCES) {
        0 => {}
        more => named.push(format!("{more} more")),
    }
    named.join(", ")
}

/// The one that decided has a star.
fn rules(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let all = items(&answer["rules"]);
    if all.is_empty() {
        return writeln!(out, "no rule is for this job");
    }
    let row = |item: &Value| {
        let id = text(&item["id"]);
        let star = if answer["rule"] == item["id"] { '*' } else { ' ' };
        let dry = if item["dry_run"].as_bool() == Some(true) { " (dry run)" } else { "" };
        let counts = if item["counts"].as_bool() == Some(true) { "yes" } else { "no" };
        vec![
            format!("{star} {id}"),
            format!("{}{dry}", text(&item["action"])),
            counts.to_owned(),
            text(&item["why"]),
        ]
    };
    columns::print(&["  RULE", "ACTION", "COUNTS", "WHY"], &all.iter().map(row).collect::<Vec<_>>(), out)
}

/// `None`: no rule is only tried.
fn would(answer: &Value) -> Option<String> {
    let tried = items(&answer["rules"]).iter().any(|rule| rule["dry_run"].as_bool() == Some(true));
    let would = &answer["would"];
    if would.is_null() {
        return tried.then(|| "enforced, the dry-run rules would change nothing".to_owned());
    }
    let by = match would["rule"].as_str() {
        Some(_) => format!("by rule `{}`", clean(&would["rule"])),
        None => "since no allow rule would match".to_owned(),
    };
    Some(format!("enforced, the dry-run rules would say {}, {by}", clean(&would["verdict"])))
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn clean(value: &Value) -> String {
    columns::clean(&text(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(answer: &Value) -> String {
        let mut out = Vec::new();
        print(answer, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn allowed() -> Value {
        json!({"verdict": "allow", "reason": "rule", "rule": "redis-1", "identity": "job.app2_cop.coding",
            "shared_ip": true, "sentence": "job.app2_cop.coding at 10.0.0.7 may reach redis:main by rule `redis-1`",
            "revision": 17, "stale_seconds": 0.44, "default": {"verdict": "deny", "because": "guard `job.redis`"},
            "candidates": [
                {"job": "app2", "jobname": "job.app2_cop.coding", "shared_ip": true, "instances": ["a", "b", "c", "d", "e"]},
                {"job": "blog", "jobname": "job.blog", "shared_ip": false, "instances": ["f"]}],
            "rules": [
                {"id": "redis-1", "action": "allow", "dry_run": false, "counts": true, "why": "matches"},
                {"id": "tried", "action": "deny", "dry_run": true, "counts": false, "why": "matches, and is only tried"},
                {"id": "web", "action": "allow", "dry_run": false, "counts": false, "why": "is for the port web"}],
            "would": {"verdict": "deny", "rule": "tried"}})
    }

    #[test]
    fn an_answer_reads_from_the_sentence_to_what_would_be() {
        let text = "\
allow: job.app2_cop.coding at 10.0.0.7 may reach redis:main by rule `redis-1`
reason rule, as of revision 17, 0.4 s old

taken for job.app2_cop.coding, one of several jobs at the address
JOB   JOBNAME              SHARED  INSTANCES
app2  job.app2_cop.coding  yes     a, b, c, 2 more
blog  job.blog             -       f

  RULE     ACTION          COUNTS  WHY
* redis-1  allow           yes     matches
  tried    deny (dry run)  no      matches, and is only tried
  web      allow           no      is for the port web

by default  deny, because of guard `job.redis`
dry run     enforced, the dry-run rules would say deny, by rule `tried`
";
        assert_eq!(printed(&allowed()), text);
    }

    #[test]
    fn a_stranger_without_rules_is_told_so() {
        let stranger = json!({"verdict": "deny", "reason": "default", "rule": null, "identity": null, "shared_ip": false,
            "sentence": "nobody at 10.9.9.9 may reach redis", "revision": 3, "stale_seconds": 0.0,
            "default": {"verdict": "deny", "because": "the job's `access`"}, "candidates": [], "rules": [], "would": null});
        let text = "\
deny: nobody at 10.9.9.9 may reach redis
reason default, as of revision 3

no live instance has the address: only rules by address alone can apply

no rule is for this job

by default  deny, because of the job's `access`
";
        assert_eq!(printed(&stranger), text);
    }

    #[test]
    fn what_is_tried_is_told_also_where_it_changes_nothing() {
        let mut answer = allowed();
        answer["would"] = Value::Null;
        assert!(printed(&answer).ends_with("dry run     enforced, the dry-run rules would change nothing\n"));
        answer["would"] = json!({"verdict": "deny", "rule": null});
        assert!(printed(&answer).contains("would say deny, since no allow rule would match\n"));
        answer["identity"] = Value::Null;
        assert!(
            printed(&answer)
                .contains("taken for none of the jobs at the address alone: all of them must be let in")
        );
        answer["sentence"] = json!("a\x1b[31mb");
        assert!(printed(&answer).contains("allow: a\\u{1b}[31mb\n"));
    }
}
