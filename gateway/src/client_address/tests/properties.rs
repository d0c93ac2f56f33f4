//! What holds whatever comes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What stands between commas: addresses of both kinds, and what is none.
fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "10[.][0-9][.]0[.][0-9]",
        3 => "(192[.]0[.]2[.][0-9]|2001:db8::[1-9]|\\[2001:db8::1\\]:80|192[.]0[.]2[.]1:7)",
        1 => "(unknown|_x|fd00::1|)",
    ]
}

/// The same, read as a person would: one list, from its end.
fn plainly(peer: IpAddr, entries: &[String]) -> IpAddr {
    let mut client = peer;
    for entry in entries.iter().rev().filter(|entry| !entry.is_empty()).take(64) {
        if !ten(client) {
            break;
        }
        let bare = match entry.split_once("]:") {
            Some((address, _)) => &address[1..],
            None if entry.contains('.') => entry.split(':').next().unwrap(),
            None => entry,
        };
        match bare.parse() {
            Ok(address) => client = address,
            Err(_) => break,
        }
    }
    client
}

proptest! {
    #[test]
    fn the_client_is_the_plain_twins(lines in vec(vec(entry(), 0..40), 0..4), trusted: bool) {
        let peer = ip(if trusted { "10.0.0.1" } else { "192.0.2.77" });
        let all: Vec<String> = lines.concat();
        let expected = plainly(peer, &all);
        let lists: Vec<String> = lines.iter().map(|line| line.join(" ,")).collect();
        let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
        prop_assert_eq!(client(peer, Came { x_forwarded_for: bytes(&lists), forwarded: bytes(&[]) }, ten).address, expected);
        // The same in the other field's form.
        let elements = lines.iter().map(|line| {
            let some = line.iter().filter(|entry| !entry.is_empty());
            some.map(|entry| format!("proto=http;For=\"{entry}\"")).collect::<Vec<_>>().join(", ")
        });
        let elements: Vec<String> = elements.collect();
        let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
        prop_assert_eq!(client(peer, Came { x_forwarded_for: bytes(&[]), forwarded: bytes(&elements) }, ten).address, expected);
    }

    /// Whatever a client sends, whom a trusted proxy appends is found.
    #[test]
    fn nobody_says_who_they_are(made_up in vec(vec(any::<u8>(), 0..60), 0..3), forwarded: bool) {
        let (appended, expected): (&[u8], _) = (if forwarded { b", for=203.0.113.9" } else { b", 203.0.113.9" }, ip("203.0.113.9"));
        let mut lines = made_up.clone();
        match lines.last_mut() {
            Some(last) => last.extend_from_slice(appended),
            None => lines.push(appended.to_vec()),
        }
        let lines = || lines.iter().map(Vec::as_slice);
        let none: [&[u8]; 0] = [];
        let found = if forwarded {
            client(ip("10.0.0.1"), Came { x_forwarded_for: none[..].iter().copied(), forwarded: lines() }, ten)
        } else {
            let came = Came { x_forwarded_for: lines(), forwarded: lines() };
            client(ip("10.0.0.1"), came, ten)
        };
        prop_assert_eq!(found.address, expected);
        prop_assert_eq!(found.hops, 1);
    }

    /// Of a client that is not trusted not a byte gets through.
    #[test]
    fn nothing_of_a_client_goes_on(came in vec(vec(any::<u8>(), 0..60), 0..3)) {
        let told = |came: &[Vec<u8>]| {
            let forwarding =
                Forwarding { peer: ip("192.0.2.1"), trusted: false, scheme: Scheme::Https, host: b"a" };
            let (lines, mut out) = (|| came.iter().map(Vec::as_slice), Vec::new());
            forwarding.write_for(lines(), &mut out);
            forwarding.write_proto(lines(), &mut out);
            forwarding.write_host(lines(), &mut out);
            assert!(!forwarding.write_forwarded(lines(), &mut out));
            out
        };
        prop_assert_eq!(told(&came), told(&[]));
    }
}
