//! The text of an export, a piece at a time.

use std::fmt::Write as _;
use std::io;

use bytes::Bytes;
use roundhouse_registry::Revision;
use roundhouse_registry::kv::{Entry, Listing};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{VERSION, moves};

/// Bytes of a piece, at least, but for the last one: few system calls, and little that waits for a slow reader.
const PIECE: usize = 64 << 10;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub roundhouse_export: u32,
    /// Which history the revisions count in (etcd: the cluster id).
    pub origin: String,
    pub prefix: String,
    pub revision: Revision,
    /// Seconds since the epoch.
    pub at: u64,
    pub entries: u64,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trailer {
    pub(super) entries: u64,
    /// Of every byte before this line, in lower-case hexadecimal.
    pub(super) sha256: String,
}

/// An export: pieces of text that end in whole lines.
pub struct Lines {
    header: Header,
    rest: State,
    hash: Sha256,
}

enum State {
    Header(Vec<Entry>),
    Entries(std::vec::IntoIter<Entry>),
    Done,
}

impl Lines {
    /// `prefix` is for the reader's eyes; `at` is in seconds since the epoch.
    pub fn new(listing: Listing, prefix: &str, at: u64) -> Lines {
        let entries: Vec<Entry> = listing.entries.into_iter().filter(moves).collect();
        let header = Header {
            roundhouse_export: VERSION,
            origin: listing.origin,
            prefix: prefix.to_owned(),
            revision: listing.revision,
            at,
            entries: entries.len() as u64,
        };
        Lines { header, rest: State::Header(entries), hash: Sha256::new() }
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let mut text = Vec::new();
        match std::mem::replace(&mut self.rest, State::Done) {
            State::Done => return Ok(None),
            State::Header(entries) => {
                add(&mut text, &self.header)?;
                self.hash.update(&text);
                self.rest = State::Entries(entries.into_iter());
            }
            State::Entries(mut entries) => {
                while text.len() < PIECE
                    && let Some(entry) = entries.next()
                {
                    add(&mut text, &entry)?;
                }
                self.hash.update(&text);
                if entries.len() > 0 {
                    self.rest = State::Entries(entries);
                } else {
                    let sha256 = hex(&self.hash.clone().finalize());
                    add(&mut text, &Trailer { entries: self.header.entries, sha256 })?;
                }
            }
        }
        Ok(Some(text.into()))
    }
}

impl Iterator for Lines {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.piece().transpose()
    }
}

fn add(text: &mut Vec<u8>, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
