//! What HAProxy 2.6 sends, as it was seen on the wire (`proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,
//! authority,crc32c,unique-id`).

use super::super::{Command, Transport};
use super::{between, whole};

const TCP4: &str = "0d0a0d0a000d0a515549540a211100267f0000017f000001c4045209030004b56d8e64\
    05000831303030302d69642000050000000000";
const TCP6: &str = "0d0a0d0a000d0a515549540a2121003e0000000000000000000000000000000100000000000000000000000000000001\
    e4ea520a030004cb99b5f505000831303030302d69642000050000000000";
const CLIENT_CERTIFICATE: &str = "0d0a0d0a000d0a515549540a211100897f0000017f000001e69a520b030004f2843ff1010002683202000b\
    6170702e6578616d706c6505000b7374617469632d69642d372000520700000000210007544c5376312e332200106469726563746f722e6578\
    616d706c652500075253413230343824000a5253412d534841323536230016544c535f4145535f3235365f47434d5f534841333834";
const CHECK: &str = "0d0a0d0a000d0a515549540a20000007030004a9b87e8f";

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hexadecimal.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn without_tls() {
    let header = whole(&bytes(TCP4));
    assert_eq!(header.addresses, between("127.0.0.1:50180", "127.0.0.1:21001"));
    assert_eq!(header.tlvs.checksum, Some(0xb56d_8e64));
    assert_eq!(header.tlvs.unique_id.as_deref(), Some(&b"10000-id"[..]));
    let ssl = header.tlvs.ssl.unwrap();
    assert!(!ssl.over_tls() && !ssl.verified() && ssl.version.is_none());
    assert_eq!(whole(&bytes(TCP6)).addresses, between("[::1]:58602", "[::1]:21002"));
}

#[test]
fn with_a_client_certificate() {
    let tlvs = whole(&bytes(CLIENT_CERTIFICATE)).tlvs;
    assert_eq!(tlvs.alpn.as_deref(), Some(&b"h2"[..]));
    assert_eq!(tlvs.authority.as_deref(), Some("app.example"));
    let ssl = tlvs.ssl.unwrap();
    assert!(ssl.over_tls() && ssl.verified());
    assert_eq!(ssl.version.as_deref(), Some("TLSv1.3"));
    assert_eq!(ssl.common_name.as_deref(), Some("director.example"));
}

/// Its checks have a checksum although they have no addresses.
#[test]
fn a_health_check() {
    let header = whole(&bytes(CHECK));
    assert_eq!(
        (header.command, header.transport, header.addresses),
        (Command::Local, Transport::Unspec, None)
    );
    let mut flipped = bytes(CHECK);
    flipped[19] ^= 1;
    assert_eq!(super::refused(&flipped).reason(), "checksum");
}

#[test]
fn lines() {
    let header = whole(b"PROXY TCP6 ::1 ::1 37382 21005\r\n");
    assert_eq!(header.addresses, between("[::1]:37382", "[::1]:21005"));
    // From a socket of both families: with dots, which the specification does not have.
    let header = whole(b"PROXY TCP6 ::ffff:127.0.0.1 ::ffff:127.0.0.1 54744 21006\r\n");
    assert_eq!(header.addresses, between("127.0.0.1:54744", "127.0.0.1:21006"));
}
