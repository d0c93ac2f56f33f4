//! A destination as the kernel tells and takes it.

use std::io;
use std::net::SocketAddr;

use super::attribute::{
    Attribute, Attributes, DEST, Read, address, attribute, destination, family, port, read_family, strange,
};
use crate::model::{Checksum, Destination, Encapsulation, Family, Forwarding, ServiceKey};

/// IP_VS_CONN_F_FWD_MASK and what is in it.
const FWD_MASK: u32 = 0x07;
const MASQUERADE: u32 = 0;
const TUNNEL: u32 = 2;
const DIRECT_ROUTING: u32 = 3;

/// IP_VS_CONN_F_TUNNEL_TYPE_*.
const IPIP: u8 = 0;
const GUE: u8 = 1;
const GRE: u8 = 2;

/// IP_VS_TUNNEL_ENCAP_FLAG_*.
const CSUM: u16 = 1;
const REMCSUM: u16 = 2;

/// With the connections that it still has, established or not yet forgotten.
pub(super) fn read(attributes: &Attributes, of: &ServiceKey) -> io::Result<(SocketAddr, Destination, u64)> {
    let said = Read::of(attributes, DEST)?;
    // Since Linux 3.18 it may differ from the service's.
    let family = match said.number::<u16>(destination::ADDR_FAMILY)? {
        Some(number) => read_family(number)?,
        None => of.family().ok_or_else(|| strange("a destination of no family"))?,
    };
    let at = SocketAddr::new(said.address(destination::ADDR, family)?, said.port(destination::PORT)?);
    let number = |kind| Ok::<u32, io::Error>(said.number(kind)?.unwrap_or_default());
    let to = Destination {
        weight: number(destination::WEIGHT)?,
        forwarding: forwarding(&said)?,
        upper: number(destination::U_THRESH)?,
        lower: number(destination::L_THRESH)?,
    };
    let open = u64::from(number(destination::ACTIVE_CONNS)?) + u64::from(number(destination::INACT_CONNS)?);
    Ok((at, to, open))
}

fn forwarding(said: &Read<'_>) -> io::Result<Forwarding> {
    Ok(match said.needed::<u32>(destination::FWD_METHOD)? & FWD_MASK {
        MASQUERADE => Forwarding::Masquerade,
        DIRECT_ROUTING => Forwarding::DirectRouting,
        TUNNEL => Forwarding::Tunnel(tunnel(said)?),
        other => Forwarding::Other(other),
    })
}

fn tunnel(said: &Read<'_>) -> io::Result<Encapsulation> {
    let checksum = match said.number::<u16>(destination::TUN_FLAGS)?.unwrap_or_default() {
        flags if flags & REMCSUM != 0 => Checksum::Remote,
        flags if flags & CSUM != 0 => Checksum::Full,
        _ => Checksum::None,
    };
    Ok(match said.number::<u8>(destination::TUN_TYPE)?.unwrap_or(IPIP) {
        IPIP => Encapsulation::Ipip,
        GUE => Encapsulation::Gue(said.port(destination::TUN_PORT)?, checksum),
        GRE => Encapsulation::Gre(checksum),
        other => Encapsulation::Other(other),
    })
}

/// By what the kernel knows a destination of a service.
pub(super) fn name(at: SocketAddr) -> io::Result<Vec<Attribute>> {
    Ok(vec![
        attribute(destination::ADDR_FAMILY, family(Family::of(at.ip())))?,
        address(destination::ADDR, at.ip())?,
        port(destination::PORT, at.port())?,
    ])
}

pub(super) fn attributes(at: SocketAddr, to: &Destination) -> io::Result<Vec<Attribute>> {
    let (method, tunnel) = match to.forwarding {
        Forwarding::Masquerade => (MASQUERADE, None),
        Forwarding::DirectRouting => (DIRECT_ROUTING, None),
        Forwarding::Tunnel(tunnel) => (TUNNEL, Some(tunnel)),
        Forwarding::Other(other) => (other, None),
    };
    let mut attributes = name(at)?;
    attributes.extend([
        attribute(destination::FWD_METHOD, method)?,
        attribute(destination::WEIGHT, to.weight)?,
        attribute(destination::U_THRESH, to.upper)?,
        attribute(destination::L_THRESH, to.lower)?,
    ]);
    if let Some(tunnel) = tunnel {
        let (kind, to_port, checksum) = match tunnel {
            Encapsulation::Ipip => (IPIP, 0, Checksum::None),
            Encapsulation::Gue(to_port, checksum) => (GUE, to_port, checksum),
            Encapsulation::Gre(checksum) => (GRE, 0, checksum),
            Encapsulation::Other(other) => (other, 0, Checksum::None),
        };
        let flags = match checksum {
            Checksum::None => 0,
            Checksum::Full => CSUM,
            Checksum::Remote => REMCSUM,
        };
        attributes.extend([
            attribute(destination::TUN_TYPE, kind)?,
            port(destination::TUN_PORT, to_port)?,
            attribute(destination::TUN_FLAGS, flags)?,
        ]);
    }
    Ok(attributes)
}
