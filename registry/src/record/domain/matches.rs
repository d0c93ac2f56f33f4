//! Which requests a route is for.

use std::fmt;
use std::str::FromStr;

use roundhouse_config::serde_as_text;
use serde::{Deserialize, Serialize};

use super::field::{FieldName, FieldValue, shown};
use super::not_served::NotServed;
use crate::record::ValueError;
use crate::record::text::check_list;

const MAX_PATH: usize = 1_024;
const MAX_METHODS: usize = 16;
const MAX_HEADERS: usize = 16;
/// RFC 9110 sets no limit; the longest registered method (UPDATEREDIRECTREF) has 17.
const MAX_METHOD: usize = 32;

/// All of it must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMatch {
    /// A path prefix that ends at a segment: `/blog` matches `/blog` and `/blog/1`, not `/blogger`.
    #[serde(default = "root")]
    pub path: Box<str>,
    /// Empty: every method.
    #[serde(default, rename = "method", skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatch>,
    #[serde(default, skip_serializing)]
    header: NotServed,
}

/// As it stands in a request: methods are told apart by case (RFC 9110, 9.1), and all that are registered are upper-case.
#[derive(Clone, PartialEq, Eq)]
pub struct Method(Box<str>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawHeaderMatch", into = "RawHeaderMatch")]
pub struct HeaderMatch {
    pub name: FieldName,
    pub condition: Condition,
}

/// Where a request has the field more than once, one of them must be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Equals(FieldValue),
    Prefix(FieldValue),
    Present(bool),
}

fn root() -> Box<str> {
    "/".into()
}

impl Default for RouteMatch {
    fn default() -> RouteMatch {
        RouteMatch::path(root())
    }
}

impl RouteMatch {
    pub fn path(path: Box<str>) -> RouteMatch {
        RouteMatch { path, methods: Vec::new(), headers: Vec::new(), header: NotServed }
    }

    pub(super) fn check(&self) -> Result<(), ValueError> {
        check_path("path", &self.path)?;
        check_list("method", &self.methods, MAX_METHODS)?;
        check_list("headers", &self.headers, MAX_HEADERS)
    }

    /// In whatever order methods and headers are written.
    pub(super) fn is_same(&self, other: &RouteMatch) -> bool {
        fn same<T: PartialEq>(one: &[T], other: &[T]) -> bool {
            one.len() == other.len() && one.iter().all(|item| other.contains(item))
        }
        self.path == other.path && same(&self.methods, &other.methods) && same(&self.headers, &other.headers)
    }

    /// For a sentence: `GET /blog with x-beta`.
    pub fn described(&self) -> String {
        let methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        let mut text = match methods.is_empty() {
            true => format!("`{}`", self.path),
            false => format!("`{} {}`", methods.join("|"), self.path),
        };
        for (i, header) in self.headers.iter().enumerate() {
            text += if i == 0 { " with " } else { " and " };
            text += &header.to_string();
        }
        text
    }
}

impl Method {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Method, String> {
        let right = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        match (1..=MAX_METHOD).contains(&text.len()) && text.bytes().all(right) {
            true => Ok(Method(text.into())),
            false => Err(format!("`{}` is no method; write it in upper case, as in \"GET\"", shown(text))),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Method);

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.condition {
            Condition::Equals(value) => write!(f, "{name}: {value}"),
            Condition::Prefix(value) => write!(f, "{name}: {value}…"),
            Condition::Present(true) => write!(f, "{name}"),
            Condition::Present(false) => write!(f, "no {name}"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct RawHeaderMatch {
    name: FieldName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    equals: Option<FieldValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<FieldValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    present: Option<bool>,
}

impl TryFrom<RawHeaderMatch> for HeaderMatch {
    type Error = &'static str;

    fn try_from(raw: RawHeaderMatch) -> Result<HeaderMatch, &'static str> {
        let condition = match (raw.equals, raw.prefix, raw.present) {
            (Some(value), None, None) => Condition::Equals(value),
            (None, Some(value), None) if value.as_str().is_empty() => {
                return Err("an empty prefix is any value; write \"present\": true");
            }
            (None, Some(value), None) => Condition::Prefix(value),
            (None, None, Some(present)) => Condition::Present(present),
            _ => {
                return Err("write exactly one of \"equals\", \"prefix\" and \"present\", as in \
                     {\"name\":\"x-beta\",\"equals\":\"1\"}");
            }
        };
        Ok(HeaderMatch { name: raw.name, condition })
    }
}

impl From<HeaderMatch> for RawHeaderMatch {
    fn from(HeaderMatch { name, condition }: HeaderMatch) -> RawHeaderMatch {
        let none = RawHeaderMatch { name, equals: None, prefix: None, present: None };
        match condition {
            Condition::Equals(value) => RawHeaderMatch { equals: Some(value), ..none },
            Condition::Prefix(value) => RawHeaderMatch { prefix: Some(value), ..none },
            Condition::Present(present) => RawHeaderMatch { present: Some(present), ..none },
        }
    }
}

/// A path prefix, of a route or of a rule.
pub(in crate::record) fn check_path(at: impl Into<String>, path: &str) -> Result<(), ValueError> {
    if !path.starts_with('/') || path.len() > MAX_PATH || path.bytes().any(|byte| byte <= b' ' || byte == 127)
    {
        let message = "a path prefix starts with `/` and has no space; write \"/\" for all";
        return Err(ValueError::field(at, message));
    }
    Ok(())
}

/// A path that is written into a request or an answer: it must be one as it is.
pub(super) fn check_written_path(at: &str, path: &str) -> Result<(), ValueError> {
    check_path(at, path)?;
    if !path.is_ascii() || path.contains(['?', '#', '\\']) {
        let message = "is no path; write it without `?`, `#` and `\\`, and `%`-encode what is no ASCII";
        return Err(ValueError::field(at, message));
    }
    Ok(())
}
