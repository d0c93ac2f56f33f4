//! The receiving side of an HTTP/1.1 connection: bytes that came before somebody wanted them, and the next head.

use std::io;
use std::task::{Context as Poller, Poll, ready};

use super::supplies::{Buffer, Supplies};
use crate::h1::{Malformed, Scan, Scanned};
use crate::l4::{Stream, Wire};

/// Without a buffer while nothing is there.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    buffer: Option<Buffer>,
    scan: Scan,
}

/// Why there is no head.
#[derive(Debug)]
pub(super) enum NoHead {
    /// The peer ended after so many bytes of it.
    Ended(usize),
    Malformed(Malformed),
    Failed(io::Error),
}

impl Inbound {
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], Buffer::unread)
    }

    pub(super) fn unread_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut().map_or(&mut [], Buffer::unread_mut)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread().is_empty()
    }

    /// Bytes of a head that has not ended.
    pub(super) fn pending(&self) -> usize {
        self.scan.pending()
    }

    pub(super) fn consume(&mut self, n: usize, supplies: &Supplies) {
        if let Some(buffer) = &mut self.buffer {
            buffer.consume(n);
            if buffer.is_empty()
                && let Some(buffer) = self.buffer.take()
            {
                supplies.give_buffer(buffer);
            }
        }
    }

    /// Bytes that were read elsewhere and belong to what comes next.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.buffer = Some(Buffer::holding(bytes));
        }
    }

    /// Reads what has come; 0 is the end.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Poller<'_>,
        stream: &Stream,
        supplies: &Supplies,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = self.buffer.take().unwrap_or_else(|| supplies.buffer());
        let read = stream.poll_read(cx, buffer.room());
        if let Poll::Ready(Ok(n)) = read {
            buffer.filled(n);
        }
        match buffer.is_empty() {
            true => supplies.give_buffer(buffer),
            false => self.buffer = Some(buffer),
        }
        read
    }

    /// Where the next head stands among what is unread, once all of it is there. It may have so many bytes.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Poller<'_>,
        stream: &Stream,
        supplies: &Supplies,
        most: usize,
    ) -> Poll<Result<(usize, usize), NoHead>> {
        loop {
            if !self.is_empty() {
                let scanned = match &self.buffer {
                    Some(buffer) => self.scan.look(buffer.unread()).map_err(NoHead::Malformed)?,
                    None => Scanned::More,
                };
                match scanned {
                    Scanned::Head { from, to } if to - from <= most => {
                        self.scan = Scan::default();
                        return Poll::Ready(Ok((from, to)));
                    }
                    Scanned::More if self.scan.pending() <= most => {}
                    Scanned::Head { .. } | Scanned::More => {
                        let error =
                            Malformed::too_large("the head is larger than this gateway takes (limits.head)");
                        return Poll::Ready(Err(NoHead::Malformed(error)));
                    }
                }
            }
            match ready!(self.poll_fill(cx, stream, supplies)) {
                Ok(0) => return Poll::Ready(Err(NoHead::Ended(self.scan.pending()))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(NoHead::Failed(error))),
            }
        }
    }
}
