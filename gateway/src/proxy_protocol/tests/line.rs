//! Version 1.

use super::super::{Command, Header, Parsed, ProxyError, Tlvs, Transport, Version, encode_v1, parse};
use super::{between, refused, whole};

#[test]
fn the_specifications_own_example() {
    let header = whole(b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
    let addresses = between("192.168.0.1:56324", "192.168.0.11:443");
    let (version, command, transport) = (Version::V1, Command::Proxied, Transport::Stream);
    assert_eq!(header, Header { version, command, transport, addresses, tlvs: Tlvs::default() });
    assert_eq!(header.source().map(|end| end.port()), Some(56324));
    assert_eq!(header.destination().map(|end| end.port()), Some(443));
}

#[test]
fn the_longest_and_the_shortest() {
    let most = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let longest = format!("PROXY TCP6 {most} {most} 65535 65535\r\n");
    assert_eq!(longest.len(), 104);
    let end = format!("[{most}]:65535");
    assert_eq!(whole(longest.as_bytes()).addresses, between(&end, &end));
    assert_eq!(whole(b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n").addresses, between("0.0.0.0:0", "0.0.0.0:0"));
    let mixed = whole(b"PROXY TCP6 2001:DB8::A ::ffff:10.0.0.1 1 2\r\n");
    assert_eq!(mixed.addresses, between("[2001:db8::a]:1", "10.0.0.1:2"));
}

#[test]
fn unknown_says_nothing_whatever_follows() {
    let worst = format!("PROXY UNKNOWN {}\r\n", "\u{ff}".repeat(45).as_str());
    for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ", "PROXY UNKNOWN \0 1 2 3 4 5 6\r\n", &worst] {
        let line = [line.trim_end_matches(['\r', '\n']), "\r\n"].concat();
        let header = whole(line.as_bytes());
        assert_eq!((header.command, header.addresses), (Command::Local, None), "{line:?}");
    }
}

#[test]
fn at_most_107_bytes_are_awaited() {
    let line = |length: usize| [b"PROXY UNKNOWN ".as_slice(), &vec![b'x'; length - 16], b"\r\n"].concat();
    whole(&line(107));
    assert_eq!(refused(&line(108)), ProxyError::LineTooLong);
    assert_eq!(refused(&line(108)[..107]), ProxyError::LineTooLong);
    assert_eq!(parse(&line(108)[..106]), Parsed::Incomplete);
    assert_eq!(refused(&line(300)), ProxyError::LineTooLong);
}

#[test]
fn every_other_spelling_is_refused() {
    for (line, error) in [
        ("PROXY \r\n", ProxyError::LineProtocol),
        ("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", ProxyError::LineProtocol),
        ("PROXY TCP 1.2.3.4 5.6.7.8 1 2\r\n", ProxyError::LineProtocol),
        ("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", ProxyError::LineProtocol),
        ("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", ProxyError::LineProtocol),
        ("PROXY UNKNOWNS\r\n", ProxyError::LineProtocol),
        ("PROXY TCP4\r\n", ProxyError::LineFields),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", ProxyError::LineFields),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", ProxyError::LineFields),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", ProxyError::LineFields),
        ("PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n", ProxyError::LineFields),
        ("PROXY TCP4 1.2.3.4\t5.6.7.8 1 2\r\n", ProxyError::LineFields),
        ("PROXY TCP4 1.2.3.4  1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP4 0x1.2.3.4 5.6.7.8 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP4 16909060 5.6.7.8 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP4 1.2.3.4 ::1 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP6 1.2.3.4 ::1 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP6 ::1%lo ::1 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP6 [::1] ::1 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP6 1::2::3 ::1 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP6 00001:: ::1 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP4 1.2.3.4 5.6.7.8\u{a0} 1 2\r\n", ProxyError::LineAddress),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", ProxyError::LinePort),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", ProxyError::LinePort),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 00\r\n", ProxyError::LinePort),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", ProxyError::LinePort),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", ProxyError::LinePort),
        ("PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n", ProxyError::LinePort),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", ProxyError::LineEnding),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rG", ProxyError::LineEnding),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n", ProxyError::LineEnding),
        ("PROXY UNKNOWN \n\r\n", ProxyError::LineEnding),
    ] {
        assert_eq!(refused(line.as_bytes()), error, "{line:?}");
    }
    assert_eq!(refused(b"PROXY TCP4 1.2.3.\xb4 5.6.7.8 1 2\r\n"), ProxyError::LineAddress);
}

#[test]
fn what_is_sent() {
    let sent = |source: &str, destination: &str| {
        String::from_utf8(encode_v1(source.parse().unwrap(), destination.parse().unwrap()).to_vec()).unwrap()
    };
    assert_eq!(
        sent("192.168.0.1:56324", "192.168.0.11:443"),
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
    );
    assert_eq!(sent("[2001:db8::7%3]:1", "[::1]:0"), "PROXY TCP6 2001:db8::7 ::1 1 0\r\n");
    assert_eq!(sent("[::ffff:192.0.2.7]:1", "10.0.0.1:2"), "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n");
    // Of two families: in hexadecimal, since the line has no dots in IPv6.
    assert_eq!(sent("192.0.2.7:1", "[2001:db8::1]:2"), "PROXY TCP6 ::ffff:c000:207 2001:db8::1 1 2\r\n");
    assert_eq!(
        format!("{:?}", encode_v1(([1; 4], 1).into(), ([2; 4], 2).into())),
        r#""PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n""#
    );
}
