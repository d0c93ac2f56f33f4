//! The client's socket as hyper reads and writes it, held in common, so that something can still be said to a client
//! whose request hyper gave up on: half a head, or one that took too long.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::net::TcpStream;

#[derive(Clone)]
pub(super) struct Tap(Rc<Inner>);

struct Inner {
    stream: TcpStream,
    /// Bytes read since the last request was complete, or since the last write.
    pending: Cell<usize>,
}

impl Tap {
    pub(super) fn new(stream: TcpStream) -> Tap {
        Tap(Rc::new(Inner { stream, pending: Cell::new(0) }))
    }

    /// The head is complete: what comes now is body, or the next head.
    pub(super) fn request_complete(&self) {
        self.0.pending.set(0);
    }

    /// Bytes of a head that never became a request. A body is read behind its head and before the last of its answer is
    /// written, so a connection that was answered and is idle has none.
    pub(super) fn pending(&self) -> usize {
        self.0.pending.get()
    }

    fn written(&self, done: io::Result<usize>) -> Poll<io::Result<usize>> {
        self.0.pending.set(0);
        Poll::Ready(done)
    }

    /// Best effort: the client may be gone, and a full socket buffer is not waited for.
    pub(super) fn last_words(&self, text: &[u8]) {
        let _ = self.0.stream.try_write(text);
    }
}

impl Read for Tap {
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
                    self.0.pending.set(self.0.pending.get() + n);
                    out.put_slice(&chunk[..n]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for Tap {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.0.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.0.stream.poll_write_ready(cx))?;
                }
                done => return self.written(done),
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.0.stream.try_write_vectored(pieces) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.0.stream.poll_write_ready(cx))?;
                }
                done => return self.written(done),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = socket2::SockRef::from(&self.0.stream).shutdown(std::net::Shutdown::Write);
        match shut {
            // The client reset it: there is nothing left to shut.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}
