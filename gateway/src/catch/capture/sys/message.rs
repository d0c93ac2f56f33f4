//! sendmsg(2) with the control message that carries the address of our side (ip(7), ipv6(7)).
#![allow(unsafe_code)] // Control messages are written through raw pointers (cmsg(3)).

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use socket2::SockAddr;

/// Room for control messages, aligned as cmsghdr must be (cmsg(3)); the largest of ours takes 48 bytes.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// A payload in two parts, from an address of this host that the socket is not bound to: IP_PKTINFO, IPV6_PKTINFO.
pub(in crate::catch::capture) fn send(
    socket: &impl AsRawFd,
    from: IpAddr,
    to: &SockAddr,
    head: &[u8],
    payload: &[u8],
) -> io::Result<()> {
    let mut control = Control([0; 128]);
    let part =
        |bytes: &[u8]| libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut parts = [part(head), part(payload)];
    // SAFETY: every pointer of the header leads to memory of the length beside it that lives through the call; the call
    // reads only. The control buffer has room for either message.
    let returned = unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len();
        header.msg_iov = parts.as_mut_ptr();
        header.msg_iovlen = parts.len() as _;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = control.0.len() as _;
        header.msg_controllen = match from {
            IpAddr::V4(from) => {
                let mut info: libc::in_pktinfo = std::mem::zeroed();
                info.ipi_spec_dst.s_addr = u32::from_ne_bytes(from.octets());
                write(&header, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            }
            IpAddr::V6(from) => {
                let mut info: libc::in6_pktinfo = std::mem::zeroed();
                info.ipi6_addr.s6_addr = from.octets();
                write(&header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            }
        } as _;
        libc::sendmsg(socket.as_raw_fd(), &raw const header, 0)
    };
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Writes one control message and returns the length of all.
///
/// # Safety
/// The header has a control buffer with room for it.
unsafe fn write<T>(header: &libc::msghdr, level: libc::c_int, kind: libc::c_int, value: T) -> usize {
    let length = size_of::<T>() as u32;
    // SAFETY: the caller gives the room; CMSG_DATA need not be aligned for T.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(length) as _;
        libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
        libc::CMSG_SPACE(length) as usize
    }
}
