//! `[access]`: who may come in before the registry was ever heard.

use std::path::{Path, PathBuf};

use super::reader::Section;

/// Rules themselves are records of the registry, see docs/access.md.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessSettings {
    /// Records that a start goes by which finds neither the registry nor a saved snapshot: jobs, their instances, rules and
    /// guards, as JSON; relative to the settings' file. Default none: such a start ends, and no port is opened that
    /// nobody guards.
    pub bootstrap: Option<PathBuf>,
}

impl AccessSettings {
    pub(super) fn read(section: &Section<'_>, base: &Path) -> Self {
        let bootstrap = section.file("bootstrap", "\"bootstrap.json\"").map(|file| base.join(file));
        section.refuse_unknown();
        Self { bootstrap }
    }
}
