//! The sockets that get what the table catches: for each address family one TCP listener and one UDP socket a worker.
//!
//! - A socket for each family, not one for both: the table names each family's own, IPv4 addresses arrive as such
//!   and not mapped into IPv6, and a host without IPv6 needs nothing else.
//! - The port is the kernel's choice, on loopback: who connects to it and not to a VIP is no client of ours, as
//!   `getsockname` tells.
//! - IP_TRANSPARENT (ip(7)): TPROXY gives packets to no other socket, and no other may answer from the VIP.
//! - SO_REUSEADDR: what is accepted is bound to VIP:port and inherits it; without, an app of this host could not
//!   begin to listen on that port while a client's connection lives.
//! - SO_REUSEPORT: the kernel spreads by the client's address and port. A UDP client's datagrams to all VIPs come
//!   to one worker.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};

use super::table::{Family, Target};

/// As an entrypoint's; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

pub struct Listeners {
    pub families: Vec<FamilyListeners>,
}

/// One of each kind for every worker. Accepted sockets inherit TCP_NODELAY and SO_KEEPALIVE.
pub struct FamilyListeners {
    pub target: Target,
    pub tcp: Vec<TcpListener>,
    pub udp: Vec<UdpSocket>,
}

impl Listeners {
    /// `EPERM` without CAP_NET_ADMIN (or CAP_NET_RAW).
    pub fn open(prefixes: &[IpNet], workers: usize) -> io::Result<Listeners> {
        let prefixes = IpNet::aggregate(&prefixes.to_vec());
        let mut families = Vec::new();
        for family in [Family::V4, Family::V6] {
            let prefixes: Vec<_> =
                prefixes.iter().copied().filter(|prefix| Family::of(*prefix) == family).collect();
            if !prefixes.is_empty() {
                families.push(FamilyListeners::open(family, prefixes, workers)?);
            }
        }
        Ok(Listeners { families })
    }

    /// For the table.
    pub fn targets(&self) -> Vec<Target> {
        self.families.iter().map(|family| family.target.clone()).collect()
    }
}

impl FamilyListeners {
    fn open(family: Family, prefixes: Vec<IpNet>, workers: usize) -> io::Result<FamilyListeners> {
        let tcp_at = free(family, Kind::Tcp)?;
        let udp_at = free(family, Kind::Udp)?;
        let tcp = (0..workers).map(|_| listen(tcp_at)).collect::<io::Result<_>>()?;
        let udp = (0..workers).map(|_| receive_at(udp_at)).collect::<io::Result<_>>()?;
        let target = Target { family, prefixes, tcp: tcp_at.port(), udp: udp_at.port() };
        Ok(FamilyListeners { target, tcp, udp })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Tcp,
    Udp,
}

/// A port that nobody holds: with SO_REUSEPORT the kernel might choose that of another group of this user's, another
/// gateway's included (for UDP it does).
fn free(family: Family, kind: Kind) -> io::Result<SocketAddr> {
    let address = SocketAddr::new(family.loopback(), 0);
    let socket = transparent(address, kind)?;
    socket.bind(&address.into())?;
    let address = socket.local_addr()?.as_socket();
    address.ok_or_else(|| io::Error::other("a bound socket has no address"))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = transparent(address, Kind::Tcp)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn receive_at(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = transparent(address, Kind::Udp)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn transparent(address: SocketAddr, kind: Kind) -> io::Result<Socket> {
    let (kind, protocol) = match kind {
        Kind::Tcp => (Type::STREAM, Protocol::TCP),
        Kind::Udp => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    match address {
        SocketAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_ip_transparent_v6(true)?;
        }
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
