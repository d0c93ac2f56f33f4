//! TLS as one end of a relay: bytes go in and out in the clear, and over the socket in TLS.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tokio_rustls::rustls::ProtocolVersion;

use super::wire::{TcpWire, Wire};

/// What a client's handshake came to.
#[derive(Clone, Debug)]
pub(crate) struct TlsFacts {
    /// As in `1.3`; there are two.
    pub(crate) version: &'static str,
    /// RFC 7301.
    pub(crate) alpn: Option<Box<[u8]>>,
    /// That the client named (RFC 6066, 3), in lower case.
    pub(crate) server_name: Option<Box<str>>,
}

pub(crate) struct TlsWire {
    /// Boxed: it is a hundred times a socket's size.
    stream: RefCell<Box<TlsStream<TcpStream>>>,
}

impl TlsWire {
    pub(crate) fn facts(&self) -> TlsFacts {
        let stream = self.stream.borrow();
        let connection = stream.get_ref().1;
        TlsFacts {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "1.2",
                _ => "1.3",
            },
            alpn: connection.alpn_protocol().map(Box::from),
            server_name: match &**stream {
                TlsStream::Server(stream) => stream.get_ref().1.server_name().map(Box::from),
                TlsStream::Client(_) => None,
            },
        }
    }

    /// What was agreed on in the handshake (RFC 7301).
    pub(crate) fn is_h2(&self) -> bool {
        self.stream.borrow().get_ref().1.alpn_protocol() == Some(b"h2")
    }

    pub(crate) fn new(stream: impl Into<TlsStream<TcpStream>>) -> TlsWire {
        TlsWire { stream: RefCell::new(Box::new(stream.into())) }
    }
}

impl Wire for TlsWire {
    fn poll_read(&self, cx: &mut Poller<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut **self.stream.borrow_mut()).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(buffer.filled().len())),
            // A peer that ends without a close_notify (RFC 8446, 6.1). Many programs do, having said all they had to
            // say; a reset of the other side would destroy what it has not read yet.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_write(&self, cx: &mut Poller<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self.stream.borrow_mut()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(&self, cx: &mut Poller<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // Into one record, where they fit one.
        Pin::new(&mut **self.stream.borrow_mut()).poll_write_vectored(cx, pieces)
    }

    fn poll_flush(&self, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self.stream.borrow_mut()).poll_flush(cx)
    }

    /// A close_notify, and then the end of the socket's sending.
    fn poll_shutdown(&self, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut **self.stream.borrow_mut()).poll_shutdown(cx) {
            // The peer is gone already, which the other direction reports.
            Poll::Ready(Err(_)) => Poll::Ready(Ok(())),
            done => done,
        }
    }

    fn plain(&self) -> Option<&TcpWire> {
        None
    }

    fn on_socket(&self, act: &mut dyn FnMut(&TcpStream)) {
        act(self.stream.borrow().get_ref().0);
    }
}
