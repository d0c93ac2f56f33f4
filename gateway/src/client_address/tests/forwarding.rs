//! What the instance is told.

use super::{Forwarding, Scheme, bytes, ip};

fn forwarding(peer: &str, trusted: bool) -> Forwarding<'static> {
    Forwarding { peer: ip(peer), trusted, scheme: Scheme::Http, host: b"blog.coding.net:8080" }
}

/// The three `X-Forwarded-*` and `Forwarded`.
fn written(forwarding: Forwarding<'_>, came: [&[&str]; 4]) -> [String; 4] {
    let text = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    [
        text(&|out| forwarding.write_for(bytes(came[0]), out)),
        text(&|out| forwarding.write_proto(bytes(came[1]), out)),
        text(&|out| forwarding.write_host(bytes(came[2]), out)),
        text(&|out| {
            let some = forwarding.write_forwarded(bytes(came[3]), out);
            assert_eq!(some, !out.is_empty());
        }),
    ]
}

#[test]
fn of_whoever_is_not_trusted_nothing_is_left() {
    let came = [&["1.2.3.4", "5.6.7.8"][..], &["https"], &["evil"], &["for=1.2.3.4"]];
    let expected = ["192.0.2.1", "http", "blog.coding.net:8080", ""];
    assert_eq!(written(forwarding("::ffff:192.0.2.1", false), came), expected);
    let dropped = forwarding("192.0.2.1", false);
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-port", "x-forwarded-prefix", "x-real-ip"] {
        assert!(dropped.drops(name.as_bytes()), "{name}");
    }
    assert!(!dropped.drops(b"x-forwarder") && !dropped.drops(b"host"));
}

#[test]
fn a_trusted_peer_is_appended_and_what_it_says_is_kept() {
    let came = [&["1.2.3.4, 5.6.7.8", "10.0.0.9"][..], &["HTTPS"], &["shop.example"], &["for=1.2.3.4"]];
    let expected = [
        "1.2.3.4, 5.6.7.8, 10.0.0.9, 10.0.0.1",
        "https",
        "shop.example",
        "for=1.2.3.4, for=10.0.0.1;proto=http;host=\"blog.coding.net:8080\"",
    ];
    assert_eq!(written(forwarding("10.0.0.1", true), came), expected);
    let none: &[&str] = &[];
    let expected = ["fd00::1", "http", "blog.coding.net:8080", ""];
    assert_eq!(written(forwarding("fd00::1", true), [none; 4]), expected);
    assert_eq!(
        written(forwarding("fd00::1", true), [none, none, none, &["for=unknown"]])[3],
        "for=unknown, for=\"[fd00::1]\";proto=http;host=\"blog.coding.net:8080\""
    );
    let kept = forwarding("10.0.0.1", true);
    assert!(kept.drops(b"x-real-ip") && kept.drops(b"x-forwarded-for"));
    assert!(!kept.drops(b"x-forwarded-port") && !kept.drops(b"accept"));
}

#[test]
fn what_a_trusted_peer_says_must_be_one_valid_thing() {
    let none: &[&str] = &[];
    for (proto, host) in [
        (&["https, http"][..], &["a b"][..]),
        (&["ftp"], &["a,b"]),
        (&["https", "https"], &["a", "a"]),
        (&[""], &[""]),
        (&["\u{fc}"], &["a\"b"]),
    ] {
        let [_, proto, host, _] = written(forwarding("10.0.0.1", true), [none, proto, host, none]);
        assert_eq!((proto.as_str(), host.as_str()), ("http", "blog.coding.net:8080"));
    }
    let odd = Forwarding { host: b"a\"b", ..forwarding("10.0.0.1", true) };
    assert_eq!(written(odd, [none, none, none, &["for=a"]])[3], "for=a, for=10.0.0.1;proto=http");
}
