//! A stream of bytes as the h2 crate reads and writes it, looked at on its way: some frames cost their receiver work and
//! their sender nothing, so they are counted.
//!
//! The crate bounds streams, resets of streams, header lists, CONTINUATION and empty DATA by itself. What is left are
//! PING and SETTINGS, each of which asks for an answer (CVE-2019-9512, CVE-2019-9515), PRIORITY, which nobody heeds
//! (CVE-2019-9513), and RST_STREAM (CVE-2023-44487, beside the crate's own count of those that were not looked at yet).

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::l4::{Stream, Wire};

/// A frame's head (RFC 9113, 4.1).
const HEAD: usize = 9;
/// What is read at once.
const READ: usize = 16 << 10;
/// Before them a client's first bytes are the preface (RFC 9113, 3.4).
const PREFACE: usize = 24;
/// Such frames that a peer may send in a [`WINDOW`] beyond those that its own work, and ours for it, explains: keep-alive
/// and bandwidth probes are PINGs, and a browser that is sent elsewhere resets what it asked for.
const ALLOWED: i32 = 200;
const WINDOW: Duration = Duration::from_secs(10);
/// So much that we write explains one frame: who downloads probes as he goes.
const EARNS: usize = 1 << 10;

/// Counts the frames that go by.
#[derive(Debug)]
struct Frames {
    /// Bytes until the next frame's head,
    skip: usize,
    /// and those of it that came.
    head: [u8; HEAD],
    had: usize,
    /// The first has come, and was not the SETTINGS that belong to the preface (RFC 9113, 3.4).
    begun: bool,
    strange: bool,
    /// Frames of talk that may yet come,
    talk: i32,
    /// in the window that began then.
    since: Instant,
    written: usize,
}

impl Frames {
    fn new(skip: usize, now: Instant) -> Frames {
        Frames {
            skip,
            head: [0; HEAD],
            had: 0,
            begun: false,
            strange: false,
            talk: ALLOWED,
            since: now,
            written: 0,
        }
    }

    fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        self.earn((self.written / EARNS) as i32);
        self.written %= EARNS;
    }

    fn earn(&mut self, frames: i32) {
        self.talk = self.talk.saturating_add(frames).min(ALLOWED);
    }

    /// Whether there was too much talk.
    fn look(&mut self, bytes: &[u8], now: impl FnOnce() -> Instant) -> bool {
        self.walk(bytes);
        if self.talk >= 0 {
            return false;
        }
        // Only who is suspect is timed.
        let now = now();
        if now - self.since < WINDOW {
            return true;
        }
        (self.talk, self.since) = (ALLOWED, now);
        false
    }

    fn walk(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            (self.skip, bytes) = (self.skip - skipped, &bytes[skipped..]);
            while self.skip == 0 && self.had < HEAD && !bytes.is_empty() {
                self.head[self.had] = bytes[0];
                self.had += 1;
                bytes = &bytes[1..];
            }
            if self.had == HEAD {
                self.count();
                self.skip = usize::from(self.head[0]) << 16
                    | usize::from(self.head[1]) << 8
                    | usize::from(self.head[2]);
                self.had = 0;
            }
        }
    }

    fn count(&mut self) {
        let [.., kind, flags, _, _, _, _] = self.head;
        let answers = flags & 1 == 1;
        if !std::mem::replace(&mut self.begun, true) {
            self.strange = kind != 0x4 || answers;
        }
        match kind {
            // HEADERS, and DATA that has any.
            0x1 => self.earn(1),
            0x0 if self.head[..3] != [0, 0, 0] => self.earn(1),
            // PRIORITY; RST_STREAM, so that who takes back more than half of what he asks for is found out.
            0x2 => self.talk -= 1,
            0x3 => self.talk -= 2,
            // SETTINGS and PING that are no answer to ours.
            0x4 | 0x6 if !answers => self.talk -= 1,
            _ => {}
        }
    }
}

/// Told when the peer has talked too much.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk(Rc<Cell<bool>>);

impl Talk {
    pub(super) fn is_too_much(&self) -> bool {
        self.0.get()
    }
}

pub(super) struct H2Io {
    /// Whoever shares it has a last word with the peer.
    stream: Rc<Stream>,
    /// What was read before it was known to be HTTP/2.
    early: Bytes,
    frames: Option<RefCell<Frames>>,
    talk: Talk,
}

impl H2Io {
    /// Of a peer that is trusted with its frames.
    pub(super) fn new(stream: Stream, early: Bytes) -> H2Io {
        H2Io { stream: Rc::new(stream), early, frames: None, talk: Talk::default() }
    }

    /// Of a client, whose preface has not been read.
    pub(super) fn of_client(stream: Rc<Stream>, early: Bytes, talk: Talk) -> H2Io {
        let frames = Frames::new(PREFACE, Instant::now());
        H2Io { stream, early, frames: Some(RefCell::new(frames)), talk }
    }

    /// Fails for a client whose preface is none, which the crate would serve.
    fn look(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(frames) = &self.frames else { return Ok(()) };
        let mut frames = frames.borrow_mut();
        if frames.look(bytes, Instant::now) {
            self.talk.0.set(true);
        }
        if frames.strange {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its first frame is not SETTINGS"));
        }
        Ok(())
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(n)), Some(frames)) = (&written, &self.frames) {
            frames.borrow_mut().wrote(*n);
        }
        written
    }
}

impl AsyncRead for H2Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let n = self.early.len().min(out.remaining());
            self.look(&self.early[..n])?;
            out.put_slice(&self.early[..n]);
            self.early.advance(n);
            return Poll::Ready(Ok(()));
        }
        let into = out.initialize_unfilled_to(out.remaining().min(READ));
        let n = ready!(self.stream.poll_read(cx, into))?;
        self.look(&into[..n])?;
        out.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for H2Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wrote(self.stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wrote(self.stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![0, (payload >> 8) as u8, payload as u8, kind, flags, 0, 0, 0, 1];
        bytes.extend(std::iter::repeat_n(0, payload));
        bytes
    }

    #[test]
    fn talk_is_counted_however_it_is_cut() {
        let mut wire = vec![b'P'; PREFACE];
        for _ in 0..ALLOWED {
            wire.extend(frame(0x6, 0, 8));
            // Answers to ours are none.
            wire.extend(frame(0x4, 1, 0));
        }
        let began = Instant::now();
        for size in [1, 7, 100_000] {
            let mut frames = Frames::new(PREFACE, began);
            assert!(!wire.chunks(size).any(|bytes| frames.look(bytes, || began)), "{size}");
            assert!(frames.look(&frame(0x2, 0, 5), || began), "{size}");
        }
    }

    #[test]
    fn settings_come_first() {
        for (bytes, strange) in [
            (frame(0x4, 0, 0), false),
            (frame(0x4, 0, 6), false),
            (frame(0x4, 1, 0), true),
            (frame(0x1, 5, 30), true),
        ] {
            let began = Instant::now();
            let mut frames = Frames::new(PREFACE, began);
            frames.look(&[&[b'P'; PREFACE][..], &bytes, &frame(0x6, 0, 8)].concat(), || began);
            assert_eq!(frames.strange, strange, "{bytes:?}");
        }
    }

    #[test]
    fn a_probe_now_and_then_is_no_flood() {
        let began = Instant::now();
        let mut frames = Frames::new(0, began);
        let mut probe = |n: u32| frames.look(&frame(0x6, 0, 8), || began + Duration::from_millis(100) * n);
        assert!(!(0..10_000).any(&mut probe));
    }

    #[test]
    fn who_works_may_talk() {
        let began = Instant::now();
        let mut frames = Frames::new(0, began);
        for _ in 0..10_000 {
            for bytes in [frame(0x1, 4, 30), frame(0x0, 0, 500), frame(0x3, 0, 4)] {
                assert!(!frames.look(&bytes, || began));
            }
            frames.wrote(EARNS);
            assert!(!frames.look(&frame(0x6, 0, 8), || began));
        }
        // Taking back all that was asked for is a flood (CVE-2023-44487), and empty DATA is no work.
        for pair in [[frame(0x1, 5, 30), frame(0x3, 0, 4)], [frame(0x0, 0, 0), frame(0x6, 0, 8)]] {
            let mut frames = Frames::new(0, began);
            assert!((0..1_000).any(|_| pair.iter().any(|bytes| frames.look(bytes, || began))));
        }
    }
}
