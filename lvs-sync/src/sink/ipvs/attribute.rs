//! The numbers of linux/ip_vs.h (family `IPVS`, version 1), and attributes in and out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use neli::genl::{AttrTypeBuilder, Nlattr, NlattrBuilder};
use neli::types::{Buffer, GenlBuffer};
use neli::{FromBytes, Size, ToBytes};

use crate::model::Family;

pub(super) const FAMILY: &str = "IPVS";
pub(super) const VERSION: u8 = 1;

pub(super) mod command {
    pub(in super::super) const NEW_SERVICE: u8 = 1;
    pub(in super::super) const SET_SERVICE: u8 = 2;
    pub(in super::super) const DEL_SERVICE: u8 = 3;
    pub(in super::super) const GET_SERVICE: u8 = 4;
    pub(in super::super) const NEW_DEST: u8 = 5;
    pub(in super::super) const SET_DEST: u8 = 6;
    pub(in super::super) const DEL_DEST: u8 = 7;
    pub(in super::super) const GET_DEST: u8 = 8;
}

/// Of a message.
pub(super) const SERVICE: u16 = 1;
pub(super) const DEST: u16 = 2;

pub(super) mod service {
    pub(in super::super) const AF: u16 = 1;
    pub(in super::super) const PROTOCOL: u16 = 2;
    pub(in super::super) const ADDR: u16 = 3;
    pub(in super::super) const PORT: u16 = 4;
    pub(in super::super) const FWMARK: u16 = 5;
    pub(in super::super) const SCHED_NAME: u16 = 6;
    pub(in super::super) const FLAGS: u16 = 7;
    pub(in super::super) const TIMEOUT: u16 = 8;
    pub(in super::super) const NETMASK: u16 = 9;
    pub(in super::super) const PE_NAME: u16 = 11;
    pub(in super::super) const STATS64: u16 = 12;
}

pub(super) mod destination {
    pub(in super::super) const ADDR: u16 = 1;
    pub(in super::super) const PORT: u16 = 2;
    pub(in super::super) const FWD_METHOD: u16 = 3;
    pub(in super::super) const WEIGHT: u16 = 4;
    pub(in super::super) const U_THRESH: u16 = 5;
    pub(in super::super) const L_THRESH: u16 = 6;
    pub(in super::super) const ACTIVE_CONNS: u16 = 7;
    pub(in super::super) const INACT_CONNS: u16 = 8;
    pub(in super::super) const ADDR_FAMILY: u16 = 11;
    pub(in super::super) const TUN_TYPE: u16 = 13;
    pub(in super::super) const TUN_PORT: u16 = 14;
    pub(in super::super) const TUN_FLAGS: u16 = 15;
}

/// Of STATS64, u64 each.
pub(super) mod stats {
    pub(in super::super) const CONNS: u16 = 1;
    pub(in super::super) const INPKTS: u16 = 2;
    pub(in super::super) const OUTPKTS: u16 = 3;
    pub(in super::super) const INBYTES: u16 = 4;
    pub(in super::super) const OUTBYTES: u16 = 5;
}

pub(super) type Attributes = GenlBuffer<u16, Buffer>;
pub(super) type Attribute = Nlattr<u16, Buffer>;

pub(super) fn attribute(kind: u16, value: impl Size + ToBytes) -> io::Result<Attribute> {
    let kind = AttrTypeBuilder::default().nla_type(kind).build().map_err(invalid)?;
    NlattrBuilder::default().nla_type(kind).nla_payload(value).build().map_err(invalid)
}

/// Attributes within one.
pub(super) fn nested(kind: u16, inner: &[Attribute]) -> io::Result<Attribute> {
    let mut outer = attribute(kind, Buffer::new())?;
    for attribute in inner {
        outer = outer.nest(attribute).map_err(invalid)?;
    }
    Ok(outer)
}

/// Of a fixed width: an IPv4 address in the first 4 of 16 bytes.
pub(super) fn address(kind: u16, address: IpAddr) -> io::Result<Attribute> {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => bytes.copy_from_slice(&v6.octets()),
    }
    attribute(kind, Buffer::from(bytes.as_slice()))
}

/// In the network's order.
pub(super) fn port(kind: u16, port: u16) -> io::Result<Attribute> {
    attribute(kind, Buffer::from(port.to_be_bytes().as_slice()))
}

pub(super) fn family(family: Family) -> u16 {
    // 2 and 10.
    match family {
        Family::V4 => libc::AF_INET as u16,
        Family::V6 => libc::AF_INET6 as u16,
    }
}

/// The attributes within one of these.
pub(super) struct Read<'a>(neli::genl::GenlAttrHandle<'a, u16>);

impl<'a> Read<'a> {
    pub(super) fn of(attributes: &'a Attributes, kind: u16) -> io::Result<Read<'a>> {
        let found = attributes.iter().find(|attribute| *attribute.nla_type().nla_type() == kind);
        let found = found.ok_or_else(|| strange(&format!("no attribute {kind}")))?;
        found.get_attr_handle().map(Read).map_err(invalid)
    }

    pub(super) fn within(&self, kind: u16) -> io::Result<Option<Read<'_>>> {
        let Some(found) = self.0.get_attribute(kind) else { return Ok(None) };
        found.get_attr_handle().map(Read).map(Some).map_err(invalid)
    }

    pub(super) fn number<T: FromBytes>(&self, kind: u16) -> io::Result<Option<T>> {
        match self.0.get_attribute(kind) {
            None => Ok(None),
            Some(_) => self.0.get_attr_payload_as(kind).map(Some).map_err(invalid),
        }
    }

    /// One that the kernel always sends.
    pub(super) fn needed<T: FromBytes>(&self, kind: u16) -> io::Result<T> {
        self.number(kind)?.ok_or_else(|| strange(&format!("no attribute {kind}")))
    }

    pub(super) fn bytes(&self, kind: u16) -> Option<&[u8]> {
        self.0.get_attribute(kind).map(|attribute| attribute.nla_payload().as_ref())
    }

    pub(super) fn port(&self, kind: u16) -> io::Result<u16> {
        let bytes = self.bytes(kind).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u16::from_be_bytes).ok_or_else(|| strange("a port is not there"))
    }

    /// Up to the NUL that ends it.
    pub(super) fn text(&self, kind: u16) -> Option<String> {
        let bytes = self.bytes(kind)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    pub(super) fn address(&self, kind: u16, family: Family) -> io::Result<IpAddr> {
        let bytes: [u8; 16] = self
            .bytes(kind)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| strange("an address does not have 16 bytes"))?;
        Ok(match family {
            Family::V4 => Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into(),
            Family::V6 => Ipv6Addr::from(bytes).into(),
        })
    }
}

pub(super) fn read_family(number: u16) -> io::Result<Family> {
    match i32::from(number) {
        libc::AF_INET => Ok(Family::V4),
        libc::AF_INET6 => Ok(Family::V6),
        other => Err(strange(&format!("address family {other}"))),
    }
}

pub(super) fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

pub(super) fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
