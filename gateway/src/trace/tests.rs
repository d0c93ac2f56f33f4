//! The specification's own examples and rules, and what holds whatever comes.

use proptest::prelude::*;

use super::*;

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn parse(text: &str) -> Option<TraceParent> {
    TraceParent::parse(text.as_bytes())
}

#[test]
fn the_examples_of_the_specification_are_read() {
    let sampled = parse(GIVEN).unwrap();
    assert!(sampled.is_sampled());
    assert_eq!(&sampled.trace_id(), b"4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(&sampled.span_id(), b"00f067aa0ba902b7");
    assert_eq!(sampled.to_string(), GIVEN);
    assert!(!parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap().is_sampled());
}

#[test]
fn what_the_specification_forbids_is_refused() {
    for (wrong, why) in [
        ("", "nothing"),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "version ff"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", "version 00 that goes on"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.", "version 00 that goes on"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", "flags of one digit"),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "upper case"),
        ("0F-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "upper case"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", "no trace"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "no span"),
        ("00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", "a dash in another place"),
        ("00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", "no dashes"),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x", "a later version without a dash"),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", "a later version that is too short"),
        (" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "white space"),
    ] {
        assert_eq!(parse(wrong), None, "{why}: {wrong}");
    }
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    for text in [
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-comes",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "fe-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
    ] {
        assert_eq!(parse(text).unwrap().to_string(), GIVEN, "{text}");
    }
}

#[test]
fn a_trace_goes_on_and_a_broken_one_begins_anew() {
    let of = |fields: &[&str]| traced(fields.iter().map(|field| field.as_bytes()), || [7; 24], true);
    let theirs = Traced { parent: parse(GIVEN).unwrap(), origin: Origin::Theirs };
    let ours = Traced { parent: TraceParent::new([7; 24], true), origin: Origin::Ours };
    assert_eq!(of(&[GIVEN]), theirs);
    for broken in [&[][..], &["x"], &[GIVEN, GIVEN]] {
        assert_eq!(of(broken), ours, "{broken:?}");
    }
    assert_eq!(ours.parent.to_string(), format!("00-{}-{}-01", "07".repeat(16), "07".repeat(8)));
}

proptest! {
    #[test]
    fn what_is_written_is_read(random: [u8; 24], sampled: bool, span: [u8; 8]) {
        let new = TraceParent::new(random, sampled);
        prop_assert_eq!(TraceParent::parse(&new.text()), Some(new));
        let child = new.child(span);
        prop_assert_eq!(TraceParent::parse(&child.text()), Some(child));
        prop_assert_eq!((child.trace_id(), child.is_sampled()), (new.trace_id(), sampled));
    }

    /// A plain twin: cut at dashes, and each part looked at as text.
    #[test]
    fn exactly_the_valid_ones_are_read(
        text in "(0[0-2]|ff|fe|[0-9a-fF]{2})-([0-9a-f]{32}|0{32}|[0-9a-fA-F-]{31,33})-([0-9a-f]{16}|0{16}|[0-9a-g]{15,17})-(0[0-3]|[0-9a-fA-F]{2})(-[a-z-]{0,3}|[a-z]{0,2})",
    ) {
        let parts: Vec<&str> = text.split('-').collect();
        let hex = |part: &str, length| {
            part.len() == length && part.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
        };
        let whole = parts.len() == 4 || (parts.len() > 4 && parts[0] != "00");
        let valid = whole
            && hex(parts[0], 2) && parts[0] != "ff"
            && hex(parts[1], 32) && parts[1].chars().any(|c| c != '0')
            && hex(parts[2], 16) && parts[2].chars().any(|c| c != '0')
            && hex(parts[3], 2);
        let read = parse(&text);
        prop_assert_eq!(read.is_some(), valid);
        if let Some(read) = read {
            let flags = u8::from_str_radix(parts[3], 16).unwrap();
            let expected = format!("00-{}-{}-0{}", parts[1], parts[2], flags & 1);
            prop_assert_eq!(read.to_string(), expected);
        }
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = TraceParent::parse(&bytes);
    }
}
