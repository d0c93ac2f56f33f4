//! docs/access-log.md says what is written, field by field.

use std::collections::BTreeSet;

use serde_json::Value;

use super::FULL;

const PAGE: &str = include_str!("../../../../docs/access-log.md");

/// `instance.id` and the like. What is in `headers` is the reader's own choice.
fn fields(value: &Value, before: &str, all: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = format!("{before}{name}");
        if value.is_object() && name != "headers" {
            fields(value, &format!("{name}."), all);
        } else {
            all.insert(name);
        }
    }
}

#[test]
fn the_example_is_a_line_that_is_written() {
    let (_, rest) = PAGE.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let (example, line): (Value, Value) =
        (serde_json::from_str(example).unwrap(), serde_json::from_str(FULL).unwrap());
    assert_eq!(example, line);
}

#[test]
fn each_field_has_its_row_and_each_row_its_field() {
    let mut written = BTreeSet::new();
    fields(&serde_json::from_str(FULL).unwrap(), "", &mut written);
    let (_, table) = PAGE.split_once("| field |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let names = table.lines().skip(2).filter_map(|row| row.split('|').nth(1));
    let described: BTreeSet<String> =
        names.flat_map(str::split_whitespace).map(|name| name.trim_matches('`').to_owned()).collect();
    assert_eq!(described, written);
}
