//! One hello, cut in every way: the same outcome, as soon as its last byte is here and not before.

use std::iter::repeat;

use proptest::prelude::*;

use super::built::{Built, alpn, message, record, records, server_name, versions};
use super::twin::built;
use super::{error, feed, hello};
use crate::tls::hello::{HelloError, MAX_BYTES, MAX_RECORDS, Outcome, read};

fn usual() -> Built {
    Built::with(&[server_name("app2.jobs"), alpn(&[b"h2"]), versions(&[0x0304, 0x0303]), (21, vec![0; 90])])
}

#[test]
fn it_is_incomplete_until_the_last_byte() {
    let whole = usual().bytes();
    let message = message(&usual().body());
    for bytes in [whole.clone(), records(&message, repeat(5)), records(&message, [1, 2, 3, 1, 100, 200])] {
        for here in 0..bytes.len() {
            assert_eq!(read(&bytes[..here]), Outcome::Incomplete, "{here}");
            assert_eq!(feed(&bytes, [here, bytes.len()]), (read(&whole), bytes.len()), "{here}");
        }
        assert_eq!(feed(&bytes, repeat(1)), (read(&whole), bytes.len()));
    }
}

#[test]
fn what_follows_the_hello_is_the_servers_to_judge() {
    let hello = hello(&usual().bytes());
    let early = [usual().bytes(), b"\x14\x03\x03\x00\x01\x01\x17\x03\x03".to_vec()].concat();
    assert_eq!(read(&early), Outcome::Hello(hello.clone()));
    let same_record = record(&[&message(&usual().body())[..], b"\x01more"].concat());
    assert_eq!(read(&same_record), Outcome::Hello(hello.clone()));
    let several = records(&[&message(&usual().body())[..], b"\x01more"].concat(), repeat(50));
    assert_eq!(read(&several), Outcome::Hello(hello.clone()));
    // Not even the end of the record is waited for.
    assert_eq!(read(&same_record[..same_record.len() - 5]), Outcome::Hello(hello));
}

#[test]
fn the_last_record_may_be_the_sixty_fourth() {
    let message = message(&usual().body());
    let ones = |n| std::iter::repeat_n(1, n).chain([message.len()]);
    assert_eq!(read(&records(&message, ones(MAX_RECORDS - 1))), read(&usual().bytes()));
    assert_eq!(error(&records(&message, ones(MAX_RECORDS))), HelloError::TooManyRecords);
    // Without the byte that begins the next.
    assert_eq!(error(&records(&message[..MAX_RECORDS], repeat(1))), HelloError::TooManyRecords);
}

#[test]
fn the_longest_hello_is_read_to_its_end() {
    let of = |length: usize| {
        let more = length - message(&Built::with(&[(21, vec![])]).body()).len();
        message(&Built::with(&[(21, vec![0; more])]).body())
    };
    let longest = of(64 << 10);
    assert_eq!(longest.len(), 64 << 10);
    assert_eq!(hello(&records(&longest, repeat(16_384))).server_name, None);
    let mut cut = records(&longest, repeat(1_024));
    assert_eq!(cut.len(), MAX_BYTES);
    assert!(matches!(read(&cut), Outcome::Hello(_)));
    cut.pop();
    assert_eq!(read(&cut), Outcome::Incomplete);
    // One more is known to be too long by its header.
    let longer = of((64 << 10) + 1);
    assert_eq!(error(&records(&longer, repeat(16_384))[..9]), HelloError::MessageLength((64 << 10) + 1));
}

proptest! {
    #[test]
    fn records_do_not_matter(built in built(), sizes in proptest::collection::vec(1usize..60, 1..20)) {
        let message = message(&built.body());
        let cut = records(&message, sizes.iter().copied().cycle());
        let mut left = message.len();
        let number = sizes.iter().cycle().take_while(|size| {
            let more = left > 0;
            left = left.saturating_sub(**size);
            more
        });
        let expected = match number.count() {
            0..=MAX_RECORDS => read(&built.bytes()),
            _ => Outcome::Invalid(HelloError::TooManyRecords),
        };
        prop_assert_eq!(feed(&cut, repeat(1)).0, expected.clone());
        prop_assert_eq!(read(&cut), expected);
    }

    #[test]
    fn segments_do_not_matter(
        built in built(),
        sizes in proptest::collection::vec(1usize..60, 1..20),
        segments in proptest::collection::vec(1usize..200, 1..20),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = records(&message(&built.body()), sizes.into_iter().cycle());
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        let (outcome, at) = feed(&bytes, repeat(1));
        prop_assert_eq!(&read(&bytes), &outcome);
        prop_assert_eq!(&feed(&bytes, segments.into_iter().cycle()).0, &outcome);
        if at > 0 {
            prop_assert_eq!(read(&bytes[..at - 1]), Outcome::Incomplete, "decided by the byte that decides");
        }
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), headers in 0..3) {
        let bytes = match headers {
            0 => bytes,
            1 => record(&bytes),
            _ => records(&message(&bytes), repeat(50)),
        };
        prop_assert_eq!(feed(&bytes, repeat(1)).0, read(&bytes));
    }
}
