//! setsockopt(2) for an option whose value is a number.
#![allow(unsafe_code)] // setsockopt(2) takes a raw pointer to the value.

use std::io;
use std::os::fd::AsRawFd;

/// Has the kernel put a raw IPv6 socket's checksum at this offset: IPV6_CHECKSUM (RFC 3542, 3.1).
pub(in crate::catch::capture) fn checksum_at(socket: &impl AsRawFd, offset: libc::c_int) -> io::Result<()> {
    set(socket, libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM, offset)
}

fn set(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointer leads to an integer of that length, which lives through the call and is only read.
    let returned =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
