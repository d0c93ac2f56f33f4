//! What docs/access-sdk.md shows is what is run here.

use roundhouse_registry::access::{Reason, bootstrap};
use roundhouse_tests::TempDir;

use super::c::EXAMPLE;

const DOCS: &str = include_str!("../../../docs/access-sdk.md");

/// The blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    DOCS.split(&start).skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn the_programs_are_those_that_are_run() {
    assert_eq!(blocks("c"), [EXAMPLE]);
    let rust = include_str!("example.rs").split("// ---- docs/access-sdk.md\n").nth(1).unwrap();
    assert_eq!(blocks("rust"), [rust]);
}

#[test]
fn the_bootstrap_file_can_be_read() {
    let folder = TempDir::new().unwrap();
    let [json] = blocks("json")[..] else { panic!("one block of JSON") };
    let file = folder.path().join("rules.json");
    std::fs::write(&file, json).unwrap();
    let snapshot = bootstrap::read(&file).unwrap();
    assert_eq!((snapshot.jobs.len(), snapshot.rules.len(), snapshot.guards.len()), (1, 1, 1));
}

#[test]
fn every_reason_is_explained() {
    for reason in Reason::ALL.map(Reason::as_str).into_iter().chain(["wrong_argument", "internal_error"]) {
        assert!(DOCS.contains(&format!("\n| `{reason}` | ")), "{reason}");
    }
}
