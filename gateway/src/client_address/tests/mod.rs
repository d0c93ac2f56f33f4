//! What proxies write, and what somebody writes who wants to be another.

use std::net::IpAddr;

use roundhouse_config::Network;

use super::element::{of_whom, split_last};
use super::node::node;
use super::*;

mod forwarding;
mod properties;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ten(address: IpAddr) -> bool {
    let ten: Network = "10.0.0.0/8".parse().unwrap();
    ten.contains(address) || address == ip("fd00::1")
}

fn bytes<'a>(fields: &'a [&'a str]) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    fields.iter().map(|field| field.as_bytes())
}

/// Address, port and hops of the client that a request from `peer` with these fields has.
fn found(peer: &str, x_forwarded_for: &[&str], forwarded: &[&str]) -> (String, Option<u16>, usize) {
    let came = Came { x_forwarded_for: bytes(x_forwarded_for), forwarded: bytes(forwarded) };
    let client = client(ip(peer), came, ten);
    (client.address.to_string(), client.port, client.hops)
}

#[test]
fn whoever_is_not_trusted_is_the_client_whatever_it_says() {
    assert_eq!(found("192.0.2.1", &["203.0.113.9"], &["for=203.0.113.9"]), ("192.0.2.1".into(), None, 0));
    assert_eq!(found("::ffff:192.0.2.1", &[], &[]).0, "192.0.2.1");
}

#[test]
fn the_walk_ends_at_the_first_that_is_not_trusted() {
    let client = |fields: &[&str]| found("::ffff:10.0.0.1", fields, &[]);
    assert_eq!(client(&["203.0.113.9"]), ("203.0.113.9".into(), None, 1));
    // What the client made up stands left of it.
    assert_eq!(client(&["10.9.9.9, 1.2.3.4,203.0.113.9 , 10.0.0.2"]), ("203.0.113.9".into(), None, 2));
    assert_eq!(client(&["1.2.3.4", "203.0.113.9", "10.0.0.3, 10.0.0.2"]), ("203.0.113.9".into(), None, 3));
    // Ports, and IPv6 in each form.
    assert_eq!(client(&["203.0.113.9:4711"]), ("203.0.113.9".into(), Some(4711), 1));
    assert_eq!(client(&["2001:db8::1"]), ("2001:db8::1".into(), None, 1));
    assert_eq!(client(&["[2001:db8::1]"]), ("2001:db8::1".into(), None, 1));
    assert_eq!(client(&["[2001:db8::1]:80"]), ("2001:db8::1".into(), Some(80), 1));
    assert_eq!(client(&["::ffff:10.0.0.9", ",, ,"]), ("10.0.0.9".into(), None, 1));
    // Nobody else is named.
    assert_eq!(client(&[]), ("10.0.0.1".into(), None, 0));
    assert_eq!(client(&["10.0.0.3, 10.0.0.2"]), ("10.0.0.3".into(), None, 2));
}

#[test]
fn what_is_no_address_ends_the_walk_at_whoever_wrote_it() {
    for wrong in
        ["unknown", "_hidden", "1.2.3", "203.0.113.9 10.0.0.2", "[2001:db8::1", "a:80", "\u{fc}", "1.2.3.4:x"]
    {
        let field = format!("203.0.113.9, {wrong}, 10.0.0.2");
        assert_eq!(found("10.0.0.1", &[&field], &[]), ("10.0.0.2".into(), None, 1), "{wrong}");
    }
}

#[test]
fn the_hops_are_bounded() {
    let field = ["203.0.113.9"].into_iter().chain(["10.0.0.2"; 100]).collect::<Vec<_>>().join(",");
    assert_eq!(found("10.0.0.1", &[&field], &[]), ("10.0.0.2".into(), None, MAX_HOPS));
}

#[test]
fn forwarded_is_read_where_x_forwarded_for_is_not() {
    let client = |fields: &[&str]| found("10.0.0.1", &[], fields);
    assert_eq!(client(&["for=192.0.2.43, for=10.0.0.2"]), ("192.0.2.43".into(), None, 2));
    assert_eq!(client(&["For=\"[2001:db8:cafe::17]:4711\""]), ("2001:db8:cafe::17".into(), Some(4711), 1));
    assert_eq!(client(&["for=192.0.2.60;proto=http;by=203.0.113.43"]), ("192.0.2.60".into(), None, 1));
    assert_eq!(client(&["proto=http; FOR = 1.2.3.4"]), ("10.0.0.1".into(), None, 0), "no space around `=`");
    assert_eq!(client(&["for=\"192.0.2.1:_port\""]), ("192.0.2.1".into(), None, 1));
    assert_eq!(client(&["for=unknown"]), ("10.0.0.1".into(), None, 0));
    assert_eq!(client(&["for=192.0.2.1;for=192.0.2.2"]), ("10.0.0.1".into(), None, 0), "twice");
    assert_eq!(client(&["proto=https"]), ("10.0.0.1".into(), None, 0));
    assert_eq!(found("10.0.0.1", &["1.2.3.4"], &["for=5.6.7.8"]).0, "1.2.3.4");
    assert_eq!(found("10.0.0.1", &[" , "], &["for=5.6.7.8"]).0, "5.6.7.8");
}

#[test]
fn a_quote_left_open_swallows_nothing_of_whom_a_trusted_proxy_names() {
    for made_up in ["for=\"", "for=\"\\", "\"\"\"", "for=1.2.3.4;x=\"a, for=10.0.0.9", "\\\"", "\\"] {
        let field = format!("{made_up}, for=203.0.113.9;host=\"a,b;c\", for=10.0.0.2");
        assert_eq!(found("10.0.0.1", &[], &[&field]), ("203.0.113.9".into(), None, 2), "{made_up}");
    }
}

#[test]
fn elements_and_pairs_are_split_outside_of_quotes() {
    assert_eq!(split_last(b"a, b"), (Some(&b"a"[..]), &b"b"[..]));
    assert_eq!(split_last(b"x=\"a,b\""), (None, &b"x=\"a,b\""[..]));
    assert_eq!(split_last(b"a,x=\"\\\",\""), (Some(&b"a"[..]), &b"x=\"\\\",\""[..]));
    assert_eq!(of_whom(b"x=\";for=1\";for=2"), Some(&b"2"[..]));
    assert_eq!(of_whom(b"for=\"\\1.2.3.4\"").and_then(node), None);
    assert_eq!(of_whom(b"forx=1"), None);
}
