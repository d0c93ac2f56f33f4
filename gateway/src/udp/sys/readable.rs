//! A descriptor that the runtime watches (epoll_ctl(2)), for reading only: a datagram that has left would be an event
//! too, and nobody waits for it.
#![allow(unsafe_code)] // The runtime wants a promise that the descriptor stays the one it is.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// Closed when it is dropped.
pub(in crate::udp) struct Readable(AsyncFd<OwnedFd>);

impl Readable {
    pub(in crate::udp) fn new(descriptor: OwnedFd) -> io::Result<Readable> {
        // SAFETY: an owned descriptor is open, and the same one, for as long as it is owned; nobody but the field's
        // AsyncFd owns it, and it is never lent out mutably.
        let registered = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
        Ok(Readable(registered?))
    }

    /// Until there is something to read. Ready once, it is taken for ready until the guard's readiness is cleared.
    pub(in crate::udp) async fn ready(&self) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
        self.0.readable().await
    }
}

impl AsFd for Readable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}
