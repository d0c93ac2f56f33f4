//! `gateway.toml`, read again when it changes and at SIGHUP.
//!
//! Entrypoints and certificates of a good file are taken over; whatever else differs from what runs is named, for it
//! needs a restart. A bad file changes nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use roundhouse_config::{Problems, Settings};
use serde::Serialize;

use super::differing::differing;
use crate::shared::Shared;
use crate::tls::WatchedFile;

/// What became of the file the last time that it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConfigStatus {
    /// `null`: the gateway runs with defaults.
    pub file: Option<PathBuf>,
    /// In seconds since the epoch.
    pub read_at: u64,
    /// What is wrong with it; then nothing of it was taken over.
    pub error: Option<String>,
    /// Settings that differ from those in force and need a restart.
    pub not_applied: Vec<String>,
}

pub(super) struct Reload {
    shared: Arc<Shared>,
    file: Option<WatchedFile>,
    /// As they were in the file at the start.
    running: Settings,
}

impl ConfigStatus {
    pub(super) fn started(file: Option<&Path>) -> ConfigStatus {
        ConfigStatus { file: file.map(Path::to_owned), read_at: now(), ..ConfigStatus::default() }
    }
}

impl Reload {
    pub(super) fn new(shared: Arc<Shared>, running: Settings) -> Reload {
        let path = shared.config.load().file.clone();
        let file = path.map(|path| {
            let mut file = WatchedFile::new(&path);
            // Whoever started us has read it; has it changed since then, it is to be read.
            match file.read().map(|text| parse(&path, &text)) {
                Ok(Ok(settings)) if settings == running => file,
                _ => WatchedFile::new(path),
            }
        });
        Reload { shared, file, running }
    }

    /// Reads the file if it has changed and is whole; whether there are other entrypoints or certificates now.
    pub(super) fn look(&mut self) -> bool {
        let changed = self.file.as_mut().is_some_and(WatchedFile::settled);
        changed && self.read()
    }

    /// Somebody asks for it.
    pub(super) fn asked(&mut self) -> bool {
        self.shared.access_log.reopen();
        if self.file.is_none() {
            tracing::warn!("SIGHUP: there is no --config to read again");
        }
        self.read()
    }

    fn read(&mut self) -> bool {
        let Some(file) = &mut self.file else { return false };
        let path = file.path().to_owned();
        let shown = path.display();
        let read = taken(&path, file.read(), &self.running);
        let (status, applied) = match read {
            Ok((settings, not_applied)) => self.apply(settings, not_applied),
            Err(error) => {
                tracing::error!(file = %shown, "settings not taken over, those in force stay:\n{error}");
                (ConfigStatus { error: Some(error), ..ConfigStatus::default() }, false)
            }
        };
        self.shared.config.store(Arc::new(ConfigStatus { file: Some(path), read_at: now(), ..status }));
        applied
    }

    fn apply(&self, settings: Settings, not_applied: Vec<String>) -> (ConfigStatus, bool) {
        let (entrypoints, certificates) = (&self.shared.file_entrypoints, &self.shared.file_certificates);
        let applied =
            **entrypoints.load() != settings.entrypoints || **certificates.load() != settings.certificates;
        entrypoints.store(Arc::new(settings.entrypoints));
        certificates.store(Arc::new(settings.certificates));
        tracing::info!(changed = applied, "settings read again");
        if !not_applied.is_empty() {
            tracing::warn!("needs a restart: {}", not_applied.join(", "));
        }
        (ConfigStatus { not_applied, ..ConfigStatus::default() }, applied)
    }
}

/// What is taken over of a file, and what would need a restart; or all that is wrong with it.
fn taken(
    path: &Path,
    text: io::Result<String>,
    running: &Settings,
) -> Result<(Settings, Vec<String>), String> {
    let text = text.map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    let settings = parse(path, &text).map_err(|problems| problems.to_string())?;
    let not_applied = differing(running, &settings);
    Ok((settings, not_applied))
}

fn parse(path: &Path, text: &str) -> Result<Settings, Problems> {
    Settings::parse(text, &path.display().to_string(), path.parent().unwrap_or(Path::new("")))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Settings, Vec<String>), String> {
        taken(Path::new("/etc/roundhouse/gateway.toml"), Ok(text.to_owned()), &Settings::default())
    }

    #[test]
    fn a_good_file_brings_entrypoints_and_certificates_and_names_the_rest() {
        let text = "[[entrypoint]]\nname = \"web\"\nlisten = \":81\"\n[[certificate]]\ncert = \"a.pem\"\nkey = \"b.pem\"\n";
        let (settings, not_applied) = read(text).unwrap();
        assert_eq!(settings.entrypoints[0].name.as_str(), "web");
        assert_eq!(settings.certificates[0].cert, Path::new("/etc/roundhouse/a.pem"));
        // Relative to the file, as it would be after a restart.
        assert_eq!(not_applied, ["data_dir"]);
    }

    #[test]
    fn a_bad_file_says_all_that_is_wrong_and_brings_nothing() {
        let error = read("[limits]\nconnections = 0\n[names]\nzone = \"\"\n").unwrap_err();
        assert!(error.contains("limits.connections") && error.contains("names.zone"), "{error}");
        let path = Path::new("gateway.toml");
        let gone = Err(io::Error::from(io::ErrorKind::NotFound));
        let error = taken(path, gone, &Settings::default()).unwrap_err();
        assert!(error.starts_with("gateway.toml: cannot be read"), "{error}");
    }
}
