//! A listening socket whose readiness the runtime watches. tokio's own listener would also register what it accepts, on
//! the worker that accepted and not on the one that serves.

use std::io;
use std::net::TcpListener;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

#[allow(unsafe_code)]
pub(super) fn watched(listener: TcpListener) -> io::Result<AsyncFd<TcpListener>> {
    // SAFETY: a TcpListener owns its descriptor, which stays open and the same for as long as the value lives; it is
    // moved into the AsyncFd, and nobody closes or replaces it there.
    let watched = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) };
    watched.map_err(|error| io::Error::other(error.to_string()))
}
