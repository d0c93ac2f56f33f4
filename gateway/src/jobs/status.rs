//! What is known of a watched file, for `GET /v1/status`.

use std::path::Path;

use roundhouse_config::Problem;
use roundhouse_registry::Revision;
use serde::{Serialize, Serializer};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    pub(super) file: String,
    /// The registry's revision when everything in the file was there; `null` before the first time.
    pub(super) applied_revision: Option<Revision>,
    /// When that was, in seconds since the epoch.
    pub(super) at: Option<u64>,
    /// What is wrong with the file, or what could not be done of it and is tried again.
    #[serde(serialize_with = "each")]
    pub(super) errors: Vec<Problem>,
}

impl Status {
    pub(crate) fn new(file: &Path) -> Status {
        Status { file: file.display().to_string(), applied_revision: None, at: None, errors: Vec::new() }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    /// 0: the file as a whole.
    line: u32,
    column: u32,
    path: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

fn each<S: Serializer>(problems: &[Problem], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(problems.iter().map(|problem| Shown {
        line: problem.line,
        column: problem.column,
        path: &problem.path,
        message: &problem.message,
        hint: problem.hint.as_deref(),
    }))
}
