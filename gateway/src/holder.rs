//! Who holds a port: the name and pid behind a listening socket, for a message that ends the search.
//!
//! proc(5): `/proc/net/tcp{,6}` maps the address to an inode, `/proc/<pid>/fd` the inode to a process. Processes of other
//! users cannot be looked into without privilege; then the owner's uid is all there is to say.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    Process {
        name: String,
        pid: i32,
    },
    /// Somebody else's process.
    User {
        uid: u32,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Process { name, pid } => write!(f, "{name} (pid {pid})"),
            Holder::User { uid } => write!(f, "a process of uid {uid}"),
        }
    }
}

/// The listener that a TCP bind of `wanted` collides with, and the address it is bound to.
pub fn of_tcp(wanted: SocketAddr) -> Option<(SocketAddr, Holder)> {
    let listeners = procfs::net::tcp().into_iter().chain(procfs::net::tcp6()).flatten();
    let entry = listeners
        .filter(|entry| entry.state == TcpState::Listen && collides(entry.local_address, wanted))
        // The exact address says more than a wildcard.
        .min_by_key(|entry| entry.local_address.ip().is_unspecified())?;
    Some((entry.local_address, process(entry.inode, entry.uid)))
}

/// The socket that a UDP bind of `wanted` collides with.
pub fn of_udp(wanted: SocketAddr) -> Option<(SocketAddr, Holder)> {
    let sockets = procfs::net::udp().into_iter().chain(procfs::net::udp6()).flatten();
    let entry = sockets
        .filter(|entry| collides(entry.local_address, wanted))
        .min_by_key(|entry| entry.local_address.ip().is_unspecified())?;
    Some((entry.local_address, process(entry.inode, entry.uid)))
}

fn collides(held: SocketAddr, wanted: SocketAddr) -> bool {
    let (held_ip, wanted_ip) = (held.ip().to_canonical(), wanted.ip().to_canonical());
    held.port() == wanted.port()
        && (held_ip == wanted_ip || covers(held_ip, wanted_ip) || covers(wanted_ip, held_ip))
}

/// `0.0.0.0` covers IPv4; `[::]` covers both families unless IPV6_V6ONLY, which proc does not show.
fn covers(wildcard: IpAddr, address: IpAddr) -> bool {
    wildcard.is_unspecified() && (wildcard.is_ipv6() || address.is_ipv4())
}

fn process(inode: u64, uid: u32) -> Holder {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    let process = processes.into_iter().find(|process| has_socket(process, inode));
    match process {
        Some(process) => {
            let name = process.stat().map_or_else(|_| "?".to_owned(), |stat| stat.comm);
            Holder::Process { name, pid: process.pid() }
        }
        None => Holder::User { uid },
    }
}

fn has_socket(process: &Process, inode: u64) -> bool {
    let descriptors = process.fd().into_iter().flatten().flatten();
    descriptors
        .into_iter()
        .any(|descriptor| matches!(descriptor.target, FDTarget::Socket(found) if found == inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_wildcard_listener_is_this_process() {
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (address, holder) = of_tcp(SocketAddr::new("127.99.0.1".parse().unwrap(), port)).unwrap();
        assert!(address.ip().is_unspecified());
        assert!(
            matches!(holder, Holder::Process { pid, .. } if pid == std::process::id() as i32),
            "{holder}"
        );
    }

    #[test]
    fn another_address_is_no_collision() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(of_tcp(SocketAddr::new("127.99.0.1".parse().unwrap(), port)), None);
    }
}
