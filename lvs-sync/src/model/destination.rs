//! Whom a service sends its connections to.

use roundhouse_registry::record::{PoolForwarding, Tunnel, TunnelChecksum, TunnelKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// 0 takes no new connections and keeps those that it has.
    pub weight: u32,
    pub forwarding: Forwarding,
    /// Connections above which it takes no more, and below which it takes some again; 0: no such bound.
    pub upper: u32,
    pub lower: u32,
}

impl Destination {
    pub fn new(weight: u32, forwarding: Forwarding) -> Destination {
        Destination { weight, forwarding, upper: 0, lower: 0 }
    }

    #[must_use]
    pub fn weighing(self, weight: u32) -> Destination {
        Destination { weight, ..self }
    }
}

/// ipvsadm(8), packet-forwarding methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    /// Addresses are translated.
    #[default]
    Masquerade,
    /// Only the frame is readdressed: the destination has the VIP too, and the port.
    DirectRouting,
    Tunnel(Encapsulation),
    /// A way that no pool asks for, by the kernel's number (linux/ip_vs.h, IP_VS_CONN_F_FWD_MASK).
    Other(u32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encapsulation {
    /// RFC 2003.
    #[default]
    Ipip,
    /// Generic UDP encapsulation, to this port.
    Gue(u16, Checksum),
    /// RFC 2784.
    Gre(Checksum),
    /// By the kernel's number.
    Other(u8),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    #[default]
    None,
    Full,
    /// Remote checksum offload (draft-herbert-remotecsumoffload).
    Remote,
}

impl Forwarding {
    pub fn of(forwarding: PoolForwarding, tunnel: Option<&Tunnel>) -> Forwarding {
        match forwarding {
            PoolForwarding::Masq => Forwarding::Masquerade,
            PoolForwarding::Droute => Forwarding::DirectRouting,
            PoolForwarding::Tunnel => {
                Forwarding::Tunnel(tunnel.map_or_else(Encapsulation::default, Encapsulation::of))
            }
        }
    }

    /// Whether the destination's port is the service's: only a translation can change it.
    pub fn keeps_port(self) -> bool {
        self != Forwarding::Masquerade
    }

    /// Whether a packet of one family can be carried in one of the other.
    pub fn mixes_families(self) -> bool {
        matches!(self, Forwarding::Tunnel(_))
    }
}

impl Encapsulation {
    fn of(tunnel: &Tunnel) -> Encapsulation {
        let checksum = match tunnel.checksum {
            TunnelChecksum::None => Checksum::None,
            TunnelChecksum::Csum => Checksum::Full,
            TunnelChecksum::Remcsum => Checksum::Remote,
        };
        match tunnel.kind {
            TunnelKind::Ipip => Encapsulation::Ipip,
            // A record without the port is refused before it comes here.
            TunnelKind::Gue => Encapsulation::Gue(tunnel.port.unwrap_or_default(), checksum),
            TunnelKind::Gre => Encapsulation::Gre(checksum),
        }
    }
}
