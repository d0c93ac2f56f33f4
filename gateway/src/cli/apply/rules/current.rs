//! The rules and guards that there are, by the API.

use std::collections::BTreeMap;

use roundhouse_config::Selector;
use roundhouse_registry::Revision;
use roundhouse_registry::record::{Guard, Name, Rule};
use serde::Deserialize;

use crate::cli::server::Server;

#[derive(Clone, Debug, Default)]
pub(super) struct Current {
    pub(super) rules: BTreeMap<Name, (Rule, Revision)>,
    pub(super) guards: BTreeMap<Selector, (Guard, Revision)>,
}

#[derive(Deserialize)]
struct ShownRule {
    id: Name,
    #[serde(flatten)]
    rule: Rule,
    revision: Revision,
}

#[derive(Deserialize)]
struct ShownGuard {
    selector: Selector,
    #[serde(flatten)]
    guard: Guard,
    revision: Revision,
}

impl Current {
    pub(super) async fn read(server: &Server) -> anyhow::Result<Current> {
        let rules: Vec<ShownRule> = server.get("/v1/rules").await?;
        let guards: Vec<ShownGuard> = server.get("/v1/guards").await?;
        Ok(Current {
            rules: rules.into_iter().map(|shown| (shown.id, (shown.rule, shown.revision))).collect(),
            guards: guards.into_iter().map(|shown| (shown.selector, (shown.guard, shown.revision))).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_shows_is_read_back() {
        let record = json!({"to": {"job": "redis"}, "from": {"cidr": ["10.0.0.0/8"]}, "action": "deny",
            "ports": [6379, "main"], "proof": "token", "dry_run": false, "expires": 17, "note": ""});
        let mut shown = record.clone();
        shown["id"] = json!("redis-1");
        shown["revision"] = json!(4);
        let read: ShownRule = serde_json::from_value(shown).unwrap();
        assert_eq!((json!(read.rule), read.id.as_str(), read.revision), (record, "redis-1", Revision(4)));
        let shown =
            json!({"selector": "job.redis", "rule": "redis-1", "since": 17, "note": "n", "revision": 5});
        let read: ShownGuard = serde_json::from_value(shown).unwrap();
        assert_eq!((read.selector.as_str(), read.guard.since.unwrap().seconds()), ("job.redis", 17));
        assert_eq!(read.revision, Revision(5));
    }
}
