//! Which container a peer on this very host belongs to: the kernel says which socket is at the other end of a
//! connection, and of which cgroup it is.
//!
//! A host-network peer shares its address with every other job of the host, so the address names nobody. Its socket
//! does: sock_diag(7) finds one by its two addresses, and a cgroup v2 id is the same number as the inode of the
//! cgroup's directory, which is what an instance can learn of itself ([`own_cgroup`](roundhouse_registry::registrar::own_cgroup)).
//!
//! - One question, one answer: the kernel looks into its hash tables and answers within send(2). Nothing is dumped,
//!   nothing is waited for.
//! - The answer counts only if it is about the socket that was asked for. For want of it the kernel offers others, as
//!   a listener at the peer's address.
//! - Only this network namespace is seen, and only cgroup v2.

mod link;
mod message;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use self::link::Link;
use self::message::{Answer, Flow};

/// By what the peer speaks to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// Whom a socket belongs to, as of when it was made: moving a process to another cgroup takes no socket along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The cgroup v2 id, which is the inode number of the cgroup's directory; 1 is the root, as which the kernel also
    /// gives a socket without a cgroup of its own.
    pub(crate) cgroup: u64,
    /// As in `/proc/PID/fd` (`socket:[…]`); 0 once the process has closed the socket, with data still on its way.
    pub(crate) inode: u32,
    /// Of no use where `inode` is 0: some kernels give root's then.
    pub(crate) uid: u32,
}

/// Asks the kernel for the owners of sockets.
///
/// For one thread; each has its own. The netlink socket is opened by the first question, in the network namespace that
/// the thread is in then, and opened anew after an error.
#[derive(Default)]
pub(crate) struct Owners {
    link: RefCell<Option<Link>>,
}

impl Owners {
    pub(crate) fn new() -> Owners {
        Owners::default()
    }

    /// The owner of the peer's socket: `socket` is its own end, where it says it comes from, and `remote` the end it
    /// speaks to, which is ours (of a redirected connection: the one it was sent to at first). IPv4 and mapped IPv6
    /// addresses are the same here. It never waits.
    ///
    /// The address of `socket` must be one of this host's. An unconnected UDP socket takes datagrams for every address
    /// of its host, so the kernel offers it for whatever stranger has the same port. Of several UDP sockets that share
    /// an address (socket(7), SO_REUSEPORT) it is one of them that is named.
    ///
    /// `None` if there is no such socket: it is closed, in another network namespace, or bound to a device. Also if the
    /// kernel tells no cgroup: it is older than 5.8, or TCP alone is left to close the connection (TIME_WAIT). A kernel
    /// that lacks `tcp_diag` or `udp_diag` gives the same answer.
    ///
    /// # Errors
    /// Those of socket(2), send(2) and recv(2), what netlink(7) answers, and `InvalidData` for an answer that is none.
    pub(crate) fn owner(
        &self,
        protocol: Protocol,
        socket: SocketAddr,
        remote: SocketAddr,
    ) -> io::Result<Option<Owner>> {
        let Some(flow) = Flow::new(protocol, socket, remote) else { return Ok(None) };
        let Some(payload) = self.ask(&flow.request())? else { return Ok(None) };
        let answer = Answer::read(&payload).ok_or(io::ErrorKind::InvalidData)?;
        Ok(answer.owner.filter(|_| answer.is_about(&flow)))
    }

    fn ask(&self, request: &[u8; message::REQUEST]) -> io::Result<Option<link::Payload>> {
        let mut slot = self.link.borrow_mut();
        // Out of its place until it has worked: whatever is left over in a socket goes with it.
        let mut link = match slot.take() {
            Some(link) => link,
            None => Link::open()?,
        };
        let answer = link.ask(request)?;
        *slot = Some(link);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
