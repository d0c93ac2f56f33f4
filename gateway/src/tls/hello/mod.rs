//! What a TLS client says first, read without taking part: passthrough chooses the job by the server name and forwards
//! the very bytes that it read.
//!
//! ```text
//! bytes so far ─► Reader: records (RFC 8446, 5.1) ─► one message ─► decode (RFC 8446, 4.1.2) ─► ClientHello
//! ```
//!
//! - No I/O and no clock. Who waits for the bytes bounds the time; [`MAX_BYTES`] bounds what must be kept of them.
//! - Every outcome but `Incomplete` is final: more bytes never change it, and neither does how they were cut, into
//!   segments or (under [`MAX_RECORDS`]) into records.
//! - All lengths must add up. A lenient reader in front of a strict server, or the other way round, is how one hello
//!   means two names.
//! - What only the server can judge (cipher suites, key shares, the order of extensions) is left to the server.

mod alert;
mod decode;
mod error;
mod fields;
mod name;
mod reader;
#[cfg(test)]
mod tests;
mod version;

pub use self::alert::{UNRECOGNIZED_NAME, alert_record};
pub use self::error::{HelloError, Part};
pub use self::name::{NameError, ServerName};
pub use self::reader::{MAX_BYTES, MAX_HELLO, MAX_RECORDS, Reader};
pub use self::version::Version;

/// Protocol names that are kept of an offer; more are checked and dropped. Browsers send two.
pub const MAX_ALPN: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A hello so far; come back with more.
    Incomplete,
    Hello(ClientHello),
    /// Plaintext HTTP, an SSLv2 hello, or anything else that no TLS client begins with. No alert would be understood.
    NotTls,
    Invalid(HelloError),
}

/// What can be routed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// `None`: the client did not say, as when it was given an address.
    pub server_name: Option<ServerName>,
    /// The first [`MAX_ALPN`] protocols offered (RFC 7301), in the client's order. Bytes, not text; reserved values
    /// (RFC 8701) are among them.
    pub alpn: Vec<Box<[u8]>>,
    /// There is an encrypted hello inside (RFC 9849), or something that looks like one: the name above is then the
    /// public name of whoever holds the key, and the only one that can be routed on.
    pub ech: bool,
    /// The highest version offered.
    pub version: Version,
}

/// Reads once what is all here. Who gets the bytes piece by piece keeps a [`Reader`].
pub fn read(bytes: &[u8]) -> Outcome {
    Reader::default().feed(bytes)
}
