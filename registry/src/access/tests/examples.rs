//! What the documentation shows.

use crate::access::bootstrap;
use crate::record::{Job, Rule, read};

/// The fenced blocks of a language on the page, in its order.
fn blocks(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../../../docs/access.md");
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_documentation_s_records_are_right() {
    let [rule, outage, records] = blocks("json")[..] else { panic!("three of them") };
    let rule: Rule = read(rule.as_bytes()).unwrap();
    assert_eq!((rule.ports.len(), rule.from.cidr().len()), (2, 2));
    let job = format!(r#"{{"jobname":"job.a",{}"#, outage.trim().trim_start_matches('{'));
    assert!(read::<Job>(job.as_bytes()).unwrap().outage.is_default());

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), records).unwrap();
    let snapshot = bootstrap::read(file.path()).unwrap();
    assert_eq!((snapshot.rules.len(), snapshot.guards.len(), snapshot.live), (1, 1, 1));
}
