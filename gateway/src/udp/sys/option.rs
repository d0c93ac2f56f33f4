//! setsockopt(2), for the options that have a datagram's destination reported.
#![allow(unsafe_code)] // setsockopt(2) takes a raw pointer.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::address::Family;

/// Reports the IP that each datagram was sent to (ip(7), IP_PKTINFO; RFC 3542, 6.1).
pub(in crate::udp) fn report_ip(socket: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => enable(socket, libc::IPPROTO_IP, libc::IP_PKTINFO),
        Family::V6 => enable(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    }
}

/// Reports the address and port that each datagram was sent to before it was captured (ip(7), IP_RECVORIGDSTADDR).
pub(in crate::udp) fn report_original(socket: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    // An IPv6 socket takes mapped peers too, whose datagrams heed the option of IPv4.
    enable(socket, libc::IPPROTO_IP, libc::IP_RECVORIGDSTADDR)?;
    match family {
        Family::V4 => Ok(()),
        Family::V6 => enable(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVORIGDSTADDR),
    }
}

fn enable(socket: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads one int, which lives through the call; the descriptor is open as long as it is borrowed.
    let returned =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const on).cast(), length) };
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
