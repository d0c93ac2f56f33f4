//! Version 2.

use super::super::tlv::sum;
use super::super::{
    Command, Header, MAX_HEADER, MAX_JOBNAME, MAX_UNIQUE_ID, Out, Parsed, ProxyError, Tlvs, Transport,
    Version, encode_local_v2, encode_v2, parse,
};
use super::{between, refused, whole};

const SIGNATURE: &[u8] = b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A";
const ENDS4: &[u8] = &[192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

fn header(command: u8, kind: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, kind], &length, block].concat()
}

fn with_tlvs(tlvs: &[u8]) -> Vec<u8> {
    header(0x21, 0x11, &[ENDS4, tlvs].concat())
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind], &u16::try_from(value.len()).unwrap().to_be_bytes()[..], value].concat()
}

fn out<'a>(source: &str, destination: &str) -> Out<'a> {
    Out {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        transport: Transport::Stream,
        jobname: None,
        unique_id: None,
        checksum: false,
    }
}

#[test]
fn the_families() {
    let ends6: Vec<u8> = (0..36).collect();
    let addresses4 = between("192.0.2.7:56324", "198.51.100.1:443");
    let addresses6 =
        between("[1:203:405:607:809:a0b:c0d:e0f]:8225", "[1011:1213:1415:1617:1819:1a1b:1c1d:1e1f]:8739");
    for (kind, block, transport, addresses) in [
        (0x00, &[][..], Transport::Unspec, None),
        (0x11, ENDS4, Transport::Stream, addresses4),
        (0x12, ENDS4, Transport::Dgram, addresses4),
        (0x21, &ends6, Transport::Stream, addresses6),
        (0x22, &ends6, Transport::Dgram, addresses6),
        (0x31, &[b'/'; 216], Transport::Stream, None),
        (0x32, &[0; 216], Transport::Dgram, None),
    ] {
        let (version, command) = (Version::V2, Command::Proxied);
        let mut expected = Header { version, command, transport, addresses, tlvs: Tlvs::default() };
        assert_eq!(whole(&header(0x21, kind, block)), expected);
        expected.tlvs.jobname = Some("job.a".into());
        assert_eq!(whole(&header(0x21, kind, &[block, &tlv(0xe4, b"job.a")].concat())), expected);
        if let Some(cut) = block.len().checked_sub(1) {
            let error = ProxyError::AddressesCut { announced: cut, needed: block.len() };
            // The length alone tells.
            assert_eq!(refused(&header(0x21, kind, &block[..cut])[..16]), error);
        }
    }
}

#[test]
fn mapped_addresses_are_the_ones_they_map() {
    let mapped = [&[0; 10][..], &[0xff; 2], &[10, 0, 0, 7]].concat();
    let other = "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let block = [&mapped[..], &other, &[0, 1, 0, 2]].concat();
    assert_eq!(whole(&header(0x21, 0x21, &block)).addresses, between("10.0.0.7:1", "[2001:db8::1]:2"));
}

#[test]
fn what_does_not_exist_is_refused_at_its_byte() {
    for (bytes, error) in [
        (&[0x11][..], ProxyError::Version(1)),
        (&[0x01], ProxyError::Version(0)),
        (&[0x31], ProxyError::Version(3)),
        (&[0x22], ProxyError::Command(2)),
        (&[0x2f], ProxyError::Command(15)),
        (&[0x21, 0x01], ProxyError::Family(0x01)),
        (&[0x21, 0x10], ProxyError::Family(0x10)),
        (&[0x21, 0x13], ProxyError::Family(0x13)),
        (&[0x21, 0x41], ProxyError::Family(0x41)),
        (&[0x21, 0x11, 0x0f, 0xf1], ProxyError::TooLong(MAX_HEADER + 1)),
        (&[0x20, 0x00, 0xff, 0xff], ProxyError::TooLong(65551)),
    ] {
        let bytes = [SIGNATURE, bytes].concat();
        assert_eq!(refused(&bytes), error);
        assert_eq!(parse(&bytes[..bytes.len() - 1]), Parsed::Incomplete);
    }
    let longest = with_tlvs(&tlv(0x04, &[0; MAX_HEADER - 16 - 12 - 3]));
    assert_eq!(longest.len(), MAX_HEADER);
    whole(&longest);
}

#[test]
fn a_local_connection_is_taken_whatever_its_block_says() {
    let local = Header::local(Version::V2);
    let wrong_sum = tlv(0x03, &[1, 2, 3, 4]);
    for (kind, block) in [
        (0x00, &[][..]),
        (0x00, ENDS4),
        (0x11, ENDS4),
        (0x11, &[]),
        (0x77, &[1, 2, 3]),
        (0x11, &[ENDS4, &tlv(0xe4, b"job.a")].concat()),
        (0x11, &[ENDS4, &tlv(0xe4, b"\xff")].concat()),
        // Does not read as TLVs to its end, so this is no checksum.
        (0x00, &[&wrong_sum[..], &[0xff]].concat()),
    ] {
        assert_eq!(whole(&header(0x20, kind, block)), local, "{kind:#x} {block:?}");
    }
    let error = refused(&header(0x20, 0x00, &wrong_sum));
    assert!(matches!(error, ProxyError::Checksum { told: 0x0102_0304, .. }));
    assert_eq!(whole(&encode_local_v2()), local);
}

#[test]
fn tlvs_that_are_kept() {
    let ssl =
        [&[0x03, 0, 0, 0, 0][..], &tlv(0x21, b"TLSv1.3"), &tlv(0x22, "bücher".as_bytes()), &tlv(0x23, b"x")]
            .concat();
    let all = [
        tlv(0x01, b"h2"),
        tlv(0x02, b"app.example"),
        tlv(0x04, b""),
        tlv(0x04, b"padding"),
        tlv(0x05, &[0xff; MAX_UNIQUE_ID]),
        tlv(0x20, &ssl),
        tlv(0x30, b"blue"),
        tlv(0xe4, b"job.a_cop.b"),
        tlv(0xea, &[0; 300]),
        tlv(0xea, &[0; 300]),
    ];
    let tlvs = whole(&with_tlvs(&all.concat())).tlvs;
    assert_eq!(tlvs.alpn.as_deref(), Some(&b"h2"[..]));
    assert_eq!(tlvs.authority.as_deref(), Some("app.example"));
    assert_eq!(tlvs.unique_id.as_deref(), Some(&[0xff; MAX_UNIQUE_ID][..]));
    assert_eq!(tlvs.jobname.as_deref(), Some("job.a_cop.b"));
    assert_eq!(tlvs.checksum, None);
    let ssl = tlvs.ssl.unwrap();
    assert_eq!((ssl.version.as_deref(), ssl.common_name.as_deref()), (Some("TLSv1.3"), Some("bücher")));
    assert!(
        ssl.over_tls() && ssl.certificate_on_connection() && !ssl.certificate_in_session() && ssl.verified()
    );
}

#[test]
fn no_certificate_is_no_verified_one() {
    let verified = |client: u8, verify: u8| {
        whole(&with_tlvs(&tlv(0x20, &[client, 0, 0, 0, verify]))).tlvs.ssl.unwrap().verified()
    };
    assert!(!verified(0x01, 0) && !verified(0x03, 18) && verified(0x05, 0) && verified(0x07, 0));
}

#[test]
fn tlvs_that_are_refused() {
    let twice = |kind: u8, value: &[u8]| [tlv(kind, value), tlv(kind, value)].concat();
    let long = |kind: u8, length: usize| tlv(kind, &vec![b'a'; length]);
    let too_long = |kind: u8, length: usize| ProxyError::TlvTooLong { kind, length, most: length - 1 };
    let ssl = |sub: &[u8]| tlv(0x20, &[&[1, 0, 0, 0, 0], sub].concat());
    for (tlvs, error) in [
        (vec![0xee], ProxyError::TlvCut),
        (vec![0xee, 0], ProxyError::TlvCut),
        (vec![0xee, 0, 1], ProxyError::TlvCut),
        (vec![0x04, 0, 0, 0x04, 0xff, 0xff, 1], ProxyError::TlvCut),
        (twice(0xe4, b"job.a"), ProxyError::TlvTwice(0xe4)),
        (twice(0xe4, b""), ProxyError::TlvTwice(0xe4)),
        (twice(0x03, &[0; 4]), ProxyError::TlvTwice(0x03)),
        (twice(0x02, b"a"), ProxyError::TlvTwice(0x02)),
        (ssl(&twice(0x22, b"a")), ProxyError::TlvTwice(0x22)),
        (tlv(0x03, &[0; 3]), ProxyError::ChecksumLength(3)),
        (tlv(0x03, &[0; 5]), ProxyError::ChecksumLength(5)),
        (tlv(0xe4, b"job.\xff"), ProxyError::TlvText(0xe4)),
        (tlv(0xe4, b"job.a\n"), ProxyError::TlvText(0xe4)),
        (tlv(0x02, b"app\0"), ProxyError::TlvText(0x02)),
        (ssl(&tlv(0x22, b"\xc3")), ProxyError::TlvText(0x22)),
        (long(0xe4, MAX_JOBNAME + 1), too_long(0xe4, MAX_JOBNAME + 1)),
        (long(0x05, MAX_UNIQUE_ID + 1), too_long(0x05, MAX_UNIQUE_ID + 1)),
        (long(0x01, 256), too_long(0x01, 256)),
        (long(0x02, 256), too_long(0x02, 256)),
        (ssl(&long(0x22, 256)), too_long(0x22, 256)),
        (tlv(0x20, &[1, 0, 0, 0]), ProxyError::TlvCut),
        (ssl(&[0x21, 0]), ProxyError::TlvCut),
        // The sub-TLV has what the header has, but the TLV about it has not.
        ([ssl(&[0x21, 0, 4]), b"abcd".to_vec()].concat(), ProxyError::TlvCut),
    ] {
        assert_eq!(refused(&with_tlvs(&tlvs)), error, "{tlvs:?}");
    }
    whole(&with_tlvs(&long(0xe4, MAX_JOBNAME)));
}

#[test]
fn an_empty_jobname_claims_nothing() {
    assert_eq!(whole(&with_tlvs(&tlv(0xe4, b""))).tlvs, Tlvs::default());
}

#[test]
fn a_checksum_is_verified_wherever_it_stands() {
    for (before, after) in [("", ""), ("a", ""), ("", "b"), ("job.a", "b")] {
        let tlvs = [tlv(0xe4, before.as_bytes()), tlv(0x03, &[0; 4]), tlv(0x02, after.as_bytes())].concat();
        let at = 16 + 12 + 3 + before.len() + 3;
        let mut bytes = with_tlvs(&tlvs);
        let right = sum(&bytes, at);
        bytes[at..at + 4].copy_from_slice(&right.to_be_bytes());
        assert_eq!(whole(&bytes).tlvs.checksum, Some(right));
        bytes[16] ^= 0x40;
        assert!(matches!(refused(&bytes), ProxyError::Checksum { told, .. } if told == right));
    }
}

#[test]
fn what_is_sent() {
    let plain = out("192.0.2.7:56324", "198.51.100.1:443");
    assert_eq!(encode_v2(&plain), header(0x21, 0x11, ENDS4));
    assert_eq!(encode_v2(&Out { transport: Transport::Dgram, ..plain }), header(0x21, 0x12, ENDS4));
    assert_eq!(encode_v2(&Out { transport: Transport::Unspec, ..plain }), header(0x21, 0x00, &[]));
    let named = Out { jobname: Some("job.a"), unique_id: Some(b"7"), ..plain };
    assert_eq!(encode_v2(&named), with_tlvs(&[tlv(0xe4, b"job.a"), tlv(0x05, b"7")].concat()));
    let mixed = encode_v2(&out("192.0.2.7:1", "[2001:db8::1]:2"));
    assert_eq!(
        (mixed[13], &mixed[16..32]),
        (0x21, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7][..])
    );
    assert_eq!(encode_local_v2().to_vec(), header(0x20, 0x00, &[]));
}

#[test]
fn what_a_reader_would_refuse_is_not_sent() {
    let plain = out("192.0.2.7:56324", "198.51.100.1:443");
    let (longest, longer) = ("a".repeat(MAX_JOBNAME), "a".repeat(MAX_JOBNAME + 1));
    for name in ["", "job.a\n", &longer] {
        assert_eq!(encode_v2(&Out { jobname: Some(name), ..plain }), encode_v2(&plain));
    }
    let header = whole(&encode_v2(&Out { jobname: Some(&longest), ..plain }));
    assert_eq!(header.tlvs.jobname.as_deref(), Some(&longest[..]));
    assert_eq!(encode_v2(&Out { unique_id: Some(&[0; MAX_UNIQUE_ID + 1]), ..plain }), encode_v2(&plain));
}
