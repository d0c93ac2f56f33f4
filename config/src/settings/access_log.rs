//! `[access_log]`: what is written of each exchange, and where.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::reader::Section;
use crate::text::quoted;
use crate::units::Share;

/// Each is looked up in every request that is logged.
const MAX_HEADERS: usize = 16;
/// The longest registered field name has 40 bytes.
const MAX_HEADER_NAME: usize = 64;
/// A log is read by more people than a request is.
const SECRETS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// What is written of each HTTP exchange: a line of JSON (docs/access-log.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Default none: no log. A line costs about a microsecond and half a kilobyte, and not everybody keeps them.
    pub path: Option<LogPath>,
    /// Of successful exchanges, those that are logged. Errors (status 500 and above, answers of the gateway's own, and
    /// exchanges that an instance or the gateway broke off) always are: nobody looks for the others one by one. Default 1.
    pub sample: Share,
    /// Whether the query of a path is shown. Default true: half of what an API is asked for stands there. Where it has
    /// tokens or names of people in it, false.
    pub query: bool,
    /// Fields of the request that are shown too, in lower case, at most 16. Default none.
    pub headers: Vec<Box<str>>,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPath {
    /// `-`: standard output, which is the log's alone. The gateway speaks of itself on standard error.
    Stdout,
    /// Relative to the settings' file. Appended to; opened again on SIGHUP and when it is moved away.
    File(PathBuf),
}

impl AccessLogSettings {
    pub(super) fn read(section: &Section<'_>, base: &Path) -> Self {
        let default = Self::default();
        let path = section.file("path", "\"access.log\"").map(|path| match path.to_str() {
            Some("-") => LogPath::Stdout,
            _ => LogPath::File(base.join(path)),
        });
        let headers = section.strings("headers", "[\"x-request-id\"]", header_name);
        check_headers(section, &headers);
        let settings = Self {
            path,
            sample: section.share("sample", default.sample),
            query: section.truth("query", default.query).unwrap_or(default.query),
            headers,
        };
        section.refuse_unknown();
        settings
    }
}

impl Default for AccessLogSettings {
    fn default() -> Self {
        Self { path: None, sample: Share::ALL, query: true, headers: Vec::new() }
    }
}

fn check_headers(section: &Section<'_>, headers: &[Box<str>]) {
    if headers.len() > MAX_HEADERS {
        let count = headers.len();
        return section.wrong("headers", format!("{count} names; write at most {MAX_HEADERS}"));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = headers.iter().find(|name| !seen.insert(*name)) {
        section.wrong("headers", format!("`{twice}` stands there twice; case does not matter"));
    }
}

/// A token (RFC 9110, 5.6.2), in lower case as HTTP/2 has it.
fn header_name(text: &str) -> Result<Box<str>, String> {
    let refuse = |why: &str| Err(format!("`{}` {why}; write a name such as `x-request-id`", quoted(text)));
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_token) {
        return refuse("is no name of a field");
    }
    if text.len() > MAX_HEADER_NAME {
        return refuse("is longer than 64 bytes");
    }
    let name = text.to_ascii_lowercase();
    if SECRETS.contains(&name.as_str()) {
        return refuse("is how clients prove who they are, and would let readers of the log be them");
    }
    Ok(name.into())
}
