//! Whatever arrives: no panic, the query's own id, no more bytes than the sender takes.

use std::sync::LazyLock;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use crate::dns::sample::{TERMS, local, query, records, table_of, with_edns};
use crate::dns::{Transport, answer};
use crate::table::Table;

/// With more instances than any datagram holds.
static TABLE: LazyLock<Table> = LazyLock::new(|| table_of("127.99.0.0/16", &records(100)));

fn check(bytes: &[u8], payload: Option<u16>) -> Result<(), TestCaseError> {
    for transport in [Transport::Udp, Transport::Tcp] {
        let Some(reply) = answer(&TABLE, TERMS, bytes, local(transport)) else {
            prop_assert!(bytes.len() < 12 || bytes[2] & 0x80 != 0, "silent");
            continue;
        };
        prop_assert_eq!(&reply[..2], &bytes[..2], "id");
        prop_assert_eq!(reply[2] & 0xf9, 0x80 | bytes[2] & 0x79, "QR, opcode, RD");
        prop_assert_eq!(reply[3] & 0xf0, 0, "RA, Z, AD, CD");
        prop_assert!(Message::from_vec(&reply).is_ok());
        let limit = match (transport, payload) {
            (Transport::Tcp, _) => usize::from(u16::MAX),
            (Transport::Udp, Some(payload)) => usize::from(payload.clamp(512, 1232)),
            (Transport::Udp, None) => 1232,
        };
        prop_assert!(reply.len() <= limit, "{} of {limit}", reply.len());
    }
    Ok(())
}

/// Names of ours and near them, in any case.
fn name() -> impl Strategy<Value = String> {
    let label = prop_oneof![
        Just("app2".to_owned()),
        Just("bare".to_owned()),
        Just("instances".to_owned()),
        Just("_tcp".to_owned()),
        Just("_main".to_owned()),
        Just("coding".to_owned()),
        Just("revision".to_owned()),
        "[a-zA-Z0-9_-]{1,63}",
    ];
    let zone = prop_oneof![4 => Just("jobs.coding.net."), 1 => Just("JOBS.Coding.net."), 1 => Just("net.")];
    (proptest::collection::vec(label, 0..4), zone).prop_map(|(labels, zone)| {
        let mut name: String = labels.iter().flat_map(|label| [label, "."]).collect();
        name.push_str(zone);
        name
    })
}

fn valid() -> impl Strategy<Value = (Vec<u8>, Option<u16>)> {
    (name(), 0..300u16, proptest::option::of(any::<u16>()), any::<u16>())
        .prop_filter("too long for a name", |(name, ..)| name.len() < 250)
        .prop_map(|(name, of, payload, id)| {
            let mut query = query(&name, RecordType::from(of));
            query.metadata.id = id;
            let query = payload.map_or(query.clone(), |payload| with_edns(query, payload));
            (query.to_vec().unwrap(), Some(payload.unwrap_or(512)))
        })
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        check(&bytes, None)?;
    }

    /// A query's header, so that more of them are looked into.
    #[test]
    fn any_bytes_behind_a_header(counts in any::<[bool; 3]>(), rest in proptest::collection::vec(0..=255u8, 0..600)) {
        let [answers, authorities, additionals] = counts.map(u8::from);
        let header = [7, 7, 1, 0, 0, 1, 0, answers, 0, authorities, 0, additionals];
        check(&[&header[..], &rest].concat(), None)?;
    }

    #[test]
    fn valid_queries((bytes, payload) in valid()) {
        check(&bytes, payload)?;
    }

    #[test]
    fn mutated_queries(
        (mut bytes, _) in valid(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        check(&bytes, None)?;
    }
}

/// The dearest query there is room for: pointers that all lead through one long chain.
#[test]
fn a_chain_of_pointers_costs_little() {
    let mut bytes = vec![0, 7, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 1];
    // A record of an unknown type whose data is the chain: each pointer to the one before, the first to the root.
    let chain = 2 * 1000;
    bytes.extend([0, 0xff, 0x55, 0, 1, 0, 0, 0, 0]);
    bytes.extend(u16::try_from(chain).unwrap().to_be_bytes());
    let mut last = 12u16;
    for _ in 0..chain / 2 {
        let here = u16::try_from(bytes.len()).unwrap();
        bytes.extend((0xc000 | last).to_be_bytes());
        last = here;
    }
    while bytes.len() + 13 <= 4096 {
        bytes.extend((0xc000 | last).to_be_bytes());
        bytes.extend([0xff, 0x55, 0, 1, 0, 0, 0, 0, 0, 1, 9]);
    }
    // Against a message of the same length without a chain: a ratio, so that a busy machine slows both.
    let mut plain = bytes.clone();
    plain[12..].fill(0);
    let least = |bytes: &[u8]| {
        let once = |_| {
            let start = std::time::Instant::now();
            let reply = answer(&TABLE, TERMS, bytes, local(Transport::Tcp)).unwrap();
            (start.elapsed(), reply[3])
        };
        (0..5).map(once).min().unwrap()
    };
    let ((chained, code), (usual, _)) = (least(&bytes), least(&plain));
    assert_eq!(code, 1, "fewer records than the header says");
    assert!(chained < usual.max(std::time::Duration::from_millis(1)) * 500, "{chained:?}, without {usual:?}");
}
