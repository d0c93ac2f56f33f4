//! `roundhouse run`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use roundhouse_config::Settings;
use tracing_subscriber::EnvFilter;

use super::Outcome;

pub(super) fn run(config: Option<PathBuf>, wait: bool) -> anyhow::Result<Outcome> {
    let settings = match &config {
        None => Settings::default(),
        Some(path) => match Settings::from_file(path) {
            Ok(settings) => settings,
            Err(problems) => {
                let _ = writeln!(io::stderr(), "{problems}");
                return Ok(Outcome::Failed);
            }
        },
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour).init();
    crate::run::run(settings, config, wait)?;
    Ok(Outcome::Ok)
}
