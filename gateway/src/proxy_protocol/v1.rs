//! Version 1: one line of text (section 2.1), as in `PROXY TCP4 192.0.2.7 198.51.100.1 56324 443` and CR LF.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Deref;

use super::addresses::{Addresses, OneFamily};
use super::error::ProxyError;
use super::{Command, Header, Tlvs, Transport, Version};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line, with its CR LF (section 2.1).
const MAX_LINE: usize = 107;

/// Reads a line that begins with the signature. `None`: its end has not come.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    let Some(line) = line(bytes)? else { return Ok(None) };
    let consumed = line.len() + 2;
    let fields = &line[SIGNATURE.len()..];
    let addresses = match fields.split(|byte| *byte == b' ').next() {
        Some(b"TCP4") => addresses::<Ipv4Addr>(fields)?,
        Some(b"TCP6") => addresses::<Ipv6Addr>(fields)?,
        // Whatever else it says is to be ignored.
        Some(b"UNKNOWN") => return Ok(Some((Header::local(Version::V1), consumed))),
        _ => return Err(ProxyError::LineProtocol),
    };
    let header = Header {
        version: Version::V1,
        command: Command::Proxied,
        transport: Transport::Stream,
        addresses: Some(addresses),
        tlvs: Tlvs::default(),
    };
    Ok(Some((header, consumed)))
}

/// What stands before the CR LF. Nothing else is looked at until that has come, so that no address is read in part.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, ProxyError> {
    let within = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = within.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if within.len() == MAX_LINE { Err(ProxyError::LineTooLong) } else { Ok(None) };
    };
    match (within[end], within.get(end + 1)) {
        (b'\r', Some(b'\n')) => Ok(Some(&within[..end])),
        (b'\r', None) if within.len() == MAX_LINE => Err(ProxyError::LineTooLong),
        (b'\r', None) => Ok(None),
        _ => Err(ProxyError::LineEnding),
    }
}

/// The two ends, of `TCP4 source destination port port`.
fn addresses<A: std::str::FromStr + Into<IpAddr>>(fields: &[u8]) -> Result<Addresses, ProxyError> {
    let text = str::from_utf8(fields).map_err(|_| ProxyError::LineAddress)?;
    let mut fields = text.split(' ').skip(1);
    let mut next = || fields.next().ok_or(ProxyError::LineFields);
    let (source, destination, source_port, destination_port) = (next()?, next()?, next()?, next()?);
    if fields.next().is_some() {
        return Err(ProxyError::LineFields);
    }
    let ip = |text: &str| text.parse::<A>().map(A::into).map_err(|_| ProxyError::LineAddress);
    Ok(Addresses::new(
        SocketAddr::new(ip(source)?, port(source_port)?),
        SocketAddr::new(ip(destination)?, port(destination_port)?),
    ))
}

/// In its one spelling: the library's own reading takes `+80` and `0080` too.
fn port(text: &str) -> Result<u16, ProxyError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(ProxyError::LinePort)
}

/// A line to send, without an allocation.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    bytes: [u8; MAX_LINE],
    length: usize,
}

/// The line for a TCP connection. Ends of two families are both written as IPv6.
pub fn encode_v1(source: SocketAddr, destination: SocketAddr) -> Line {
    let addresses = Addresses::new(source, destination);
    let (from, to) = (source.port(), destination.port());
    let mut line = Line { bytes: [0; MAX_LINE], length: 0 };
    let written = match addresses.in_one_family() {
        OneFamily::V4 { source, destination } => {
            write!(line, "PROXY TCP4 {source} {destination} {from} {to}\r\n")
        }
        OneFamily::V6 { source, destination } => {
            write!(line, "PROXY TCP6 {} {} {from} {to}\r\n", Hexadecimal(source), Hexadecimal(destination))
        }
    };
    debug_assert!(written.is_ok(), "the longest TCP6 line has 104 bytes");
    line
}

/// IPv6 without dots: the line knows hexadecimal groups only, though many readers take `::ffff:192.0.2.7` too.
struct Hexadecimal(Ipv6Addr);

impl fmt::Display for Hexadecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.segments() {
            [0, 0, 0, 0, 0, 0xffff, high, low] => write!(f, "::ffff:{high:x}:{low:x}"),
            _ => self.0.fmt(f),
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl Deref for Line {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self))
    }
}
