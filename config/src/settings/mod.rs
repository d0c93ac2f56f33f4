//! `gateway.toml`: raw to resolved, in one place.
//!
//! The text is parsed into a tree with spans, then each section reads its own keys through
//! `reader::Section`, which turns every slip (unknown key, wrong type, value out of bounds) into a problem
//! and goes on with the default, so that one run reports all of them. `conflicts` then looks at what only
//! shows across sections. Either everything was right and there are `Settings`, or there are [`Problems`].
//!
//! Every default stands beside its reason in the file of its section; `config/examples/gateway.toml` shows
//! them all.

mod access;
mod access_log;
mod certificates;
mod conflicts;
mod entrypoint;
mod hold;
mod jobs;
mod limits;
mod listeners;
mod lvs_sync;
mod names;
mod quantity;
mod reader;
mod registry;
mod tcp;

use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use access::AccessSettings;
pub use access_log::{AccessLogSettings, LogPath};
pub use entrypoint::NamedEntrypoint;
pub use hold::HoldSettings;
pub use jobs::JobsSettings;
pub use limits::Limits;
pub use listeners::{AdminSettings, DnsSettings};
pub use lvs_sync::{DirectorSettings, SinkSettings};
pub use names::{Answer, Catch, MAX_HUB_ADDRESSES, NameSettings};
pub use registry::RegistrySettings;
pub use tcp::TcpSettings;

use crate::access::Identity;
use crate::problem::{self, Place, Problem, Problems};
use crate::report::Report;
use reader::Section;

/// No configuration written by hand comes near it; what is longer is another file by mistake.
const MAX_FILE: u64 = 256 * 1024;
/// More threads than that serve no machine of today.
const MAX_WORKERS: u32 = 256;

/// What a gateway was told by its file, with defaults for what it was not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the embedded registry is kept, and which gateway this is; the file's folder is already before it.
    pub data_dir: PathBuf,
    pub registry: RegistrySettings,
    pub hold: HoldSettings,
    pub admin: AdminSettings,
    pub dns: DnsSettings,
    pub names: NameSettings,
    /// Data-plane threads, at most 256; 0 means one a core.
    pub workers: usize,
    pub entrypoints: Vec<NamedEntrypoint>,
    /// What TLS that ends here may be shown, by the names in them; at most 1,000. Beside those of the registry.
    pub certificates: Vec<Identity>,
    pub limits: Limits,
    pub tcp: TcpSettings,
    pub jobs: JobsSettings,
    pub access: AccessSettings,
    pub access_log: AccessLogSettings,
}

impl Settings {
    /// Reads a file of at most 256 KiB; relative paths in it are taken from its folder.
    pub fn from_file(path: &Path) -> Result<Self, Problems> {
        let text = problem::read_file(path, MAX_FILE)?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &path.display().to_string(), base)
    }

    /// Reads `text`, called `file` in problems; relative paths in it are taken from `base`.
    pub fn parse(text: &str, file: &str, base: &Path) -> Result<Self, Problems> {
        parse(text, file, |root, report| {
            let settings = Self::read(root, base);
            conflicts::check(&settings, report);
            settings
        })
    }

    fn read(root: &Section<'_>, base: &Path) -> Self {
        let workers = root.section("workers");
        let settings = Self {
            data_dir: base.join(root.string("data_dir", "roundhouse-data".to_owned(), path)),
            registry: RegistrySettings::read(&root.section("registry"), base),
            hold: HoldSettings::read(&root.section("hold")),
            admin: AdminSettings::read(&root.section("admin"), base),
            dns: DnsSettings::read(&root.section("dns")),
            names: NameSettings::read(&root.section("names")),
            workers: workers.count("count", 0, 0..=MAX_WORKERS) as usize,
            entrypoints: NamedEntrypoint::read_all(root, base),
            certificates: certificates::read_all(root, base),
            limits: Limits::read(&root.section("limits")),
            tcp: TcpSettings::read(&root.section("tcp")),
            jobs: JobsSettings::read(&root.section("jobs"), base),
            access: AccessSettings::read(&root.section("access"), base),
            access_log: AccessLogSettings::read(&root.section("access_log"), base),
        };
        workers.refuse_unknown();
        root.refuse_unknown();
        settings
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: "roundhouse-data".into(),
            registry: RegistrySettings::default(),
            hold: HoldSettings::default(),
            admin: AdminSettings::default(),
            dns: DnsSettings::default(),
            names: NameSettings::default(),
            workers: 0,
            entrypoints: vec![NamedEntrypoint::default()],
            certificates: Vec::new(),
            limits: Limits::default(),
            tcp: TcpSettings::default(),
            jobs: JobsSettings::default(),
            access: AccessSettings::default(),
            access_log: AccessLogSettings::default(),
        }
    }
}

/// A file of settings: `read` its tree, and say everything that is wrong with it.
fn parse<T>(
    text: &str,
    file: &str,
    read: impl FnOnce(&Section<'_>, &Report<'_>) -> T,
) -> Result<T, Problems> {
    if text.len() as u64 > MAX_FILE {
        return Err(problem::too_long(file, MAX_FILE).into());
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    // What was recovered from a broken text would only be guessed at: syntax first, meaning after.
    let errors = errors.iter().map(|error| {
        let place = Place::of(text, error.span().map_or(0, |span| span.start));
        Problem::at(file, place, "", error.message())
    });
    Problems::unless(errors.collect(), ())?;

    let report = Report::new(file);
    let root = Section::root(&report, text, document.get_ref());
    let settings = read(&root, &report);
    report.finish(settings)
}

fn path(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains('\0') {
        return Err("is no folder; write a path such as `/var/lib/roundhouse`");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
