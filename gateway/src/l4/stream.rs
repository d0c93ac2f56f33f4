//! A connection's bytes, in the clear or in TLS.

use std::io::{self, IoSlice};
use std::task::{Context as Poller, Poll, Waker};

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use super::{TcpWire, TlsFacts, TlsWire, Wire};

/// Either wire, for whoever serves both by the same code.
pub(crate) enum Stream {
    Plain(TcpWire),
    Tls(TlsWire),
}

impl Stream {
    /// See [`TcpWire::watch`].
    pub(crate) fn is_watched(&self) -> bool {
        match self {
            Stream::Plain(wire) => wire.is_watched(),
            Stream::Tls(_) => true,
        }
    }

    /// See [`TcpWire::poll_gone`]. What TLS has not opened yet counts as bytes that wait.
    pub(crate) fn poll_gone(&self, cx: &mut Poller<'_>, end_is_leaving: bool) -> Poll<()> {
        let wire = match self {
            Stream::Plain(wire) => return wire.poll_gone(cx, end_is_leaving),
            Stream::Tls(wire) => wire,
        };
        let (mut byte, mut gone) = ([0], Poll::Pending);
        wire.on_socket(&mut |socket| {
            gone = match socket.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
                Poll::Ready(Err(_)) => Poll::Ready(()),
                Poll::Ready(Ok(0)) if end_is_leaving => Poll::Ready(()),
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
            };
        });
        gone
    }

    /// Whether nothing has come that somebody would have to read; see [`TcpWire::is_quiet`].
    pub(crate) fn is_quiet(&self, surely: bool) -> bool {
        match self {
            Stream::Plain(wire) => wire.is_quiet(surely),
            // Session tickets come at any time and are nobody's to read.
            Stream::Tls(wire) => {
                wire.poll_read(&mut Poller::from_waker(Waker::noop()), &mut [0]).is_pending()
            }
        }
    }

    pub(crate) fn tls(&self) -> Option<Box<TlsFacts>> {
        match self {
            Stream::Plain(_) => None,
            Stream::Tls(wire) => Some(Box::new(wire.facts())),
        }
    }

    /// HTTP/2 was agreed on.
    pub(crate) fn is_h2(&self) -> bool {
        matches!(self, Stream::Tls(tls) if tls.is_h2())
    }
}

impl Wire for Stream {
    fn poll_read(&self, cx: &mut Poller<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(wire) => wire.poll_read(cx, buffer),
            Stream::Tls(wire) => wire.poll_read(cx, buffer),
        }
    }

    fn poll_write(&self, cx: &mut Poller<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(wire) => wire.poll_write(cx, bytes),
            Stream::Tls(wire) => wire.poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(&self, cx: &mut Poller<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(wire) => wire.poll_write_vectored(cx, pieces),
            Stream::Tls(wire) => wire.poll_write_vectored(cx, pieces),
        }
    }

    fn poll_flush(&self, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(wire) => wire.poll_flush(cx),
            Stream::Tls(wire) => wire.poll_flush(cx),
        }
    }

    fn poll_shutdown(&self, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(wire) => wire.poll_shutdown(cx),
            Stream::Tls(wire) => wire.poll_shutdown(cx),
        }
    }

    fn plain(&self) -> Option<&TcpWire> {
        match self {
            Stream::Plain(wire) => Some(wire),
            Stream::Tls(_) => None,
        }
    }

    fn on_socket(&self, act: &mut dyn FnMut(&TcpStream)) {
        match self {
            Stream::Plain(wire) => wire.on_socket(act),
            Stream::Tls(wire) => wire.on_socket(act),
        }
    }
}
