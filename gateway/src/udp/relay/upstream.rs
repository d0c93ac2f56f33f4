//! A session's own socket, connected to its instance, and what its errors mean.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

pub(super) const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It cannot be reached: nobody listens there, or there is no way to it.
    Instance,
    /// This host has no port, descriptor or memory left.
    Shortage,
    /// The datagram's own: too long for the path, forbidden by a local packet filter. Others may pass.
    Datagram,
    /// The send buffer is full.
    Full,
    /// A signal; to be done again.
    Interrupted,
}

/// A socket from which the first datagram has left.
///
/// An instance on this host that does not listen has said so by the time the datagram is sent: asking for the socket's
/// error costs one call a session and saves its first datagram.
pub(super) fn open(instance: SocketAddr, first: &[u8]) -> io::Result<OwnedFd> {
    let family = if instance.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    rustix::net::connect(&socket, &instance)?;
    // The kernel may choose the very port that an instance on this host has just left: it would be its own echo.
    if SocketAddr::try_from(rustix::net::getsockname(&socket)?).is_ok_and(|own| own == instance) {
        return Err(Errno::CONNREFUSED.into());
    }
    while let Err(error) = rustix::net::send(&socket, first, SEND) {
        if error != Errno::INTR {
            return Err(error.into());
        }
    }
    rustix::net::sockopt::socket_error(&socket)??;
    Ok(socket)
}

/// What the kernel makes of ICMP errors is in icmp(7) and ipv6(7).
pub(super) fn fault(error: &io::Error) -> Fault {
    match Errno::from_io_error(error) {
        Some(Errno::AGAIN) => Fault::Full,
        Some(Errno::INTR) => Fault::Interrupted,
        Some(
            Errno::CONNREFUSED
            | Errno::HOSTUNREACH
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::NETDOWN
            | Errno::NONET
            | Errno::NOPROTOOPT
            | Errno::ACCESS,
        ) => Fault::Instance,
        Some(Errno::ADDRNOTAVAIL | Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Fault::Shortage,
        _ => Fault::Datagram,
    }
}
