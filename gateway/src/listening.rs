//! Listening sockets, with the options that accepted connections inherit (tcp(7), socket(7)), so that none costs a system
//! call for each connection.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Pending connections; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;
/// A quiet client is asked for a sign of life after this (tcp(7), TCP_KEEPIDLE).
const SILENCE: Duration = Duration::from_secs(60);
/// With `defer_accept`: how long the kernel waits for the first byte, in seconds (TCP_DEFER_ACCEPT).
const FIRST_BYTE: i32 = 5;
/// With `fast_open`: SYNs with data that may wait at once (RFC 7413, 5.1).
const FAST_OPEN_QUEUE: i32 = 256;

/// Some 1,000 datagrams of a full frame, with what the kernel adds to each.
const UDP_BUFFER: usize = 4 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// One of a group, among which the kernel spreads connections.
    pub(crate) reuse_port: bool,
    /// The address may lie in a prefix that only a route makes local (AnyIP): IPv4 sees that by itself, IPv6 looks at the
    /// addresses of interfaces alone (ipv6(7), IPV6_FREEBIND).
    pub(crate) routed: bool,
    /// An IPv6 wildcard takes IPv4 too.
    pub(crate) both_families: bool,
    pub(crate) fast_open: bool,
    pub(crate) defer_accept: bool,
}

pub(crate) fn tcp(address: SocketAddr, options: Options) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!options.both_families)?;
        socket.set_freebind_v6(options.routed)?;
    }
    // A restart must not wait for TIME_WAIT; a listener of somebody else is still noticed.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(options.reuse_port)?;
    socket.set_nonblocking(true)?;
    // A proxy's small writes are whole messages.
    socket.set_tcp_nodelay(true)?;
    // A client that lost its power says nothing; without this its connection would be open for ever.
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENCE))?;
    socket.bind(&address.into())?;
    if options.defer_accept {
        sys::set_defer_accept(&socket, FIRST_BYTE)?;
    }
    if options.fast_open {
        sys::set_fast_open(&socket, FAST_OPEN_QUEUE)?;
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Bound without SO_REUSEADDR or SO_REUSEPORT: with either, two programs would share the datagrams.
pub(crate) fn udp(address: SocketAddr, routed: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
        socket.set_freebind_v6(routed)?;
    }
    socket.set_nonblocking(true)?;
    // A burst waits here while the worker is busy; the kernel caps it at net.core.rmem_max.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// setsockopt(2) for the two options of tcp(7) that no library here has.
#[allow(unsafe_code)]
mod sys {
    use std::io;
    use std::os::fd::AsRawFd;

    use socket2::Socket;

    pub(super) fn set_defer_accept(socket: &Socket, seconds: i32) -> io::Result<()> {
        set(socket, libc::TCP_DEFER_ACCEPT, seconds)
    }

    pub(super) fn set_fast_open(socket: &Socket, queue: i32) -> io::Result<()> {
        set(socket, libc::TCP_FASTOPEN, queue)
    }

    fn set(socket: &Socket, option: libc::c_int, value: i32) -> io::Result<()> {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the descriptor is open for as long as `socket` lives, and the kernel reads `size` bytes of `value`.
        let done = unsafe {
            libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, (&raw const value).cast(), size)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn accepted_connections_have_the_options_of_the_listener() {
        let options = Options { defer_accept: true, fast_open: true, ..Options::default() };
        let listener = tcp("127.0.0.1:0".parse().unwrap(), options).unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "no byte yet");
        std::io::Write::write_all(&mut client, b"x").unwrap();
        listener.set_nonblocking(false).unwrap();
        let (mut served, _) = listener.accept().unwrap();
        let socket = socket2::SockRef::from(&served);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), SILENCE);
        let mut byte = [0];
        served.read_exact(&mut byte).unwrap();
    }

    #[test]
    fn a_group_shares_an_address_and_others_are_noticed() {
        let one = tcp("127.0.0.1:0".parse().unwrap(), Options::default()).unwrap();
        let address = one.local_addr().unwrap();
        assert_eq!(tcp(address, Options::default()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let group = Options { reuse_port: true, ..Options::default() };
        let first = tcp("[::1]:0".parse().unwrap(), group).unwrap();
        tcp(first.local_addr().unwrap(), group).unwrap();
    }
}
