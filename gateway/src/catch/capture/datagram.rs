//! A datagram that was caught, with the VIP:port it was sent to.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::sys;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of it that are in the buffer.
    pub length: usize,
    /// It was longer than the buffer.
    pub truncated: bool,
    pub client: SocketAddr,
    /// As its header says (IP_RECVORIGDSTADDR). A process of this host may also send to the socket's own address, which is
    /// no VIP's.
    pub vip: SocketAddr,
}

/// The next datagram of one of [`Listeners`](super::Listeners)' sockets; `WouldBlock` when there is none.
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    sys::message::receive(socket, buffer)
}
