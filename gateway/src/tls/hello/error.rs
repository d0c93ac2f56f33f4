//! Why a hello is refused, what its sender is told, and what it is counted under.

use super::alert::{
    DECODE_ERROR, ILLEGAL_PARAMETER, PROTOCOL_VERSION, RECORD_OVERFLOW, UNEXPECTED_MESSAGE, UNRECOGNIZED_NAME,
};
use super::{MAX_HELLO, MAX_RECORDS, NameError, Version};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    #[error(
        "a record of content type {0} comes where the client's hello is not complete; only 22 (handshake) may"
    )]
    RecordType(u8),
    #[error("a record has version {0:#06x}; TLS has 0x0301 to 0x0304")]
    RecordVersion(u16),
    #[error("a handshake record is empty; it must have a byte at least")]
    EmptyRecord,
    #[error("a record has {0} bytes; TLS allows 16384")]
    RecordLength(usize),
    #[error("the client's hello is cut into more than {MAX_RECORDS} records")]
    TooManyRecords,
    #[error("the first handshake message has type {0}; a client begins with 1 (client_hello)")]
    MessageType(u8),
    #[error("the client's hello has {0} bytes; {MAX_HELLO} are read")]
    MessageLength(usize),
    #[error("a length in the {0} of the client's hello is out of range or does not add up")]
    Length(Part),
    #[error("extension {0} comes twice")]
    DuplicateExtension(u16),
    #[error("there are several host names; a client sends one")]
    SeveralNames,
    #[error("the server name {0}")]
    Name(#[from] NameError),
    #[error("the client offers {0}; TLS 1.0 is the oldest that is read")]
    Version(Version),
    #[error("the client's list of versions has none of TLS")]
    NoVersion,
}

/// Of a hello, where lengths did not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Hello,
    SessionId,
    CipherSuites,
    CompressionMethods,
    Extensions,
    ServerName,
    Alpn,
    SupportedVersions,
}

impl HelloError {
    /// The description of the fatal alert that says it (RFC 8446, 6.2; RFC 6066, 3).
    pub fn alert(&self) -> u8 {
        match self {
            HelloError::RecordType(_)
            | HelloError::EmptyRecord
            | HelloError::TooManyRecords
            | HelloError::MessageType(_) => UNEXPECTED_MESSAGE,
            HelloError::RecordLength(_) => RECORD_OVERFLOW,
            HelloError::MessageLength(_) | HelloError::SeveralNames => ILLEGAL_PARAMETER,
            HelloError::Length(_) | HelloError::DuplicateExtension(_) => DECODE_ERROR,
            HelloError::Name(_) => UNRECOGNIZED_NAME,
            HelloError::RecordVersion(_) | HelloError::Version(_) | HelloError::NoVersion => PROTOCOL_VERSION,
        }
    }

    /// What it is counted under, one of a few.
    pub fn reason(&self) -> &'static str {
        match self {
            HelloError::RecordType(_) => "record_type",
            HelloError::EmptyRecord | HelloError::RecordLength(_) => "record_length",
            HelloError::TooManyRecords => "too_many_records",
            HelloError::MessageType(_) => "message_type",
            HelloError::MessageLength(_) => "message_length",
            HelloError::Length(_) => "decode",
            HelloError::DuplicateExtension(_) => "duplicate_extension",
            HelloError::SeveralNames | HelloError::Name(_) => "server_name",
            HelloError::RecordVersion(_) | HelloError::Version(_) | HelloError::NoVersion => "version",
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Part::Hello => "body",
            Part::SessionId => "session id",
            Part::CipherSuites => "cipher suites",
            Part::CompressionMethods => "compression methods",
            Part::Extensions => "extensions",
            Part::ServerName => "server_name extension",
            Part::Alpn => "application_layer_protocol_negotiation extension",
            Part::SupportedVersions => "supported_versions extension",
        })
    }
}
