//! Bodies that are made while they are sent: a task walks something immutable and is never more than a few parts ahead of
//! its reader. So 100,000 records cost the memory of a few hundred of them, and hold up nobody else on the thread for
//! longer than one part takes.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::sync::mpsc;

/// Records of one part: some 100 KB, a millisecond's work.
const PART: usize = 256;
/// Parts made ahead of the reader.
const AHEAD: usize = 2;
/// A reader that takes nothing for so long is given up: it would keep what is walked in memory for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The writer's end of a body. One that is dropped before [`Writer::end`] makes the body end as an error.
pub(super) struct Writer {
    /// `None` after the last.
    out: mpsc::Sender<Option<Bytes>>,
    patience: Duration,
}

/// The reader went away or stalled: there is nobody to write for.
pub(super) struct GivenUp;

pub(super) fn body(patience: Duration) -> (Writer, Body) {
    let (out, parts) = mpsc::channel(AHEAD);
    let body = Body::from_stream(stream::unfold(Some(parts), |parts| async {
        let mut parts = parts?;
        match parts.recv().await {
            Some(Some(bytes)) => Some((Ok(bytes), Some(parts))),
            Some(None) => None,
            None => Some((Err(io::Error::from(io::ErrorKind::TimedOut)), None)),
        }
    }));
    (Writer { out, patience }, body)
}

impl Writer {
    pub(super) async fn part(&self, bytes: Bytes) -> Result<(), GivenUp> {
        self.out.send_timeout(Some(bytes), self.patience).await.map_err(|_| GivenUp)?;
        // A reader as fast as the writer must not keep the thread to itself.
        tokio::task::yield_now().await;
        Ok(())
    }

    pub(super) async fn end(self) -> Result<(), GivenUp> {
        self.out.send_timeout(None, self.patience).await.map_err(|_| GivenUp)
    }

    /// `head` ends with the bracket that opens a JSON array, `tail` begins with the one that closes it. An element is a
    /// line.
    pub(super) async fn array(
        self,
        head: Vec<u8>,
        mut elements: impl Iterator<Item = Vec<u8>>,
        tail: &[u8],
    ) -> Result<(), GivenUp> {
        let mut text = head;
        let mut comma = "";
        loop {
            let mut last = true;
            for element in elements.by_ref().take(PART) {
                text.extend_from_slice(comma.as_bytes());
                text.push(b'\n');
                text.extend_from_slice(&element);
                comma = ",";
                last = false;
            }
            if last {
                text.extend_from_slice(tail);
            }
            self.part(std::mem::take(&mut text).into()).await?;
            if last {
                return self.end().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_reader_that_stalls_is_given_up_and_sees_that_it_has_not_got_all() {
        let (writer, body) = body(Duration::from_millis(20));
        let elements = (0..).map(|number: u64| number.to_string().into_bytes());
        assert!(writer.array(b"[".to_vec(), elements, b"\n]\n").await.is_err());
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn an_array_is_json_however_long_it_is() {
        for count in [0, 1, PART, PART + 1, 5 * PART] {
            let (writer, body) = body(PATIENCE);
            let elements = (0..count).map(|number| number.to_string().into_bytes());
            let (written, read) =
                tokio::join!(writer.array(b"[".to_vec(), elements, b"\n]\n"), body.collect());
            assert!(written.is_ok());
            let numbers: Vec<usize> = serde_json::from_slice(&read.unwrap().to_bytes()).unwrap();
            assert_eq!(numbers, (0..count).collect::<Vec<_>>());
        }
    }
}
