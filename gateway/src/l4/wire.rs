//! One end of a relay, as the driver reads and writes it.

use std::cell::{Cell, OnceCell};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context as Poller, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, send, sendmsg, shutdown};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop::has_budget_remaining;

/// A stream of bytes with two directions, used by one task.
pub(crate) trait Wire {
    /// What came, once something has; `Ok(0)` is the end of the peer's sending.
    fn poll_read(&self, cx: &mut Poller<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    fn poll_write(&self, cx: &mut Poller<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// The same of several pieces, in one go.
    fn poll_write_vectored(&self, cx: &mut Poller<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Pushes on what was taken and is not on its way yet.
    fn poll_flush(&self, cx: &mut Poller<'_>) -> Poll<io::Result<()>>;

    /// Says that no more comes, and leaves the other direction open.
    fn poll_shutdown(&self, cx: &mut Poller<'_>) -> Poll<io::Result<()>>;

    /// The socket, if bytes go through it as they are.
    fn plain(&self) -> Option<&TcpWire>;

    /// The socket beneath, for its options.
    fn on_socket(&self, act: &mut dyn FnMut(&TcpStream));

    /// Closing it from now on is a reset (RFC 9293, 3.10.7.4; socket(7), SO_LINGER).
    fn reset(&self) {
        self.on_socket(&mut |socket| drop(socket.set_zero_linger()));
    }
}

/// A socket whose bytes are the stream's.
///
/// The runtime need not know of it until something has to be waited for: a client that says all at once and is answered and
/// left at once costs no epoll_ctl(2).
pub(crate) struct TcpWire {
    stream: OnceCell<TcpStream>,
    /// Until then.
    unwatched: Cell<Option<OwnedFd>>,
    /// The runtime knows whom to wake when something comes, and has not done so yet. Telling it again would take a lock,
    /// at each event, for the socket of the two that the event was not of.
    awaited: Cell<bool>,
    /// Nothing has been heard of it yet.
    fresh: Cell<bool>,
}

/// What a read brought.
pub(super) enum Brought {
    /// There may be more.
    Some(usize),
    /// That was all: what comes next is an event of its own (epoll(7), edge-triggered), and no read has to find out.
    All(usize),
}

impl TcpWire {
    pub(crate) fn new(stream: TcpStream) -> TcpWire {
        TcpWire {
            stream: OnceCell::from(stream),
            unwatched: Cell::default(),
            awaited: Cell::new(false),
            fresh: Cell::new(false),
        }
    }

    /// One that was just accepted: most clients speak first, and what they said is mostly there, before the runtime has
    /// heard of it.
    pub(crate) fn accepted(stream: TcpStream) -> TcpWire {
        TcpWire { fresh: Cell::new(true), ..TcpWire::new(stream) }
    }

    /// The same of a socket that does not block, which the runtime may never have to hear of.
    pub(crate) fn unwatched(socket: OwnedFd) -> TcpWire {
        TcpWire {
            stream: OnceCell::new(),
            unwatched: Cell::new(Some(socket)),
            awaited: Cell::new(false),
            fresh: Cell::new(true),
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.stream.get().is_some()
    }

    /// From now on the runtime knows of it.
    pub(crate) fn watch(&self) -> io::Result<&TcpStream> {
        if let Some(stream) = self.stream.get() {
            return Ok(stream);
        }
        let socket = self.unwatched.take().ok_or(io::ErrorKind::NotConnected)?;
        let stream = TcpStream::from_std(socket.into())?;
        Ok(self.stream.get_or_init(|| stream))
    }

    /// A system call on it that does not block.
    fn call<R>(&self, act: impl FnOnce(BorrowedFd<'_>) -> Result<R, Errno>) -> Result<R, Errno> {
        if let Some(stream) = self.stream.get() {
            return act(stream.as_fd());
        }
        // There is none where the runtime could not take it.
        let socket = self.unwatched.take().ok_or(Errno::NOTCONN)?;
        let outcome = act(socket.as_fd());
        self.unwatched.set(Some(socket));
        outcome
    }

    /// Reads in the caller's way, once something may be there.
    pub(super) fn poll_read_by(
        &self,
        cx: &mut Poller<'_>,
        mut read: impl FnMut(BorrowedFd<'_>) -> Result<Brought, Errno>,
    ) -> Poll<io::Result<usize>> {
        if self.fresh.replace(false) {
            match self.call(&mut read) {
                Ok(Brought::Some(n) | Brought::All(n)) => return Poll::Ready(Ok(n)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        let stream = self.watch()?;
        loop {
            let mut outcome = None;
            // What it answers matters to the runtime alone: whether the socket is still thought to be readable.
            let _ = stream.try_io(Interest::READABLE, || {
                self.awaited.set(false);
                match outcome.insert(read(stream.as_fd())) {
                    Ok(Brought::All(_)) | Err(Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(()),
                }
            });
            match outcome {
                Some(Ok(Brought::Some(n) | Brought::All(n))) => return Poll::Ready(Ok(n)),
                Some(Err(Errno::AGAIN | Errno::INTR)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None if self.awaited.get() => return Poll::Pending,
                None => {
                    if stream.poll_read_ready(cx)?.is_pending() {
                        // A task whose turn is over is told to come again instead, and nothing is awaited.
                        self.awaited.set(has_budget_remaining());
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Writes in the caller's way, once there may be room.
    pub(super) fn poll_write_by(
        &self,
        cx: &mut Poller<'_>,
        mut write: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        // Tried before it is known to be writable: it nearly always is, and a fresh socket says so only a poll later.
        match self.call(&mut write) {
            Ok(n) => return Poll::Ready(Ok(n)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Poll::Ready(Err(error.into())),
        }
        let stream = self.watch()?;
        loop {
            ready!(stream.poll_write_ready(cx))?;
            let sent = stream.try_io(Interest::WRITABLE, || Ok(write(stream.as_fd())?));
            match sent {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// Whether nothing has come, the peer's end included. `surely`: by asking the kernel, where otherwise what the runtime
    /// has heard is enough.
    pub(super) fn is_quiet(&self, surely: bool) -> bool {
        let peek = || {
            let peeked = self.call(|socket| recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT));
            matches!(peeked, Err(Errno::AGAIN))
        };
        if surely {
            return peek();
        }
        let mut quiet = true;
        if let Some(stream) = self.stream.get() {
            let _ = stream.try_io(Interest::READABLE, || {
                quiet = peek();
                // The runtime may believe what was not true any more.
                if quiet { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
        }
        quiet
    }

    /// Whether the peer has reset the connection, or, if its end of sending counts as leaving, has ended it. While bytes
    /// of it wait to be read, nothing can be said.
    pub(crate) fn poll_gone(&self, cx: &mut Poller<'_>, end_is_leaving: bool) -> Poll<()> {
        self.awaited.set(false);
        let Ok(stream) = self.watch() else { return Poll::Ready(()) };
        let (mut byte, mut seen) = ([0], None);
        loop {
            if ready!(stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            let _ = stream.try_io(Interest::READABLE, || {
                match *seen.insert(recv(stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT)) {
                    Err(Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(()),
                }
            });
            match seen.take() {
                Some(Ok((_, 0))) => return if end_is_leaving { Poll::Ready(()) } else { Poll::Pending },
                Some(Ok(_)) => return Poll::Pending,
                Some(Err(Errno::AGAIN | Errno::INTR)) | None => {}
                Some(Err(_)) => return Poll::Ready(()),
            }
        }
    }
}

impl Wire for TcpWire {
    fn poll_read(&self, cx: &mut Poller<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_by(cx, |socket| {
            let (n, _) = recv(socket, &mut *buffer, RecvFlags::DONTWAIT)?;
            // Less than there was room for: the socket is empty. Its end is told by an event that stays.
            Ok(if n == 0 || n == buffer.len() { Brought::Some(n) } else { Brought::All(n) })
        })
    }

    fn poll_write(&self, cx: &mut Poller<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_by(cx, |socket| send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
    }

    fn poll_write_vectored(&self, cx: &mut Poller<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_write_by(cx, |socket| {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            sendmsg(socket, pieces, &mut SendAncillaryBuffer::default(), flags)
        })
    }

    fn poll_flush(&self, _: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&self, _: &mut Poller<'_>) -> Poll<io::Result<()>> {
        // ENOTCONN: the peer has reset it already, which the other direction reports.
        let _ = self.call(|socket| shutdown(socket, Shutdown::Write));
        Poll::Ready(Ok(()))
    }

    fn plain(&self) -> Option<&TcpWire> {
        Some(self)
    }

    fn on_socket(&self, act: &mut dyn FnMut(&TcpStream)) {
        // It may be read there, or waited for.
        self.awaited.set(false);
        self.fresh.set(false);
        if let Ok(stream) = self.watch() {
            act(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::time::Duration;

    use tokio::task::coop::poll_proceed;

    use super::*;

    /// A client of the test's own, and the gateway's end of it.
    async fn pair() -> (std::net::TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    async fn read(wire: &TcpWire) -> Vec<u8> {
        let mut buffer = [0; 64];
        let reading = poll_fn(|cx| wire.poll_read(cx, &mut buffer));
        let n = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it is woken").unwrap();
        buffer[..n].to_vec()
    }

    #[tokio::test]
    async fn what_was_said_before_the_runtime_heard_of_it_is_there_at_once() {
        let (mut client, stream) = pair().await;
        client.write_all(b"first").unwrap();
        let wire = TcpWire::accepted(stream);
        let mut buffer = [0; 64];
        let Poll::Ready(Ok(5)) =
            wire.poll_read(&mut Poller::from_waker(std::task::Waker::noop()), &mut buffer)
        else {
            panic!("loopback delivers before write(2) returns")
        };
        client.write_all(b"second").unwrap();
        assert_eq!(read(&wire).await, b"second");
        drop(client);
        assert_eq!(read(&wire).await, b"");
    }

    #[tokio::test]
    async fn the_runtime_hears_of_a_socket_when_something_is_waited_for() {
        let (mut client, stream) = pair().await;
        client.write_all(b"first").unwrap();
        let wire = TcpWire::unwatched(stream.into_std().unwrap().into());
        let nobody = &mut Poller::from_waker(std::task::Waker::noop());
        assert!(matches!(wire.poll_read(nobody, &mut [0; 64]), Poll::Ready(Ok(5))));
        assert!(matches!(wire.poll_write(nobody, b"answer"), Poll::Ready(Ok(6))));
        assert!(wire.is_quiet(true) && !wire.is_watched());
        client.read_exact(&mut [0; 6]).unwrap();
        client.write_all(b"second").unwrap();
        assert!(!wire.is_quiet(true));
        assert_eq!(read(&wire).await, b"second");
        assert!(wire.is_watched());
        drop(client);
        assert_eq!(read(&wire).await, b"");
    }

    /// What the runtime says then is no promise to wake the task for the socket.
    #[tokio::test]
    async fn a_task_whose_turn_is_over_is_woken_for_what_comes_later() {
        let (mut client, stream) = pair().await;
        let wire = TcpWire::new(stream);
        let (mut buffer, mut polls) = ([0; 64], 0);
        let reading = poll_fn(move |cx| {
            polls += 1;
            if polls == 1 {
                while let Poll::Ready(spent) = poll_proceed(cx) {
                    spent.made_progress();
                }
            }
            let read = wire.poll_read(cx, &mut buffer);
            if polls == 2 {
                assert!(read.is_pending());
                client.write_all(b"later").unwrap();
            }
            read
        });
        // A task of its own: nothing but the socket wakes it.
        let woken =
            async { tokio::time::timeout(Duration::from_secs(10), tokio::task::spawn_local(reading)).await };
        let read = tokio::task::LocalSet::new().run_until(woken).await.expect("it is woken");
        assert_eq!(read.unwrap().unwrap(), 5);
    }
}
