//! Reads one table of a rules file: values by the types of the records, mistakes into the [`Notes`].

use std::fmt::Display;

use roundhouse_config::suggest;
use roundhouse_registry::record::ValueError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::notes::Notes;

/// A word far longer than any key is no slip.
const MAX_WORD: usize = 64;

pub(super) struct Table<'a> {
    notes: &'a Notes<'a>,
    path: String,
    at: usize,
    /// `None`: it is no table, which has been noted.
    table: Option<&'a DeTable<'a>>,
    known: &'static [&'static str],
}

impl<'a> Table<'a> {
    pub(super) fn root(
        notes: &'a Notes<'a>,
        table: &'a DeTable<'a>,
        known: &'static [&'static str],
    ) -> Table<'a> {
        Table { notes, path: String::new(), at: 0, table: Some(table), known }
    }

    /// `[[key]]`
    pub(super) fn tables(&self, key: &'static str, known: &'static [&'static str]) -> Vec<Table<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let hint = format!("write [[{key}]] above each");
            self.notes.wrong(value.span().start, key, "is no array of tables", Some(hint));
            return Vec::new();
        };
        let child = |(n, value): (usize, &'a Spanned<DeValue<'a>>)| {
            let (path, at) = (format!("{key}[{n}]"), value.span().start);
            let table = value.get_ref().as_table();
            if table.is_none() {
                self.notes.wrong(at, &path, "is no table", Some(format!("write [[{key}]] above each")));
            }
            Table { notes: self.notes, path, at, table, known }
        };
        array.iter().enumerate().map(child).collect()
    }

    /// The table under a key that must be there.
    pub(super) fn inner(
        &self,
        key: &'static str,
        known: &'static [&'static str],
        example: &str,
    ) -> Option<Table<'a>> {
        let value = self.present(key, example)?;
        let at = value.span().start;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.notes.wrong(at, &self.path_of(key), "is no table", Some(format!("write {key} = {example}")));
            return None;
        }
        Some(Table { notes: self.notes, path: self.path_of(key), at, table, known })
    }

    pub(super) fn required<T: DeserializeOwned>(&self, key: &'static str, example: &str) -> Option<T> {
        self.present(key, example)?;
        self.optional(key, example)
    }

    pub(super) fn optional<T: DeserializeOwned>(&self, key: &'static str, example: &str) -> Option<T> {
        let value = self.value(key)?;
        let read = of(value.get_ref());
        read.map_err(|error| self.wrong(key, &error, Some(format!("write {key} = {example}")))).ok()
    }

    /// Each item by itself, so that each mistake has its place. `check` says what the type cannot.
    pub(super) fn list<T: DeserializeOwned + PartialEq + Display>(
        &self,
        key: &'static str,
        example: &str,
        check: impl Fn(&T) -> Result<(), ValueError>,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, "is no list", Some(format!("write {key} = {example}")));
            return Vec::new();
        };
        let mut items: Vec<T> = Vec::new();
        for (n, value) in array.iter().enumerate() {
            let wrong = |message: &str| {
                let path = format!("{}[{n}]", self.path_of(key));
                let hint = Some(format!("write {key} = {example}"));
                self.notes.wrong(value.span().start, &path, message, hint);
            };
            match of::<T>(value.get_ref()) {
                Err(error) => wrong(&error),
                Ok(item) if items.contains(&item) => {
                    wrong(&format!("`{item}` is there twice; write it once"));
                }
                Ok(item) => match check(&item) {
                    Err(error) => wrong(&said(error)),
                    Ok(()) => items.push(item),
                },
            }
        }
        items
    }

    /// Notes what the record finds wrong with the value of `key`.
    pub(super) fn check(&self, key: &'static str, checked: Result<(), ValueError>) {
        if let Err(error) = checked {
            self.wrong(key, &said(error), None);
        }
    }

    pub(super) fn wrong(&self, key: &str, message: &str, hint: Option<String>) {
        self.notes.wrong(self.offset(key), &self.path_of(key), message, hint);
    }

    /// Notes what is wrong with the table as a whole.
    pub(super) fn wrong_whole(&self, message: &str, hint: &str) {
        self.notes.wrong(self.at, &self.path, message, Some(hint.to_owned()));
    }

    pub(super) fn refuse_unknown(&self) {
        for (key, _) in self.table.into_iter().flatten() {
            let word: &str = key.get_ref();
            if !self.known.contains(&word) {
                let path = self
                    .path_of(&word.chars().take(MAX_WORD).flat_map(char::escape_debug).collect::<String>());
                self.notes.wrong(key.span().start, &path, "unknown key", Some(hint(word, self.known)));
            }
        }
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table?.get(key)
    }

    /// Where the value of `key` stands, or the table where it has none.
    pub(super) fn offset(&self, key: &str) -> usize {
        self.value(key).map_or(self.at, |value| value.span().start)
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn present(&self, key: &'static str, example: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.value(key);
        if value.is_none() && self.table.is_some() {
            self.wrong(key, "is missing", Some(format!("write {key} = {example}")));
        }
        value
    }
}

/// A value as its type reads it.
fn of<T: DeserializeOwned>(value: &DeValue<'_>) -> Result<T, String> {
    let plain = match value {
        DeValue::String(text) => json!(text),
        DeValue::Boolean(truth) => json!(truth),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            json!(parsed.map_err(|_| format!("the number {number} is too large"))?)
        }
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap_or(f64::NAN)),
        DeValue::Datetime(_) => return Err("is a date, which does not belong here".to_owned()),
        // Tables and lists have readers of their own: where they are not expected, that is all there is to say.
        DeValue::Array(_) => Value::Array(Vec::new()),
        DeValue::Table(_) => Value::Object(serde_json::Map::new()),
    };
    serde_json::from_value(plain).map_err(|error| error.to_string())
}

/// The place of the field is the file's.
fn said(error: ValueError) -> String {
    match error {
        ValueError::Field { message, .. } => message,
        error => error.to_string(),
    }
}

/// The key that was meant, or all of them.
fn hint(word: &str, known: &[&str]) -> String {
    let allowed = (word.chars().count() / 3).max(1);
    let near = known.iter().map(|key| (suggest::distance(word, key), key)).min();
    match near.filter(|(edits, _)| word.len() <= MAX_WORD && *edits <= allowed) {
        Some((_, key)) => format!("did you mean `{key}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
