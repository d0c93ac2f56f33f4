//! Reads the fields of one message, with their paths.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use prost_reflect::{DynamicMessage, Value};

use crate::report::Report;

/// One message of the file.
pub(super) struct Fields<'a> {
    pub(super) report: &'a Report<'a>,
    message: &'a DynamicMessage,
    path: String,
}

impl<'a> Fields<'a> {
    pub(super) fn root(report: &'a Report<'a>, message: &'a DynamicMessage) -> Self {
        Self { report, message, path: String::new() }
    }

    /// The path of this message, such as `jobs[3]`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The path of one of its fields, such as `jobs[3].port`.
    pub(super) fn path_of(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    pub(super) fn text(&self, field: &str) -> Option<&'a str> {
        self.value(field)?.as_str()
    }

    /// A text that must not be empty where it is given.
    pub(super) fn filled(&self, field: &str) -> Option<&'a str> {
        let text = self.text(field)?;
        if text.is_empty() {
            self.wrong(field, "is empty; leave the field out instead");
            return None;
        }
        Some(text)
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, field: &str) -> Option<T> {
        self.read(field, T::from_str)
    }

    /// A text that `parse` takes.
    pub(super) fn read<T, E: Display>(&self, field: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        parse(self.text(field)?).map_err(|error| self.wrong(field, error.to_string())).ok()
    }

    /// A text that must be there and that `parse` takes, such as `example`.
    pub(super) fn required<T, E: Display>(
        &self,
        field: &str,
        example: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        if !self.has(field) {
            let hint = format!("write {field}: \"{example}\"");
            self.report.wrong_with_hint(&self.path_of(field), "is missing", hint);
        }
        self.read(field, parse)
    }

    /// The elements of a repeated text that `T` parses, with their paths.
    pub(super) fn parsed_list<T: FromStr<Err: Display>>(&self, field: &str) -> Vec<(String, T)> {
        let element = |(n, value): (usize, &Value)| {
            let path = format!("{}[{n}]", self.path_of(field));
            match value.as_str()?.parse() {
                Ok(parsed) => Some((path, parsed)),
                Err(error) => {
                    self.report.wrong(&path, T::Err::to_string(&error));
                    None
                }
            }
        };
        self.list(field).iter().enumerate().filter_map(element).collect()
    }

    pub(super) fn count(&self, field: &str) -> Option<u32> {
        self.value(field)?.as_u32()
    }

    pub(super) fn truth(&self, field: &str) -> Option<bool> {
        self.value(field)?.as_bool()
    }

    /// The message in a field that is not repeated.
    pub(super) fn message(&self, field: &str) -> Option<Fields<'a>> {
        let message = self.value(field)?.as_message()?;
        Some(Fields { report: self.report, message, path: self.path_of(field) })
    }

    /// The messages in a repeated field.
    pub(super) fn messages(&self, field: &str) -> Vec<Fields<'a>> {
        let element = |(n, value): (usize, &'a Value)| {
            let path = format!("{}[{n}]", self.path_of(field));
            value.as_message().map(|message| Fields { report: self.report, message, path })
        };
        self.list(field).iter().enumerate().filter_map(element).collect()
    }

    pub(super) fn wrong(&self, field: &str, message: impl Into<String>) {
        self.report.wrong(&self.path_of(field), message);
    }

    fn list(&self, field: &str) -> &'a [Value] {
        self.value(field).and_then(Value::as_list).unwrap_or_default()
    }

    fn value(&self, field: &str) -> Option<&'a Value> {
        if !self.message.has_field_by_name(field) {
            return None;
        }
        match self.message.get_field_by_name(field)? {
            Cow::Borrowed(value) => Some(value),
            // Only the default of a field that was left out is owned.
            Cow::Owned(_) => None,
        }
    }
}
