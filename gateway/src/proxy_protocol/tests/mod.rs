//! Headers byte by byte: the specification's own, real senders', wrong ones; and what holds for all.

mod binary;
mod line;
mod properties;
mod real;

use std::net::SocketAddr;

use super::{Addresses, Header, MAX_HEADER, Parsed, ProxyError, parse};

/// The header of bytes that are one and nothing else, after making sure that none of its beginnings is decided early.
fn whole(bytes: &[u8]) -> Header {
    for come in 0..bytes.len() {
        assert_eq!(parse(&bytes[..come]), Parsed::Incomplete, "{come} of {} bytes", bytes.len());
    }
    let Parsed::Header { header, consumed } = parse(bytes) else { panic!("{:?}", parse(bytes)) };
    assert_eq!(consumed, bytes.len());
    let followed = [bytes, b"GET / HTTP/1.1\r\n"].concat();
    assert_eq!(parse(&followed), Parsed::Header { header: header.clone(), consumed });
    header
}

fn refused(bytes: &[u8]) -> ProxyError {
    let Parsed::Invalid(error) = parse(bytes) else { panic!("{:?}", parse(bytes)) };
    error
}

fn between(source: &str, destination: &str) -> Option<Addresses> {
    let end = |text: &str| text.parse::<SocketAddr>().unwrap();
    Some(Addresses { source: end(source), destination: end(destination) })
}

#[test]
fn what_is_no_header_is_known_by_the_first_byte_that_differs() {
    for bytes in [
        "G",
        "PRI * HTTP/2.0\r\n",
        "PROXYING",
        "\r\n\r\nG",
        "\r\n\r\n\0\r\nQUIT\r",
        "\x16\x03\x01",
        "proxy TCP4",
    ] {
        let bytes = bytes.as_bytes();
        let differs = (1..=bytes.len()).find(|come| parse(&bytes[..*come]) != Parsed::Incomplete).unwrap();
        assert_eq!(parse(&bytes[..differs]), Parsed::NotProxy);
        assert_eq!(parse(bytes), Parsed::NotProxy);
        let agrees = |signature: &[u8]| signature.starts_with(&bytes[..differs]);
        assert!(!agrees(b"PROXY ") && !agrees(b"\r\n\r\n\0\r\nQUIT\n"));
        assert!(
            differs == 1
                || [&b"PROXY "[..], b"\r\n\r\n\0\r\nQUIT\n"]
                    .iter()
                    .any(|s| s.starts_with(&bytes[..differs - 1]))
        );
    }
    assert_eq!(parse(b""), Parsed::Incomplete);
}

#[test]
fn reasons_are_labels() {
    let errors = [
        ProxyError::LineTooLong,
        ProxyError::LineEnding,
        ProxyError::LineProtocol,
        ProxyError::LineFields,
        ProxyError::LineAddress,
        ProxyError::LinePort,
        ProxyError::Version(1),
        ProxyError::Command(2),
        ProxyError::Family(0x10),
        ProxyError::TooLong(MAX_HEADER + 1),
        ProxyError::AddressesCut { announced: 11, needed: 12 },
        ProxyError::TlvCut,
        ProxyError::TlvTwice(3),
        ProxyError::TlvTooLong { kind: 0xe4, length: 601, most: 600 },
        ProxyError::TlvText(0xe4),
        ProxyError::ChecksumLength(3),
        ProxyError::Checksum { told: 1, computed: 2 },
    ];
    let reasons: std::collections::BTreeSet<&str> = errors.iter().map(ProxyError::reason).collect();
    assert_eq!(reasons.len(), errors.len());
    assert!(
        reasons.iter().all(|reason| reason.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()))
    );
    assert_eq!(
        ProxyError::Checksum { told: 1, computed: 2 }.to_string(),
        "a PROXY header says its CRC-32C is 0x00000001, but it is 0x00000002: it was changed on its way"
    );
    assert!(ProxyError::Family(1).to_string().contains("transport 0x01;"));
}
