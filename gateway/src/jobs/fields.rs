//! What differs between two records, field by field.

use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldChange {
    /// As in `ports[0].port`.
    pub(crate) field: String,
    /// `null`: not there.
    pub(crate) from: Value,
    pub(crate) to: Value,
}

pub(crate) fn differences(from: &Value, to: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    walk("", from, to, &mut found);
    found
}

fn walk(path: &str, from: &Value, to: &Value, found: &mut Vec<FieldChange>) {
    match (from, to) {
        _ if from == to => {}
        (Value::Object(before), Value::Object(after)) => {
            let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let value = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                walk(&path, &value(before), &value(after), found);
            }
        }
        // Lists of another length are shown whole: index by index, one insertion would change everything behind it.
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (i, (before, after)) in before.iter().zip(after).enumerate() {
                walk(&format!("{path}[{i}]"), before, after, found);
            }
        }
        _ => found.push(FieldChange { field: path.to_owned(), from: from.clone(), to: to.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_named_where_they_are() {
        let from = json!({"a": 1, "b": {"c": [1, 2], "d": null}, "e": [1]});
        let to = json!({"a": 1, "b": {"c": [1, 3], "f": "x"}, "e": [1, 2]});
        let lines = differences(&from, &to)
            .into_iter()
            .map(|change| format!("{} {} {}", change.field, change.from, change.to));
        assert_eq!(lines.collect::<Vec<_>>(), ["b.c[1] 2 3", "b.f null \"x\"", "e [1] [1,2]"]);
        assert_eq!(differences(&to, &to), []);
    }
}
