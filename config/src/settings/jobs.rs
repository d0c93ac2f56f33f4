//! `[jobs]`: jobs files that the gateway watches.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::reader::Section;
use crate::text::quoted;

/// Each is looked at every second, and its name stands in the records that it made.
const MAX_FILES: usize = 64;
const MAX_NAME: usize = 200;

/// What is applied at the start and whenever it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobsSettings {
    /// In the order of the settings; the settings' folder is already before a relative one. Default none.
    pub files: Vec<PathBuf>,
}

impl JobsSettings {
    pub(super) fn read(section: &Section<'_>, base: &Path) -> Self {
        let files = section.strings("files", "[\"stack.jobs\"]", file);
        let mut seen = BTreeSet::new();
        let names = files.iter().map(|file| Path::new(file).file_name().unwrap_or_default().to_owned());
        for name in names {
            if !seen.insert(name.clone()) {
                let name = quoted(&name.to_string_lossy());
                let message = format!(
                    "two files are called `{name}`, and what they put is told apart by that; rename one"
                );
                section.wrong("files", message);
            }
        }
        if files.len() > MAX_FILES {
            section.wrong("files", format!("{} files; write at most {MAX_FILES}", files.len()));
        }
        section.refuse_unknown();
        Self { files: files.iter().map(|file| base.join(file)).collect() }
    }
}

fn file(text: &str) -> Result<String, String> {
    let name = Path::new(text).file_name().map_or(0, std::ffi::OsStr::len);
    if name == 0 || name > MAX_NAME || text.ends_with('/') || text.contains('\0') {
        return Err(format!("`{}` is no file; write a path such as `stack.jobs`", quoted(text)));
    }
    Ok(text.to_owned())
}
