//! The PROXY protocol, versions 1 and 2: the proxy before us says in front of the first byte whose connection this is.
//! Section numbers in this folder are those of proxy-protocol.txt (haproxy.org).
//!
//! ```text
//! what a peer has sent so far ─► parse ─┬─ Incomplete  read more, for a bounded time
//!                                       ├─ NotProxy    no header: this is the client's own first byte
//!                                       ├─ Header      take `consumed` bytes off, the rest is the client's
//!                                       └─ Invalid     count the reason, close
//! source, destination, JOBNAME ─► encode_v1 | encode_v2 | encode_local_v2 ─► bytes, before the client's
//! ```
//!
//! - No I/O, no clock. Nothing but `Incomplete` ever changes when more bytes come, so it does not matter how they are cut.
//! - [`MAX_HEADER`] bytes always decide.
//! - Whether a header is expected is configured and never guessed from what came (section 2): who could choose would
//!   choose its own address. So `NotProxy` where a header must be is as bad as `Invalid`, only counted apart.
//! - Addresses are canonical: IPv4-mapped IPv6 is IPv4, as everywhere. Whether a sender is to be believed, and which
//!   addresses it may claim, is not decided here.
//! - A checksum finds accidents, not forgery: who can change a header can compute it anew.

mod addresses;
mod crc32c;
mod error;
mod ssl;
#[cfg(test)]
mod tests;
mod tlv;
mod v1;
mod v2;
mod write;

pub use self::addresses::Addresses;
pub use self::error::ProxyError;
pub use self::ssl::Ssl;
pub use self::tlv::{MAX_JOBNAME, MAX_UNIQUE_ID, Tlvs};
pub use self::v1::{Line, encode_v1};
pub use self::write::{Out, encode_local_v2, encode_v2};

/// The longest header that is taken, in bytes. A sender keeps to the 536 of the smallest TCP segment (section 2), but a
/// JOBNAME, an SNI and a certificate's name together may pass that; a page holds all that we keep at its longest.
pub const MAX_HEADER: usize = 4096;

/// What the bytes at the beginning of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// They may become a header yet.
    Incomplete,
    /// They can not, from the first byte that differs from both signatures.
    NotProxy,
    Header {
        header: Header,
        /// Its length in bytes; what follows is the client's.
        consumed: usize,
    },
    /// They begin as a header does, and break its rules.
    Invalid(ProxyError),
}

/// Reads the header that a connection begins with; `bytes` is all that has come of it.
pub fn parse(bytes: &[u8]) -> Parsed {
    let read = match (begins(bytes, v1::SIGNATURE), begins(bytes, v2::SIGNATURE)) {
        (Some(true), _) => v1::read(bytes),
        (_, Some(true)) => v2::read(bytes),
        (Some(false), _) | (_, Some(false)) => return Parsed::Incomplete,
        (None, None) => return Parsed::NotProxy,
    };
    match read {
        Ok(Some((header, consumed))) => Parsed::Header { header, consumed },
        Ok(None) => Parsed::Incomplete,
        Err(error) => Parsed::Invalid(error),
    }
}

/// Whether the bytes begin as a header of either version does; `None` while that cannot be said.
pub fn has_signature(bytes: &[u8]) -> Option<bool> {
    match (begins(bytes, v1::SIGNATURE), begins(bytes, v2::SIGNATURE)) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), _) | (_, Some(false)) => None,
        (None, None) => Some(false),
    }
}

/// Whether the signature is there, whole or only as far as bytes have come; `None` where one differs.
fn begins(bytes: &[u8], signature: &[u8]) -> Option<bool> {
    let come = bytes.len().min(signature.len());
    (bytes[..come] == signature[..come]).then_some(come == signature.len())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub version: Version,
    pub command: Command,
    pub transport: Transport,
    /// Between whom the connection is. `None` for a local connection and for one that is not over IP: then the real ones
    /// hold.
    pub addresses: Option<Addresses>,
    /// Empty in version 1 and for a local connection.
    pub tlvs: Tlvs,
}

impl Header {
    /// The sender's own connection.
    fn local(version: Version) -> Header {
        Header {
            version,
            command: Command::Local,
            transport: Transport::Unspec,
            addresses: None,
            tlvs: Tlvs::default(),
        }
    }

    pub fn source(&self) -> Option<std::net::SocketAddr> {
        self.addresses.map(|addresses| addresses.source)
    }

    pub fn destination(&self) -> Option<std::net::SocketAddr> {
        self.addresses.map(|addresses| addresses.destination)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The sender's own connection, such as a health check: `LOCAL`, and version 1's `UNKNOWN`, with which old senders
    /// say the same. It is as if there were no header.
    Local,
    /// Somebody else's, passed on.
    Proxied,
}

/// The field's `SOCK_STREAM` and `SOCK_DGRAM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Stream,
    Dgram,
    Unspec,
}
