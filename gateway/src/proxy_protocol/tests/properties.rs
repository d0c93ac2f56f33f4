//! What holds whatever comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::{
    Addresses, Header, MAX_HEADER, MAX_JOBNAME, MAX_UNIQUE_ID, Out, Parsed, Transport, encode_v1, encode_v2,
    parse,
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Either family, plain, mapped, or with a scope.
fn end() -> impl Strategy<Value = SocketAddr> {
    let v6 = |ip: Ipv6Addr, port| SocketAddr::V6(SocketAddrV6::new(ip, port, 5, 6));
    prop_oneof![
        (any::<Ipv4Addr>(), any::<u16>()).prop_map(SocketAddr::from),
        (any::<Ipv6Addr>(), any::<u16>()).prop_map(move |(ip, port)| v6(ip, port)),
        (any::<Ipv4Addr>(), any::<u16>()).prop_map(move |(ip, port)| v6(ip.to_ipv6_mapped(), port)),
        // Long runs of zeros, which text shortens.
        (vec(select(vec![0u16, 0, 0, 1, 0xffff]), 8), any::<u16>()).prop_map(move |(groups, port)| {
            v6(Ipv6Addr::from(<[u16; 8]>::try_from(groups).unwrap()), port)
        }),
    ]
}

/// What is left of an end after its way through a header, said in another way than the program does.
fn arrives(end: SocketAddr) -> SocketAddr {
    let ip = match end.ip() {
        IpAddr::V6(ip) => match ip.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => IpAddr::from([a, b, c, d]),
            _ => IpAddr::V6(ip),
        },
        v4 => v4,
    };
    SocketAddr::new(ip, end.port())
}

#[derive(Debug)]
struct Sent {
    source: SocketAddr,
    destination: SocketAddr,
    transport: Transport,
    jobname: Option<String>,
    unique_id: Option<Vec<u8>>,
    checksum: bool,
}

impl Sent {
    fn out(&self) -> Out<'_> {
        Out {
            source: self.source,
            destination: self.destination,
            transport: self.transport,
            jobname: self.jobname.as_deref(),
            unique_id: self.unique_id.as_deref(),
            checksum: self.checksum,
        }
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let transport = select(vec![Transport::Stream, Transport::Dgram, Transport::Unspec]);
    let jobname = option::of(vec(select(vec!['a', '_', '.', 'é', '𝄞']), 1..60).prop_map(String::from_iter));
    let unique_id = option::of(vec(any::<u8>(), 0..=MAX_UNIQUE_ID));
    (end(), end(), transport, jobname, unique_id, any::<bool>()).prop_map(
        |(source, destination, transport, jobname, unique_id, checksum)| {
            let jobname = jobname.filter(|name| name.len() <= MAX_JOBNAME);
            Sent { source, destination, transport, jobname, unique_id, checksum }
        },
    )
}

/// Types that mean something, with values that are right, nearly right or neither.
fn tlv() -> impl Strategy<Value = Vec<u8>> {
    let kind = select(vec![0x01, 0x02, 0x03, 0x04, 0x05, 0x20, 0x21, 0x22, 0x30, 0xe4, 0xff]);
    let value = prop_oneof![vec(any::<u8>(), 0..8), vec(0x20u8..0x25, 5..40), vec(0x61u8..0x7b, 0..300)];
    (kind, value, option::weighted(0.1, any::<u16>())).prop_map(|(kind, value, wrong)| {
        let length = wrong.unwrap_or(value.len() as u16).to_be_bytes();
        [&[kind], &length[..], &value].concat()
    })
}

/// A signature, then bytes that are ever less likely to be right, then a client's.
fn nearly_binary() -> impl Strategy<Value = Vec<u8>> {
    let command = prop_oneof![4 => select(vec![0x20u8, 0x21]), 1 => any::<u8>()];
    let kind = prop_oneof![6 => select(vec![0x00u8, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32]), 1 => any::<u8>()];
    let ends = prop_oneof![Just(0usize), Just(12), Just(36), Just(216), 0usize..300];
    let ends = ends.prop_flat_map(|length| vec(any::<u8>(), length));
    let length = option::weighted(0.2, any::<u16>());
    (command, kind, length, ends, vec(tlv(), 0..5), vec(any::<u8>(), 0..40)).prop_map(
        |(command, kind, length, ends, tlvs, after)| {
            let block = [ends, tlvs.concat()].concat();
            let length = length.unwrap_or(block.len() as u16).to_be_bytes();
            [SIGNATURE, &[command, kind], &length, &block, &after].concat()
        },
    )
}

/// A line's words in any order.
fn nearly_a_line() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "TCP4",
        "TCP6",
        "UNKNOWN",
        "10.0.0.7",
        "192.0.2.255",
        "::1",
        "2001:db8::7",
        "::ffff:10.0.0.7",
        "0",
        "443",
        "65536",
        "007",
        "+1",
        " ",
        "\r",
        "\n",
        "\r\n",
        "\r\n",
        "\u{ff}",
        "\0",
    ];
    let ordered = vec(select(words.to_vec()), 0..12).prop_map(|words| ["PROXY ", &words.join(" ")].concat());
    let fit = (select(words.to_vec()), end(), end(), select(words.to_vec())).prop_map(
        |(word, source, destination, end)| {
            format!(
                "PROXY {word} {} {} {} {}{end}",
                source.ip(),
                destination.ip(),
                source.port(),
                destination.port()
            )
        },
    );
    prop_oneof![ordered, fit].prop_map(String::into_bytes)
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => nearly_binary(), 2 => nearly_a_line(), 1 => vec(any::<u8>(), 0..200)]
}

/// What a reader learns that gets a byte at a time.
fn byte_by_byte(bytes: &[u8]) -> Parsed {
    let mut parsed = (0..=bytes.len()).map(|come| parse(&bytes[..come]));
    parsed.find(|parsed| *parsed != Parsed::Incomplete).unwrap_or(Parsed::Incomplete)
}

fn header(bytes: &[u8]) -> Header {
    let Parsed::Header { header, consumed } = parse(bytes) else { panic!("{:?}", parse(bytes)) };
    assert_eq!(consumed, bytes.len());
    header
}

proptest! {
    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut(bytes in anything()) {
        let parsed = parse(&bytes);
        prop_assert_eq!(byte_by_byte(&bytes), parsed.clone());
        if let Parsed::Header { header, consumed } = parsed {
            prop_assert!(0 < consumed && consumed <= bytes.len().min(MAX_HEADER));
            prop_assert_eq!(parse(&bytes[..consumed]), Parsed::Header { header, consumed });
            prop_assert_eq!(parse(&bytes[..consumed - 1]), Parsed::Incomplete);
        }
    }

    #[test]
    fn a_full_buffer_is_always_decided(mut bytes in anything(), fill in any::<u8>()) {
        bytes.resize(MAX_HEADER.max(bytes.len()), fill);
        prop_assert_ne!(parse(&bytes), Parsed::Incomplete);
    }

    #[test]
    fn what_is_sent_in_version_1_arrives(source in end(), destination in end()) {
        let line = encode_v1(source, destination);
        let (source, destination) = (arrives(source), arrives(destination));
        prop_assert_eq!(header(&line).addresses, Some(Addresses { source, destination }));
        prop_assert!(line.len() <= 104);
        prop_assert!(!line.starts_with(b"PROXY TCP6") || !line.contains(&b'.'));
        prop_assert_eq!(byte_by_byte(&line), parse(&line));
    }

    #[test]
    fn what_is_sent_in_version_2_arrives(sent in sent()) {
        let bytes = encode_v2(&sent.out());
        let header = header(&bytes);
        let addresses = Addresses { source: arrives(sent.source), destination: arrives(sent.destination) };
        prop_assert_eq!(header.addresses, (sent.transport != Transport::Unspec).then_some(addresses));
        prop_assert_eq!(header.transport, sent.transport);
        prop_assert_eq!(header.tlvs.jobname.as_deref(), sent.jobname.as_deref());
        prop_assert_eq!(header.tlvs.unique_id.as_deref(), sent.unique_id.as_deref());
        prop_assert_eq!(header.tlvs.checksum.is_some(), sent.checksum);
        prop_assert_eq!(byte_by_byte(&bytes), parse(&bytes));
    }

    /// Every bit, whatever the client sends behind the header. Where it does not pass 216 bytes, it does not lose its
    /// addresses either: in a longer one a checksum may come to lie within the addresses of a Unix socket.
    #[test]
    fn a_flipped_bit_gives_no_other_addresses(sent in sent(), after in vec(any::<u8>(), 0..300)) {
        let sent = Sent { checksum: true, transport: Transport::Stream, ..sent };
        let mut bytes = encode_v2(&sent.out());
        let addresses = header(&bytes).addresses;
        let length = bytes.len();
        bytes.extend_from_slice(&after);
        for bit in 0..length * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Parsed::Header { header, .. } = parse(&bytes) {
                let lost = header.addresses.is_none() && bytes.len() >= 16 + 216;
                prop_assert!(header.addresses == addresses || lost, "bit {}: {:?}", bit, header);
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
