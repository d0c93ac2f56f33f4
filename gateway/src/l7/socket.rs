//! A TCP socket as hyper reads and writes it, held in common, so that the connection's own side can see what hyper does
//! not tell: whose turn it is, whether the peer is gone, and that a write makes no progress.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// A peer that still sends when we close is listened to for this long: a reset would destroy the answer that it has not
/// read yet (RFC 9112, 9.6).
const LINGER: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Socket(Rc<Inner>);

struct Inner {
    stream: TcpStream,
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
    pub(super) fn new(stream: TcpStream, stall: Duration) -> Socket {
        let turn = Cell::new(Turn::Idle { since: Instant::now() });
        Socket(Rc::new(Inner { stream, turn, stall, stalled: RefCell::default() }))
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
        let mut byte = [0];
        match self.0.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(0)) if end_is_leaving => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Best effort: the client may be gone, and a full socket buffer is not waited for.
    pub(super) fn last_words(&self, text: &[u8]) {
        let _ = self.0.stream.try_write(text);
    }

    /// Says that nothing more comes, and waits for the peer to be done.
    pub(super) async fn linger(&self) {
        let stream = &self.0.stream;
        let _ = socket2::SockRef::from(stream).shutdown(Shutdown::Write);
        let drain = async {
            let mut chunk = vec![0; 16 << 10];
            loop {
                let ready = stream.readable().await;
                match ready.and_then(|()| stream.try_read(&mut chunk)) {
                    Ok(0) => return,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
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

    /// Tries until the socket takes something, or nothing for too long.
    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(&self.0.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => {
                    *self.0.stalled.borrow_mut() = None;
                    return Poll::Ready(done);
                }
            }
            if let Poll::Ready(ready) = self.0.stream.poll_write_ready(cx) {
                ready?;
                continue;
            }
            let mut stalled = self.0.stalled.borrow_mut();
            let clock = stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.0.stall)));
            ready!(clock.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer stopped reading")));
        }
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
        loop {
            ready!(self.0.stream.poll_read_ready(cx))?;
            match self.0.stream.try_read(&mut chunk[..size]) {
                Ok(n) => {
                    self.received(n);
                    out.put_slice(&chunk[..n]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match socket2::SockRef::from(&self.0.stream).shutdown(Shutdown::Write) {
            // The peer reset it: there is nothing left to shut.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}
