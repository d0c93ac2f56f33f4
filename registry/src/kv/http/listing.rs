//! A snapshot, parsed while it comes: the text itself is never in memory whole, and parsing it holds up nobody.

use std::io::{self, BufReader, Read};
use std::time::Duration;

use bytes::{Buf, Bytes};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::http::{HttpError, Stream};
use crate::kv::{Entry, Listing, Revision};

/// 100,000 instances are some 50 MB; this is ten times as many and still fits a small machine.
const MAX_LISTING: usize = 512 << 20;
/// Between two parts of the body.
const SILENCE: Duration = Duration::from_secs(5);
/// A listing may take as long as it needs while this much comes every second, after the first [`GRACE`]: a sender that
/// trickles must not hold a reader for ever.
const LEAST_PACE: usize = 64 << 10;
const GRACE: Duration = Duration::from_secs(10);
/// Parts that wait for the parser.
const AHEAD: usize = 16;

/// What is read of the document.
#[derive(Deserialize)]
struct Document {
    origin: String,
    revision: Revision,
    #[serde(default)]
    epoch: u64,
    entries: Vec<Entry>,
}

/// The listing, and the gateway's epoch of it.
pub(super) async fn read(mut stream: Stream) -> Result<(Listing, u64), HttpError> {
    let (parts, text) = mpsc::channel(AHEAD);
    let parser = tokio::task::spawn_blocking(move || {
        serde_json::from_reader::<_, Document>(BufReader::new(Parts { parts: text, part: Bytes::new() }))
    });
    let began = Instant::now();
    let mut length = 0;
    loop {
        let part = timeout(SILENCE, stream.chunk()).await;
        let part =
            part.map_err(|_| stream.unavailable(&format!("the snapshot stood still for {SILENCE:?}")))?;
        let Some(part) = part? else { break };
        length += part.len();
        if length > MAX_LISTING {
            return Err(stream.strange(&format!("its snapshot has more than {MAX_LISTING} bytes")));
        }
        let allowed = GRACE + Duration::from_secs((length / LEAST_PACE) as u64);
        if began.elapsed() > allowed {
            return Err(stream.unavailable(&format!("only {length} bytes of the snapshot in {allowed:?}")));
        }
        // The parser has stopped at a mistake, which it tells below.
        if parts.send(part).await.is_err() {
            break;
        }
    }
    drop(parts);
    let document = parser.await.map_err(|error| stream.strange(&error))?;
    let Document { origin, revision, epoch, entries } = document.map_err(|error| stream.strange(&error))?;
    Ok((Listing { origin, revision, entries }, epoch))
}

/// The parts of the body as the parser's thread reads them. It ends, and with it the thread, when the sender goes.
struct Parts {
    parts: mpsc::Receiver<Bytes>,
    part: Bytes,
}

impl Read for Parts {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
        let length = self.part.len().min(into.len());
        self.part.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}
