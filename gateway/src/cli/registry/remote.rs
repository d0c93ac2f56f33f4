//! The two calls whose bodies are as long as a registry: they are streamed, and have a deadline for silence only.

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use roundhouse_registry::http::HttpError;

use crate::cli::server::{self, Server};
use crate::transfer::{Options, Report};

/// Between two pieces of an export. The first comes once the gateway has listed its registry.
const SILENCE: Duration = Duration::from_secs(30);
/// From the first byte of an import to its answer: hundreds of thousands of records at etcd's pace.
const IMPORT: Duration = Duration::from_secs(15 * 60);
/// Bytes of a report.
const MAX_ANSWER: usize = 16 << 20;
/// Bytes of a file that are sent at a time.
const PIECE: usize = 64 << 10;
/// What an export is made of.
const LINES: &str = "application/x-ndjson";

/// Gives each piece to `take`.
pub(super) async fn export(
    server: &Server,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let answer = server.client().open_within("/v1/export", LINES, SILENCE).await;
    let mut answer = answer.map_err(pointed)?;
    while let Some(piece) = answer.chunk_within(SILENCE).await? {
        take(&piece)?;
    }
    Ok(())
}

pub(super) async fn import(
    server: &Server,
    file: impl Read + Send + 'static,
    options: Options,
    quarantined: bool,
) -> anyhow::Result<Report> {
    let mode = serde_json::to_value(options.mode)?;
    let path = format!(
        "/v1/import?mode={}&grace={}&dry_run={}&quarantined={quarantined}",
        mode.as_str().unwrap_or_default(),
        options.grace,
        options.dry_run
    );
    let answer = server.client().upload(&path, LINES, pieces(file), IMPORT).await;
    let mut answer = answer.map_err(pointed)?;
    let strange = |reason: String| HttpError::Strange { server: server.url(), reason };
    let mut report = Vec::new();
    while let Some(piece) = answer.chunk_within(SILENCE).await? {
        report.extend_from_slice(&piece);
        if report.len() > MAX_ANSWER {
            return Err(strange(format!("a report of more than {MAX_ANSWER} bytes")).into());
        }
    }
    Ok(serde_json::from_slice(&report).map_err(|error| strange(error.to_string()))?)
}

fn pieces(mut file: impl Read) -> impl Iterator<Item = io::Result<Bytes>> {
    std::iter::from_fn(move || {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some(Ok(piece.into()))
            }
            Err(error) => Some(Err(error)),
        }
    })
}

/// Nobody answered: how to get somebody who does, or how to go without.
fn pointed(error: HttpError) -> HttpError {
    match server::pointed(error) {
        HttpError::Unavailable { server, reason } => {
            let reason = format!("{reason}, or go to the registry itself with --config or --registry");
            HttpError::Unavailable { server, reason }
        }
        error => error,
    }
}
