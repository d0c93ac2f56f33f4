//! Reads one table of a TOML file: each key once, by its type, with a default.
//!
//! A reader never stops at a problem. It notes it in the [`Report`] and gives the default, so that the
//! keys after it are looked at too. The keys asked for are the keys known: what remains is refused.

use std::cell::RefCell;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::Place;
use crate::report::Report;
use crate::suggest;
use crate::text::quoted;

/// One table of the file, or the absence of one.
pub(super) struct Section<'a> {
    report: &'a Report<'a>,
    text: &'a str,
    table: Option<&'a DeTable<'a>>,
    path: String,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub(super) fn root(report: &'a Report<'a>, text: &'a str, table: &'a DeTable<'a>) -> Self {
        Self { report, text, table: Some(table), path: String::new(), asked: RefCell::default() }
    }

    /// The table under `key`; an absent one reads as empty.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        let value = self.value(key);
        let table = value.and_then(|value| {
            let table = value.as_table();
            if table.is_none() {
                self.wrong_type(key, value, "a table", &format!("[{}]", self.path_of(key)));
            }
            table
        });
        self.child(self.path_of(key), table)
    }

    /// The tables of the array under `key`, if it is there. An element that is no table is noted, and reads
    /// as one without keys, so that the others keep their numbers.
    pub(super) fn sections(&self, key: &'static str) -> Option<Vec<Section<'a>>> {
        let value = self.value(key)?;
        let Some(array) = value.as_array() else {
            self.wrong_type(key, value, "an array of tables", &format!("[[{}]]", self.path_of(key)));
            return None;
        };
        let child = |(n, value): (usize, &'a Spanned<DeValue<'a>>)| {
            let path = format!("{}[{n}]", self.path_of(key));
            self.report.locate(&path, Place::of(self.text, value.span().start));
            let table = value.get_ref().as_table();
            if table.is_none() {
                let found = describe(value.get_ref());
                self.report.wrong(&path, format!("is {found}; write a table under [[{key}]]"));
            }
            self.child(path, table)
        };
        Some(array.iter().enumerate().map(child).collect())
    }

    /// A string that `T` parses.
    pub(super) fn parsed<T: FromStr<Err: Display> + Display>(&self, key: &'static str, default: T) -> T {
        let example = format!("\"{default}\"");
        self.scalar(key, &example, T::from_str).unwrap_or(default)
    }

    /// A string that `T` parses and that must be there; what stands in for it otherwise is also the example.
    pub(super) fn required<T: FromStr<Err: Display> + Display>(&self, key: &'static str, example: T) -> T {
        self.require(key, &format!("\"{example}\""));
        self.parsed(key, example)
    }

    /// A string that `parse` takes.
    pub(super) fn string<E: Display>(
        &self,
        key: &'static str,
        default: String,
        parse: impl Fn(&str) -> Result<String, E>,
    ) -> String {
        self.scalar(key, &format!("\"{default}\""), parse).unwrap_or(default)
    }

    /// A list of strings that `parse` takes; those that it does not take are noted and left out.
    pub(super) fn strings<T, E: Display>(
        &self,
        key: &'static str,
        example: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.as_array() else {
            self.wrong_type(key, value, "an array of strings", &format!("{key} = {example}"));
            return Vec::new();
        };
        let element = |(n, value): (usize, &Spanned<DeValue<'_>>)| {
            let path = format!("{}[{n}]", self.path_of(key));
            self.report.locate(&path, Place::of(self.text, value.span().start));
            let Some(text) = value.get_ref().as_str() else {
                let message = format!("is {}, not a string", describe(value.get_ref()));
                self.report.wrong_with_hint(&path, message, format!("write {key} = {example}"));
                return None;
            };
            parse(text).map_err(|error| self.report.wrong(&path, error.to_string())).ok()
        };
        array.iter().enumerate().filter_map(element).collect()
    }

    /// A path, as it stands.
    pub(super) fn file(&self, key: &'static str, example: &str) -> Option<PathBuf> {
        self.scalar(key, example, |text| {
            if text.is_empty() || text.contains('\0') {
                return Err(format!("is no file; write a path such as {}", example.replace('"', "`")));
            }
            Ok(PathBuf::from(text))
        })
    }

    /// A path that must be there, as it stands.
    pub(super) fn required_file(&self, key: &'static str, example: &str) -> Option<PathBuf> {
        self.require(key, example);
        self.file(key, example)
    }

    /// `true` or `false`, if it is there.
    pub(super) fn truth(&self, key: &'static str, example: bool) -> Option<bool> {
        let value = self.value(key)?;
        let truth = value.as_bool();
        if truth.is_none() {
            self.wrong_type(key, value, "true or false", &format!("{key} = {example}"));
        }
        truth
    }

    /// Notes that the value of `key` will not do.
    pub(super) fn wrong(&self, key: &str, message: impl Into<String>) {
        self.report.wrong(&self.path_of(key), message);
    }

    /// Whether a value of this section, as far as it was read, will not do.
    pub(super) fn is_wrong(&self) -> bool {
        self.asked.borrow().iter().any(|key| self.is_wrong_at(key))
    }

    /// Whether the value of `key`, or a part of it, will not do.
    pub(super) fn is_wrong_at(&self, key: &str) -> bool {
        let path = self.path_of(key);
        self.report.is_wrong(&path) || self.report.is_wrong_within(&path)
    }

    /// Notes every key that nobody asked for.
    pub(super) fn refuse_unknown(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            if asked.contains(&key.get_ref().as_ref()) {
                continue;
            }
            let path = self.path_of(&quoted(key.get_ref()));
            self.report.locate(&path, Place::of(self.text, key.span().start));
            self.report.wrong_with_hint(&path, "unknown key", suggest::hint(key.get_ref(), &asked));
        }
    }

    pub(super) fn scalar<T, E: Display>(
        &self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let Some(text) = value.as_str() else {
            self.wrong_type(key, value, "a string", &format!("{key} = {example}"));
            return None;
        };
        parse(text).map_err(|error| self.wrong(key, error.to_string())).ok()
    }

    pub(super) fn wrong_type(&self, key: &str, value: &DeValue<'_>, wanted: &str, example: &str) {
        let message = format!("is {}, not {wanted}", describe(value));
        self.report.wrong_with_hint(&self.path_of(key), message, format!("write {example}"));
    }

    /// The value of `key`, which from now on counts as known and as located.
    pub(super) fn value(&self, key: &'static str) -> Option<&'a DeValue<'a>> {
        if !self.asked.borrow().contains(&key) {
            self.asked.borrow_mut().push(key);
        }
        let value = self.table?.get(key)?;
        self.report.locate(&self.path_of(key), Place::of(self.text, value.span().start));
        Some(value.get_ref())
    }

    /// Notes that `key` is not there. A value that is no table has been noted already.
    fn require(&self, key: &'static str, example: &str) {
        if self.value(key).is_none() && self.table.is_some() {
            let hint = format!("write {key} = {example}");
            self.report.wrong_with_hint(&self.path_of(key), "is missing", hint);
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn child(&self, path: String, table: Option<&'a DeTable<'a>>) -> Section<'a> {
        Section { report: self.report, text: self.text, table, path, asked: RefCell::default() }
    }
}

/// A value as a problem speaks of it.
fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string \"{}\"", quoted(text)),
        DeValue::Integer(number) => format!("the number {}", quoted(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", quoted(number.as_str())),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
