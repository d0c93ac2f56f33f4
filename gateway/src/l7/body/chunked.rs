//! HTTP/1.1 to HTTP/1.1 where content cannot go by unseen: it came with a head, or in chunks, or has to go in chunks.

use std::io::IoSlice;
use std::task::{Context as Poller, Poll, ready};

use super::{BodyError, Broken, H1Sink, H1Source};
use crate::h1::{HEADROOM, TAILROOM};
use crate::l4::{Desk, Wire};
use crate::l7::supplies::Supplies;

/// Of a read whose content is framed anew: large enough for few system calls, small for a slow reader's sake.
const READ: usize = 64 << 10;

/// Sends on what is there already, behind what the sink has to say first: a head and the beginning of its body are one
/// write. Bytes of content.
pub(super) fn poll_at_hand(
    cx: &mut Poller<'_>,
    source: &mut H1Source<'_>,
    sink: &mut H1Sink<'_>,
    supplies: &Supplies,
    room: u64,
) -> Poll<Result<u64, Broken>> {
    let unread = source.inbound.unread_mut();
    let decoded = source.decoder.take(unread).map_err(|error| Broken::Source(BodyError::Malformed(error)))?;
    fits(decoded.content, room)?;
    let last = source.decoder.is_done() && source.decoder.trailers().is_empty();
    let content = &unread[..decoded.content];
    sink.encoder.before(content.len(), &mut sink.out);
    let after = sink.encoder.after(content.len(), last);
    sink.ended |= last;
    let written = sink.poll_write_all(cx, content, after);
    source.inbound.consume(decoded.taken, supplies);
    match written {
        Poll::Ready(Err(error)) => Poll::Ready(Err(Broken::Sink(error))),
        // What it did not take is in its hands.
        Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(decoded.content as u64)),
    }
}

/// Reads into the worker's buffer, where the framing is changed in place.
pub(super) fn poll_through(
    cx: &mut Poller<'_>,
    desk: &Desk,
    source: &mut H1Source<'_>,
    sink: &mut H1Sink<'_>,
    room: u64,
) -> Poll<Result<u64, Broken>> {
    let mut buffer = desk.buffer.borrow_mut();
    let (from, to) = (HEADROOM, HEADROOM + READ.min(buffer.len() - HEADROOM - TAILROOM));
    let read = source.stream.poll_read(cx, &mut buffer[from..to]);
    let Poll::Ready(read) = read else {
        return match sink.stream.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(Broken::Sink(error))),
            _ => Poll::Pending,
        };
    };
    let n = read.map_err(|error| Broken::Source(BodyError::Failed(error)))?;
    if n == 0 {
        let whole = source.decoder.end();
        return Poll::Ready(if whole { Ok(0) } else { Err(Broken::Source(BodyError::Cut)) });
    }
    let bytes = &mut buffer[from..from + n];
    let decoded = source.decoder.take(bytes).map_err(|error| Broken::Source(BodyError::Malformed(error)))?;
    source.inbound.put_back(&bytes[decoded.taken..]);
    fits(decoded.content, room)?;
    let last = source.decoder.is_done() && source.decoder.trailers().is_empty();
    let framed = sink.encoder.around(&mut buffer, decoded.content, last);
    sink.ended |= last;
    match sink.poll_write_all(cx, &buffer[framed], b"") {
        Poll::Ready(Err(error)) => Poll::Ready(Err(Broken::Sink(error))),
        Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(decoded.content as u64)),
    }
}

/// Content that is put behind the head: the copy costs less than the kernel's look at several pieces.
const COPIED: usize = 2 << 10;

pub(super) fn fits(content: usize, room: u64) -> Result<(), Broken> {
    if content as u64 > room { Err(Broken::Source(BodyError::TooLarge)) } else { Ok(()) }
}

impl H1Sink<'_> {
    /// Writes what it has to say first and these pieces; what the wire does not take now is kept and goes before
    /// anything else.
    pub(super) fn poll_write_all(
        &mut self,
        cx: &mut Poller<'_>,
        content: &[u8],
        after: &[u8],
    ) -> Poll<std::io::Result<()>> {
        let total = self.out.len() + content.len() + after.len();
        if total == 0 {
            return Poll::Ready(Ok(()));
        }
        if content.len() + after.len() <= COPIED {
            self.out.extend_from_slice(content);
            self.out.extend_from_slice(after);
            let written = self.poll_out(cx);
            self.blocked = written.is_pending();
            return written;
        }
        let pieces = [IoSlice::new(&self.out), IoSlice::new(content), IoSlice::new(after)];
        let mut written = 0;
        while written < total {
            // Most often all of it goes at once; then none of this is looked at again.
            let polled = match written {
                0 => self.stream.poll_write_vectored(cx, &pieces),
                _ => self.stream.poll_write(cx, rest(&pieces, written)),
            };
            match polled {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => written += n,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.keep(written, content, after);
                    return Poll::Pending;
                }
            }
        }
        self.out.clear();
        Poll::Ready(Ok(()))
    }

    fn keep(&mut self, written: usize, content: &[u8], after: &[u8]) {
        let of_out = written.min(self.out.len());
        let of_content = (written - of_out).min(content.len());
        let of_after = written - of_out - of_content;
        self.out.drain(..of_out);
        self.out.extend_from_slice(&content[of_content..]);
        self.out.extend_from_slice(&after[of_after..]);
        self.blocked = true;
    }

    /// Until what was kept has gone.
    pub(super) fn poll_blocked(&mut self, cx: &mut Poller<'_>) -> Poll<std::io::Result<()>> {
        if !self.blocked {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_out(cx))?;
        self.blocked = false;
        Poll::Ready(Ok(()))
    }

    /// Writes what there is to say, without more.
    pub(super) fn poll_out(&mut self, cx: &mut Poller<'_>) -> Poll<std::io::Result<()>> {
        let mut written = 0;
        let outcome = loop {
            match self.out.get(written..) {
                None | Some([]) => break Poll::Ready(Ok(())),
                Some(rest) => match self.stream.poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => break Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => written += n,
                    Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                    Poll::Pending => break Poll::Pending,
                },
            }
        };
        self.out.drain(..written);
        outcome
    }
}

/// The piece that the byte of this number stands in, from there on.
fn rest<'a>(pieces: &'a [IoSlice<'_>], mut skipped: usize) -> &'a [u8] {
    for piece in pieces {
        if skipped < piece.len() {
            return &piece[skipped..];
        }
        skipped -= piece.len();
    }
    &[]
}
