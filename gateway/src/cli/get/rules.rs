//! Rows of access rules and guards: when they end is told from now, and a note is a hint of itself.

use roundhouse_registry::record::Timestamp;
use serde_json::Value;

use super::rows::{list, target};
use super::text;
use crate::cli::moment;

pub(super) const HEADS: [&str; 10] =
    ["RULE", "TO", "FROM", "ACTION", "PORTS", "HTTP", "PROOF", "DRY-RUN", "EXPIRES", "NOTE"];

/// Characters of a note: `-o json` has all of it.
const NOTE: usize = 40;

/// In the order of [`HEADS`].
pub(super) fn rule(item: &Value, now: Timestamp) -> Vec<String> {
    let proof = text(&item["proof"]);
    let dry_run = item["dry_run"].as_bool() == Some(true);
    vec![
        text(&item["id"]),
        target(&item["to"]),
        joined(" in ", [text(&item["from"]["jobname"]), list(&item["from"]["cidr"])]),
        text(&item["action"]),
        list(&item["ports"]),
        joined(" ", [list(&item["methods"]), list(&item["paths"])]),
        if proof == "none" { String::new() } else { proof },
        if dry_run { "yes".into() } else { String::new() },
        told(&item["expires"], now, moment::until),
        cut(&text(&item["note"])),
    ]
}

/// In the order of the heads of guards.
pub(super) fn guard(item: &Value, now: Timestamp) -> Vec<String> {
    let since = told(&item["since"], now, moment::ago);
    let covers = match item["job"].as_str() {
        Some(job) => format!("job {job}"),
        None => "its subtree".into(),
    };
    vec![text(&item["selector"]), covers, text(&item["rule"]), since, cut(&text(&item["note"]))]
}

fn joined(between: &str, parts: [String; 2]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(between)
}

/// Empty where there is no moment.
fn told(moment: &Value, now: Timestamp, tell: fn(Timestamp, Timestamp) -> String) -> String {
    let seconds = moment.as_u64().map(Timestamp::from_seconds);
    seconds.map(|moment| tell(moment, now)).unwrap_or_default()
}

fn cut(note: &str) -> String {
    match note.char_indices().nth(NOTE) {
        Some((end, _)) => format!("{}…", note.get(..end).unwrap_or_default().trim_end()),
        None => note.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_is_told_from_now() {
        let now = Timestamp::from_seconds(10_000);
        let mut item = json!({"id": "redis-1", "action": "allow", "dry_run": true, "to": {"job": "redis"},
            "ports": [6379, "main"], "methods": ["GET", "PUT"], "paths": ["/a"], "proof": "token", "expires": 13_600,
            "from": {"jobname": "cop.coding", "cidr": ["10.0.0.0/8"]}, "note": "ä".repeat(41)});
        let note = format!("{}…", "ä".repeat(40));
        let full = [
            "redis-1",
            "redis",
            "cop.coding in 10.0.0.0/8",
            "allow",
            "6379,main",
            "GET,PUT /a",
            "token",
            "yes",
        ];
        assert_eq!(rule(&item, now), [&full[..], &["in 1h", &note]].concat());
        item = json!({"id": "r", "action": "deny", "dry_run": false, "to": {"jobname": "cop.a"}, "ports": [],
            "proof": "none", "expires": 9_940, "from": {"cidr": ["::/0"]}, "note": ""});
        let short = ["r", "cop.a", "::/0", "deny", "", "", "", "", "expired 1m ago", ""];
        assert_eq!(rule(&item, now), short);
    }

    #[test]
    fn a_guard_says_since_when() {
        let now = Timestamp::from_seconds(10_000);
        let item =
            json!({"selector": "job.redis", "job": "redis", "rule": "redis-1", "since": 9_995, "note": "n"});
        assert_eq!(guard(&item, now), ["job.redis", "job redis", "redis-1", "5s ago", "n"]);
        assert_eq!(
            guard(&json!({"selector": "job.x", "rule": null, "since": null, "note": ""}), now)[1..],
            ["its subtree", "", "", ""]
        );
    }
}
