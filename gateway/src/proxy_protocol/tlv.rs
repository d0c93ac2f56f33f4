//! What may follow the addresses of a version 2 header: type, length, value (section 2.2). Types that we have no use for
//! are passed over unread. A type that we keep comes once: with two, another program may believe the other one.

use super::crc32c::crc32c;
use super::error::ProxyError;
use super::ssl::Ssl;

pub(super) const ALPN: u8 = 0x01;
pub(super) const AUTHORITY: u8 = 0x02;
pub(super) const CHECKSUM: u8 = 0x03;
pub(super) const UNIQUE_ID: u8 = 0x05;
pub(super) const SSL: u8 = 0x20;
/// One of the sixteen that are an application's own (section 2.2.8), and none that a large cloud's balancers use: those
/// are 0xE0, 0xEA and 0xEE.
pub(super) const JOBNAME: u8 = 0xE4;

/// The longest JOBNAME that is carried, in bytes.
pub const MAX_JOBNAME: usize = 600;
/// The specification's own (section 2.2.5).
pub const MAX_UNIQUE_ID: usize = 128;
/// A DNS name has 253 at the most (RFC 1035, 2.3.4), an ALPN name 255 (RFC 7301, 3.1).
pub(super) const MAX_TEXT: usize = 255;

/// What the sender added to the addresses, as far as we use it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tlvs {
    /// The JOBNAME that the client claims: a claim, no proof. An empty one, which a sender writes that has none to pass
    /// on, claims nothing.
    pub jobname: Option<Box<str>>,
    /// What was negotiated, as in `h2`.
    pub alpn: Option<Box<[u8]>>,
    /// The name that the client asked for, such as its SNI.
    pub authority: Option<Box<str>>,
    /// The sender's name for the connection.
    pub unique_id: Option<Box<[u8]>>,
    pub ssl: Option<Box<Ssl>>,
    /// The header's CRC-32C, where there was one; it was right.
    pub checksum: Option<u32>,
}

impl Tlvs {
    /// Reads those of a whole header, which begin at `from`.
    pub(super) fn read(header: &[u8], from: usize) -> Result<Tlvs, ProxyError> {
        let mut tlvs = Tlvs::default();
        let mut summed_at = None;
        for item in (Items { bytes: header, at: from }) {
            let item = item?;
            match item.kind {
                JOBNAME => once(JOBNAME, &mut tlvs.jobname, text(item, MAX_JOBNAME)?)?,
                ALPN => once(ALPN, &mut tlvs.alpn, bounded(item, MAX_TEXT)?.into())?,
                AUTHORITY => once(AUTHORITY, &mut tlvs.authority, text(item, MAX_TEXT)?)?,
                UNIQUE_ID => once(UNIQUE_ID, &mut tlvs.unique_id, bounded(item, MAX_UNIQUE_ID)?.into())?,
                SSL => once(SSL, &mut tlvs.ssl, Ssl::read(item.value)?.into())?,
                CHECKSUM => {
                    once(CHECKSUM, &mut tlvs.checksum, checksum(item)?)?;
                    summed_at = Some(item.at);
                }
                _ => {}
            }
        }
        if let (Some(told), Some(at)) = (tlvs.checksum, summed_at) {
            let computed = sum(header, at);
            if told != computed {
                return Err(ProxyError::Checksum { told, computed });
            }
        }
        tlvs.jobname = tlvs.jobname.filter(|name| !name.is_empty());
        Ok(tlvs)
    }
}

/// The CRC-32C of a header whose checksum is at `at`, as if that were four zeros (section 2.2.3).
pub(super) fn sum(header: &[u8], at: usize) -> u32 {
    let (before, rest) = header.split_at(at.min(header.len()));
    crc32c(&[before, &[0; 4], rest.get(4..).unwrap_or_default()])
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) kind: u8,
    pub(super) value: &'a [u8],
    /// Where the value begins.
    at: usize,
}

/// Each TLV in turn; after an error, nothing.
pub(super) struct Items<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Items<'a> {
        Items { bytes, at: 0 }
    }

    fn first(&self) -> Option<Item<'a>> {
        let (&[kind, high, low], rest) = self.bytes.get(self.at..)?.split_first_chunk::<3>()?;
        let value = rest.get(..usize::from(u16::from_be_bytes([high, low])))?;
        Some(Item { kind, value, at: self.at + 3 })
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, ProxyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let item = self.first();
        self.at = item.map_or(self.bytes.len(), |item| item.at + item.value.len());
        Some(item.ok_or(ProxyError::TlvCut))
    }
}

pub(super) fn once<T>(kind: u8, slot: &mut Option<T>, value: T) -> Result<(), ProxyError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ProxyError::TlvTwice(kind)),
    }
}

/// Text that may be logged and compared: what has control characters is no name of anything.
pub(super) fn text(item: Item<'_>, most: usize) -> Result<Box<str>, ProxyError> {
    match str::from_utf8(bounded(item, most)?) {
        Ok(text) if !text.contains(char::is_control) => Ok(text.into()),
        _ => Err(ProxyError::TlvText(item.kind)),
    }
}

fn bounded(item: Item<'_>, most: usize) -> Result<&[u8], ProxyError> {
    match item.value.len() {
        length if length > most => Err(ProxyError::TlvTooLong { kind: item.kind, length, most }),
        _ => Ok(item.value),
    }
}

fn checksum(item: Item<'_>) -> Result<u32, ProxyError> {
    let value = item.value.try_into().map_err(|_| ProxyError::ChecksumLength(item.value.len()))?;
    Ok(u32::from_be_bytes(value))
}
