//! One end of a relay, as the driver reads and writes it.

use std::io;
use std::task::{Context as Poller, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A stream of bytes with two directions, used by one task.
pub(crate) trait Wire {
    /// What came, once something has; `Ok(0)` is the end of the peer's sending.
    fn poll_read(&self, cx: &mut Poller<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    fn poll_write(&self, cx: &mut Poller<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Pushes on what was taken and is not on its way yet.
    fn poll_flush(&self, cx: &mut Poller<'_>) -> Poll<io::Result<()>>;

    /// Says that no more comes, and leaves the other direction open.
    fn poll_shutdown(&self, cx: &mut Poller<'_>) -> Poll<io::Result<()>>;

    /// The socket, if bytes go through it as they are.
    fn plain(&self) -> Option<&TcpStream>;

    /// The socket beneath, for its options.
    fn on_socket(&self, act: &mut dyn FnMut(&TcpStream));

    /// Closing it from now on is a reset (RFC 9293, 3.10.7.4; socket(7), SO_LINGER).
    fn reset(&self) {
        self.on_socket(&mut |socket| drop(socket.set_zero_linger()));
    }
}

impl Wire for TcpStream {
    fn poll_read(&self, cx: &mut Poller<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let mut part = None;
            let whole = self.try_io(Interest::READABLE, || {
                let (n, _) = recv(self, &mut *buffer, RecvFlags::DONTWAIT)?;
                if n == 0 || n == buffer.len() {
                    return Ok(n);
                }
                // Less than there was room for: the socket is empty, and what comes next is an event of its own
                // (epoll(7), edge-triggered). Saying so saves the read that would only find that out.
                part = Some(n);
                Err(io::ErrorKind::WouldBlock.into())
            });
            match (whole, part) {
                (_, Some(n)) | (Ok(n), None) => return Poll::Ready(Ok(n)),
                (Err(error), None) if error.kind() == io::ErrorKind::WouldBlock => {}
                (Err(error), None) if error.kind() == io::ErrorKind::Interrupted => {}
                (Err(error), None) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_write(&self, cx: &mut Poller<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Tried before it is known to be writable: it nearly always is, and a fresh socket says so only a poll later.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match send(self, bytes, flags) {
            Ok(n) => return Poll::Ready(Ok(n)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => return Poll::Ready(Err(error.into())),
        }
        loop {
            ready!(self.poll_write_ready(cx))?;
            let sent = self.try_io(Interest::WRITABLE, || Ok(send(self, bytes, flags)?));
            match sent {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn poll_flush(&self, _: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&self, _: &mut Poller<'_>) -> Poll<io::Result<()>> {
        // ENOTCONN: the peer has reset it already, which the other direction reports.
        let _ = shutdown(self, Shutdown::Write);
        Poll::Ready(Ok(()))
    }

    fn plain(&self) -> Option<&TcpStream> {
        Some(self)
    }

    fn on_socket(&self, act: &mut dyn FnMut(&TcpStream)) {
        act(self);
    }
}
