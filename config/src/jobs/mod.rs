//! The jobs file: production as code, in protobuf text format.
//!
//! ```text
//! jobs: <
//!   name: "webhook-listener"
//!   image: "webhook-listener:a5af2f2"
//!   run_on_host: "git-app-1"        # older files say host:
//!   port: "9999"
//! >
//! ```
//!
//! `locate` bounds the text's nesting, then a real parser reads it by the schema in `jobs.proto`, then
//! `locate` walks the text, now known to be valid, for the place of every field (the parser keeps none).
//! `job` and `host` check one message each, and `clash` what only shows between them. A syntax error is
//! reported alone, since nothing after it can be trusted; errors of meaning all at once.

mod check;
mod clash;
mod fields;
mod host;
mod job;
mod lex;
mod locate;
mod port;
mod schema;
mod served;
mod tls;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

pub use check::CheckSpec;
pub use job::{JobSpec, StaticInstance};
pub use served::Served;

use prost_reflect::ReflectMessage;

use crate::problem::{self, Problems};
use crate::report::Report;
use fields::Fields;

/// Room for some 20,000 jobs as they were published; what is longer is another file by mistake.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A jobs file in which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobsFile {
    /// In the order of the file.
    pub jobs: Vec<JobSpec>,
    /// The `hosts:` block: host names, lower-cased, to addresses.
    pub hosts: BTreeMap<String, IpAddr>,
}

impl JobsFile {
    /// Reads a file of at most 4 MiB.
    pub fn from_file(path: &Path) -> Result<Self, Problems> {
        let text = problem::read_file(path, MAX_FILE)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads `text`, called `file` in problems.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        if text.len() as u64 > MAX_FILE {
            return Err(problem::too_long(file, MAX_FILE).into());
        }
        let message = schema::parse(text, file)?;
        let report = Report::new(file);
        locate::places(text, &message.descriptor(), |path, place| report.locate(path, place));

        let root = Fields::root(&report, &message);
        let hosts = host::read_all(&root);
        let drafts: Vec<_> =
            root.messages("jobs").iter().filter_map(|fields| job::read(fields, &hosts)).collect();
        clash::check(&drafts, &report);
        report.finish(Self { jobs: drafts.into_iter().map(|draft| draft.job).collect(), hosts })
    }
}

#[cfg(test)]
mod tests;
