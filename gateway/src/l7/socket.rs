//! A socket, or TLS over one, as hyper reads and writes it, held in common, so that the connection's own side can see what hyper does
//! not tell: whose turn it is, whether the peer is gone, and that a write makes no progress.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep};

use crate::l4::{TcpWire, Wire};

/// A peer that still sends when we close is listened to for this long: a reset would destroy the answer that it has not
/// read yet (RFC 9112, 9.6).
const LINGER: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Socket(Rc<Inner>);

struct Inner {
    wire: Box<dyn Wire>,
    turn: Cell<Turn>,
    /// How long a write may make no progress.
    stall: Duration,
    stalled: RefCell<Option<Pin<Box<Sleep>>>>,
}

/// Whose turn it is on a connection that takes requests.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// The client's, and it has said nothing yet.
    Idle { since: Instant },
    /// A head is coming in.
    Head { since: Instant, bytes: usize },
    /// Ours, from the head's end to the answer's.
    Exchange,
}

impl Socket {
    pub(super) fn new(wire: impl Wire + 'static, stall: Duration) -> Socket {
        let turn = Cell::new(Turn::Idle { since: Instant::now() });
        let wire = Box::new(wire);
        Socket(Rc::new(Inner { wire, turn, stall, stalled: RefCell::default() }))
    }

    pub(super) fn turn(&self) -> Turn {
        self.0.turn.get()
    }

    /// The head is complete.
    pub(super) fn request_complete(&self) {
        self.0.turn.set(Turn::Exchange);
    }

    /// The answer is: what comes now is the next head.
    pub(super) fn answered(&self) {
        self.0.turn.set(Turn::Idle { since: Instant::now() });
    }

    /// Whether the peer has reset the connection, or, if its end of sending counts as leaving, has ended it. While bytes
    /// of it wait to be read, nothing can be said.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>, end_is_leaving: bool) -> Poll<()> {
        let (mut byte, mut peeked) = ([0], Poll::Pending);
        self.0.wire.on_socket(&mut |socket| peeked = socket.poll_peek(cx, &mut ReadBuf::new(&mut byte)));
        match peeked {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(0)) if end_is_leaving => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Best effort: the client may be gone, and a full socket buffer is not waited for.
    pub(super) fn last_words(&self, text: &[u8]) {
        let mut nobody = Context::from_waker(Waker::noop());
        if self.0.wire.poll_write(&mut nobody, text).is_ready() {
            let _ = self.0.wire.poll_flush(&mut nobody);
        }
    }

    /// Says that nothing more comes, and waits for the peer to be done.
    pub(super) async fn linger(&self) {
        let wire = &self.0.wire;
        let drain = async {
            poll_fn(|cx| wire.poll_shutdown(cx)).await?;
            let mut chunk = vec![0; 16 << 10];
            while poll_fn(|cx| wire.poll_read(cx, &mut chunk)).await? > 0 {}
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(LINGER, drain).await;
    }

    fn received(&self, n: usize) {
        let turn = match self.0.turn.get() {
            _ if n == 0 => return,
            Turn::Idle { .. } => Turn::Head { since: Instant::now(), bytes: n },
            Turn::Head { since, bytes } => Turn::Head { since, bytes: bytes + n },
            Turn::Exchange => Turn::Exchange,
        };
        self.0.turn.set(turn);
    }

    /// Until the socket takes something, or nothing for too long.
    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(done) = write(cx) {
            *self.0.stalled.borrow_mut() = None;
            return Poll::Ready(done);
        }
        let mut stalled = self.0.stalled.borrow_mut();
        let clock = stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.0.stall)));
        ready!(clock.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer stopped reading")))
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut chunk = [0; 16 << 10];
        let size = out.remaining().min(chunk.len());
        let n = ready!(self.0.wire.poll_read(cx, &mut chunk[..size]))?;
        self.received(n);
        out.put_slice(&chunk[..n]);
        Poll::Ready(Ok(()))
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |cx| self.0.wire.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = self.0.wire.plain().map(TcpWire::stream) else {
            let first = pieces.iter().find(|piece| !piece.is_empty());
            return self
                .poll_write_with(cx, |cx| self.0.wire.poll_write(cx, first.map_or(&[], |piece| piece)));
        };
        self.poll_write_with(cx, |cx| {
            loop {
                match socket.try_write_vectored(pieces) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
                ready!(socket.poll_write_ready(cx))?;
            }
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.0.wire.plain().is_some()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.wire.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.wire.poll_shutdown(cx)
    }
}
