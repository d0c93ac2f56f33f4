//! `gateway.toml`, read again when it changes and at SIGHUP.
//!
//! Entrypoints and certificates of a good file are taken over; whatever else differs from what runs is named, for it
//! needs a restart. A bad file changes nothing.

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
        if self.file.is_none() {
            tracing::warn!("SIGHUP: there is no --config to read again");
        }
        self.read()
    }

    fn read(&mut self) -> bool {
        let Some(file) = &mut self.file else { return false };
        let path = file.path().to_owned();
        let shown = path.display();
        let settings = match file.read() {
            Ok(text) => parse(&path, &text).map_err(|problems| problems.to_string()),
            Err(error) => Err(format!("{shown}: cannot be read: {error}")),
        };
        let (status, applied) = match settings {
            Ok(settings) => self.apply(settings),
            Err(error) => {
                tracing::error!(file = %shown, "settings not taken over, those in force stay:\n{error}");
                (ConfigStatus { error: Some(error), ..ConfigStatus::default() }, false)
            }
        };
        self.shared.config.store(Arc::new(ConfigStatus { file: Some(path), read_at: now(), ..status }));
        applied
    }

    fn apply(&self, settings: Settings) -> (ConfigStatus, bool) {
        let not_applied = differing(&self.running, &settings);
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

fn parse(path: &Path, text: &str) -> Result<Settings, Problems> {
    Settings::parse(text, &path.display().to_string(), path.parent().unwrap_or(Path::new("")))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
