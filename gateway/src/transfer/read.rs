//! An export read back, as the pieces come. Nothing of it is believed before its last line was.

use std::collections::HashSet;

use roundhouse_registry::kv::Entry;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::format::{Header, Trailer, hex};
use super::{VERSION, moves};

/// Bytes of an export that is read: a million instances are some 400 MB.
pub const MAX_BYTES: usize = 512 << 20;
/// A line holds one entry, whose key and value are bounded by what reads them; base64 makes 4 bytes of 3.
const MAX_LINE: usize = 4 << 20;

/// What an export says.
#[derive(Debug)]
pub struct Contents {
    pub header: Header,
    /// Sorted by key, each key once, presence left out.
    pub entries: Vec<Entry>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("this is no export of a registry: {0}; write one with `roundhouse registry export`")]
    Foreign(String),
    #[error(
        "the export has format {0} and this program reads {VERSION}; import it with the release that wrote it, or newer"
    )]
    Version(u64),
    #[error(
        "the export was cut short: it has {found} of its {of} entries{last}; copy it again, or export again"
    )]
    CutShort { found: u64, of: u64, last: &'static str },
    #[error("line {line}: {reason}; the export was altered: copy it again, or export again")]
    Line { line: usize, reason: String },
    #[error("the export was altered: its SHA-256 is {found}, and its last line says {says}")]
    Checksum { found: String, says: String },
    #[error("`{0}` is in the export twice")]
    Twice(String),
    #[error("the export is longer than {} MiB, or a line of it than {} MiB", MAX_BYTES >> 20, MAX_LINE >> 20)]
    TooLong,
}

/// Takes the pieces in order. Memory is what the entries need and one line.
#[derive(Default)]
pub struct Reader {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Lines that were read.
    lines: usize,
    bytes: usize,
    hash: Sha256,
    header: Option<Header>,
    entries: Vec<Entry>,
    trailer: Option<Trailer>,
}

impl Reader {
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), ReadError> {
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > MAX_BYTES {
            return Err(ReadError::TooLong);
        }
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (rest, next) = piece.split_at(end + 1);
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(rest);
            self.read(&line)?;
            line.clear();
            self.line = line;
            piece = next;
        }
        self.line.extend_from_slice(piece);
        if self.line.len() > MAX_LINE { Err(ReadError::TooLong) } else { Ok(()) }
    }

    pub fn finish(mut self) -> Result<Contents, ReadError> {
        let Some(header) = self.header else {
            return Err(ReadError::Foreign(
                if self.bytes == 0 { "it is empty" } else { "it is not one whole line" }.into(),
            ));
        };
        let found = self.entries.len() as u64;
        let Some(trailer) = self.trailer.filter(|_| self.line.is_empty()) else {
            let last =
                if found == header.entries { ", and not the last line, which proves them" } else { "" };
            return Err(ReadError::CutShort { found, of: header.entries, last });
        };
        let sum = hex(&self.hash.finalize());
        if trailer.sha256 != sum {
            return Err(ReadError::Checksum { found: sum, says: trailer.sha256.chars().take(64).collect() });
        }
        let mut keys = HashSet::with_capacity(self.entries.len());
        if let Some(twice) = self.entries.iter().find(|entry| !keys.insert(&entry.key)) {
            return Err(ReadError::Twice(twice.key.clone()));
        }
        self.entries.retain(moves);
        self.entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Contents { header, entries: self.entries })
    }

    fn read(&mut self, line: &[u8]) -> Result<(), ReadError> {
        if line.len() > MAX_LINE {
            return Err(ReadError::TooLong);
        }
        self.lines += 1;
        let number = self.lines;
        let wrong = |reason: String| ReadError::Line { line: number, reason };
        let Some(header) = &self.header else {
            self.header = Some(read_header(line)?);
            self.hash.update(line);
            return Ok(());
        };
        if self.trailer.is_some() {
            return Err(wrong("there is more after the last line".into()));
        }
        if (self.entries.len() as u64) < header.entries {
            let entry = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
            self.entries.push(entry);
            self.hash.update(line);
            return Ok(());
        }
        let trailer: Trailer = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
        if trailer.entries != header.entries {
            let (first, last) = (header.entries, trailer.entries);
            return Err(wrong(format!("the first line counts {first} entries, the last {last}")));
        }
        self.trailer = Some(trailer);
        Ok(())
    }
}

/// The version is read by itself: what stands beside it in another one is not ours to judge.
fn read_header(line: &[u8]) -> Result<Header, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        roundhouse_export: u64,
    }
    let foreign = |error: serde_json::Error| ReadError::Foreign(format!("line 1: {error}"));
    let Version { roundhouse_export } = serde_json::from_slice(line).map_err(foreign)?;
    if roundhouse_export != u64::from(VERSION) {
        return Err(ReadError::Version(roundhouse_export));
    }
    serde_json::from_slice(line).map_err(foreign)
}
