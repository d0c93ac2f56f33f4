//! Version 2 headers to send.

use std::net::SocketAddr;

use super::addresses::{Addresses, OneFamily};
use super::tlv::{CHECKSUM, JOBNAME, MAX_JOBNAME, MAX_UNIQUE_ID, UNIQUE_ID, sum};
use super::{Transport, v2};

/// What to tell the next one of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Out<'a> {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// With `Unspec` no addresses are written.
    pub transport: Transport,
    /// Not over [`MAX_JOBNAME`] bytes, nor empty, nor with control characters: such a one is left out, because a name
    /// that was cut is another job's and a reader refuses the rest.
    pub jobname: Option<&'a str>,
    /// Left out when over [`MAX_UNIQUE_ID`] bytes.
    pub unique_id: Option<&'a [u8]>,
    /// Whether to add the CRC-32C.
    pub checksum: bool,
}

/// The header for a connection that is passed on. Ends of two families are both written as IPv6.
pub fn encode_v2(out: &Out<'_>) -> Vec<u8> {
    // Most are shorter: addresses, a JOBNAME of 60 bytes, the checksum.
    let mut header = Vec::with_capacity(128);
    header.extend_from_slice(v2::SIGNATURE);
    header.extend_from_slice(&[0x21, 0, 0, 0]);
    header[13] = put_addresses(&mut header, out);
    let summed_at = out.checksum.then(|| {
        put(&mut header, CHECKSUM, &[0; 4]);
        header.len() - 4
    });
    if let Some(name) = out.jobname.filter(|name| sendable(name)) {
        put(&mut header, JOBNAME, name.as_bytes());
    }
    if let Some(id) = out.unique_id.filter(|id| id.len() <= MAX_UNIQUE_ID) {
        put(&mut header, UNIQUE_ID, id);
    }
    let length = short(header.len() - v2::FIXED);
    header[14..v2::FIXED].copy_from_slice(&length);
    if let Some(at) = summed_at {
        let sum = sum(&header, at).to_be_bytes();
        header[at..at + 4].copy_from_slice(&sum);
    }
    header
}

/// The header for a connection of our own, such as a health check.
pub fn encode_local_v2() -> [u8; v2::FIXED] {
    let mut header = [0; v2::FIXED];
    header[..v2::SIGNATURE.len()].copy_from_slice(v2::SIGNATURE);
    // LOCAL; neither family nor addresses.
    header[v2::SIGNATURE.len()] = 0x20;
    header
}

/// Gives the byte of family and transport.
fn put_addresses(header: &mut Vec<u8>, out: &Out<'_>) -> u8 {
    let transport = match out.transport {
        Transport::Stream => 0x01,
        Transport::Dgram => 0x02,
        Transport::Unspec => return 0x00,
    };
    let family = match Addresses::new(out.source, out.destination).in_one_family() {
        OneFamily::V4 { source, destination } => {
            header.extend_from_slice(&source.octets());
            header.extend_from_slice(&destination.octets());
            0x10
        }
        OneFamily::V6 { source, destination } => {
            header.extend_from_slice(&source.octets());
            header.extend_from_slice(&destination.octets());
            0x20
        }
    };
    header.extend_from_slice(&out.source.port().to_be_bytes());
    header.extend_from_slice(&out.destination.port().to_be_bytes());
    family | transport
}

fn put(header: &mut Vec<u8>, kind: u8, value: &[u8]) {
    header.push(kind);
    header.extend_from_slice(&short(value.len()));
    header.extend_from_slice(value);
}

/// A length on the wire. Those here are bounded far below what two bytes hold.
fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn sendable(jobname: &str) -> bool {
    (1..=MAX_JOBNAME).contains(&jobname.len()) && !jobname.contains(char::is_control)
}
