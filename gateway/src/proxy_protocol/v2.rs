//! Version 2: a binary header (section 2.2). Sixteen bytes of signature, version and command, family and transport, and
//! the length of the rest; then addresses, then TLVs.

use std::net::{IpAddr, SocketAddr};

use super::addresses::Addresses;
use super::error::ProxyError;
use super::{Command, Header, MAX_HEADER, Tlvs, Transport, Version};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes before the addresses.
pub(super) const FIXED: usize = 16;

/// Reads a header that begins with the signature. `None`: it has not come whole. What is wrong with its first sixteen
/// bytes is said as soon as the byte is there.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    let mut fixed = bytes.iter().copied().skip(SIGNATURE.len());
    let Some(byte) = fixed.next() else { return Ok(None) };
    let command = command(byte)?;
    let Some(byte) = fixed.next() else { return Ok(None) };
    let kind = match command {
        Command::Proxied => Kind::of(byte).ok_or(ProxyError::Family(byte))?,
        // To be ignored, whatever it is.
        Command::Local => Kind::of(byte).unwrap_or(Kind::UNSPEC),
    };
    let (Some(high), Some(low)) = (fixed.next(), fixed.next()) else { return Ok(None) };
    let announced = usize::from(u16::from_be_bytes([high, low]));
    let (consumed, needed) = (FIXED + announced, kind.family.length());
    if consumed > MAX_HEADER {
        return Err(ProxyError::TooLong(consumed));
    }
    if command == Command::Proxied && announced < needed {
        return Err(ProxyError::AddressesCut { announced, needed });
    }
    let Some(header) = bytes.get(..consumed) else { return Ok(None) };
    let header = match command {
        Command::Proxied => proxied(header, kind)?,
        Command::Local => local(header, kind)?,
    };
    Ok(Some((header, consumed)))
}

fn command(byte: u8) -> Result<Command, ProxyError> {
    match (byte >> 4, byte & 0x0f) {
        (2, 0) => Ok(Command::Local),
        (2, 1) => Ok(Command::Proxied),
        (2, other) => Err(ProxyError::Command(other)),
        (other, _) => Err(ProxyError::Version(other)),
    }
}

fn proxied(header: &[u8], kind: Kind) -> Result<Header, ProxyError> {
    let block = &header[FIXED..];
    let addresses = match kind.family {
        Family::Inet => ends::<4>(block),
        Family::Inet6 => ends::<16>(block),
        Family::Unix | Family::Unspec => None,
    };
    Ok(Header {
        version: Version::V2,
        command: Command::Proxied,
        transport: kind.transport,
        addresses,
        tlvs: Tlvs::read(header, FIXED + kind.family.length())?,
    })
}

/// All that follows is to be thrown away, and need not make sense. But where it does and has a checksum, a header must
/// match that: else one flipped bit would turn a client's connection into the sender's own.
fn local(header: &[u8], kind: Kind) -> Result<Header, ProxyError> {
    match Tlvs::read(header, FIXED + kind.family.length()) {
        Err(error @ ProxyError::Checksum { .. }) => Err(error),
        _ => Ok(Header::local(Version::V2)),
    }
}

/// Both addresses, then both ports.
fn ends<const N: usize>(block: &[u8]) -> Option<Addresses>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = block.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    let end = |ip: &[u8; N], port: &[u8; 2]| SocketAddr::new(IpAddr::from(*ip), u16::from_be_bytes(*port));
    Some(Addresses::new(end(source, source_port), end(destination, destination_port)))
}

/// The byte of family and transport.
#[derive(Clone, Copy)]
struct Kind {
    family: Family,
    transport: Transport,
}

impl Kind {
    const UNSPEC: Kind = Kind { family: Family::Unspec, transport: Transport::Unspec };

    /// The seven that there are. A family without a transport or the reverse is none of them, and means nothing.
    fn of(byte: u8) -> Option<Kind> {
        let (family, transport) = match byte {
            0x00 => return Some(Kind::UNSPEC),
            0x11 => (Family::Inet, Transport::Stream),
            0x12 => (Family::Inet, Transport::Dgram),
            0x21 => (Family::Inet6, Transport::Stream),
            0x22 => (Family::Inet6, Transport::Dgram),
            0x31 => (Family::Unix, Transport::Stream),
            0x32 => (Family::Unix, Transport::Dgram),
            _ => return None,
        };
        Some(Kind { family, transport })
    }
}

#[derive(Clone, Copy)]
enum Family {
    Inet,
    Inet6,
    Unix,
    Unspec,
}

impl Family {
    /// Of the address block, in bytes.
    fn length(self) -> usize {
        match self {
            Family::Inet => 2 * (4 + 2),
            Family::Inet6 => 2 * (16 + 2),
            // Two `sun_path`s of Linux's (unix(7)).
            Family::Unix => 2 * 108,
            Family::Unspec => 0,
        }
    }
}
