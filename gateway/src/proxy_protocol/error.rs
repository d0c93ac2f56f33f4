//! Why a header is refused.

use super::MAX_HEADER;

/// A peer began a header and broke its rules. All of it is the sender's fault, never the client's behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error(
        "a PROXY line has no CR LF within 107 bytes; send `PROXY TCP4 source destination port port` and CR LF"
    )]
    LineTooLong,
    #[error("a PROXY line has a CR or LF alone; it ends with both, and has neither before")]
    LineEnding,
    #[error("a PROXY line names neither `TCP4`, `TCP6` nor `UNKNOWN` after `PROXY` and one space")]
    LineProtocol,
    #[error(
        "a PROXY line does not have four fields after its protocol: two addresses and two ports, each after one space"
    )]
    LineFields,
    #[error(
        "a PROXY line has an address that is none of its family; write `192.0.2.7` after TCP4, `2001:db8::7` after TCP6"
    )]
    LineAddress,
    #[error("a PROXY line has a port that is not 0 to 65535 in plain decimal without leading zeros")]
    LinePort,
    #[error("a PROXY header is of version {0}; after the binary signature only version 2 is known")]
    Version(u8),
    #[error("a PROXY header has command {0:#x}; there are 0x0 (LOCAL) and 0x1 (PROXY)")]
    Command(u8),
    #[error(
        "a PROXY header has family and transport {0:#04x}; there are 0x00, 0x11, 0x12, 0x21, 0x22, 0x31 and 0x32"
    )]
    Family(u8),
    #[error("a PROXY header of {0} bytes is announced; {MAX_HEADER} are taken")]
    TooLong(usize),
    #[error(
        "a PROXY header announces {announced} bytes after its length, but the addresses of its family take {needed}"
    )]
    AddressesCut { announced: usize, needed: usize },
    #[error("a PROXY header ends within a TLV, or a TLV within another")]
    TlvCut,
    #[error("a PROXY header has TLV {0:#04x} twice")]
    TlvTwice(u8),
    #[error("a PROXY header has TLV {kind:#04x} with {length} bytes; {most} are taken")]
    TlvTooLong { kind: u8, length: usize, most: usize },
    #[error("a PROXY header has TLV {0:#04x} with a value that is not UTF-8, or has control characters")]
    TlvText(u8),
    #[error("a PROXY header has a checksum (TLV 0x03) of {0} bytes; a CRC-32C has 4")]
    ChecksumLength(usize),
    #[error(
        "a PROXY header says its CRC-32C is {told:#010x}, but it is {computed:#010x}: it was changed on its way"
    )]
    Checksum { told: u32, computed: u32 },
}

impl ProxyError {
    /// A label for metrics: one a variant, never with anything that a peer sent.
    pub fn reason(&self) -> &'static str {
        match self {
            ProxyError::LineTooLong => "line_too_long",
            ProxyError::LineEnding => "line_ending",
            ProxyError::LineProtocol => "line_protocol",
            ProxyError::LineFields => "line_fields",
            ProxyError::LineAddress => "line_address",
            ProxyError::LinePort => "line_port",
            ProxyError::Version(_) => "version",
            ProxyError::Command(_) => "command",
            ProxyError::Family(_) => "family",
            ProxyError::TooLong(_) => "too_long",
            ProxyError::AddressesCut { .. } => "addresses_cut",
            ProxyError::TlvCut => "tlv_cut",
            ProxyError::TlvTwice(_) => "tlv_twice",
            ProxyError::TlvTooLong { .. } => "tlv_too_long",
            ProxyError::TlvText(_) => "tlv_text",
            ProxyError::ChecksumLength(_) => "checksum_length",
            ProxyError::Checksum { .. } => "checksum",
        }
    }
}
