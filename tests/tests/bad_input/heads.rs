//! Heads that are no requests, at the HTTP entrypoint.

use std::io::Write;
use std::time::{Duration, Instant};

use roundhouse_tests::Gateway;

use crate::raw::{Raw, exchange, half_closed, open, read_to_end};
use crate::{PORT, Served};

/// A head on a connection that ends with its answer.
fn ask(served: &Served, target: &str, fields: &str) -> Raw {
    let head = format!("GET {target} HTTP/1.1\r\n{fields}connection: close\r\n\r\n");
    exchange(served.gateway.http(), head.as_bytes())
}

#[test]
fn half_a_head_is_answered_when_the_client_ends_it() {
    let served = Served::start();
    for head in ["G", "GET / HTTP/1.1\r\nHost: web.j", "GET / HTTP/1.1\r\nHost: web.jobs\r\n"] {
        let raw = half_closed(served.gateway.http(), head.as_bytes());
        assert_eq!(raw.status(), 400, "{head:?}: {raw:?}");
        let sentence = format!("the connection ended after {} bytes of a request head", head.len());
        assert!(raw.body().contains(&sentence) && raw.body().contains("empty line"), "{raw:?}");
    }
    // A client that says nothing is told nothing.
    assert_eq!(half_closed(served.gateway.http(), b"").text, "");
    served.is_unharmed();
}

#[test]
fn half_a_head_and_silence_is_timed_out() {
    let mut gateway = Gateway::prepared("embedded", "[limits]\nheader_timeout = \"500ms\"");
    gateway.run();
    let served = Served::by(gateway);
    for first in [&b""[..], b"GET / HTTP/1.1\r\nHost: web.jobs\r\n\r\n"] {
        let mut stream = open(served.gateway.http());
        stream.write_all(first).unwrap();
        if !first.is_empty() {
            let mut answer = [0; 512];
            assert!(std::io::Read::read(&mut stream, &mut answer).unwrap() > 0);
        }
        let began = Instant::now();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: web").unwrap();
        let raw = read_to_end(stream);
        assert_eq!(raw.status(), 408, "{raw:?}");
        assert!(raw.body().contains("25 bytes of a request head came"), "{raw:?}");
        assert!(raw.body().contains("within 500ms"), "{raw:?}");
        let took = began.elapsed();
        assert!(took > Duration::from_millis(300) && took < Duration::from_secs(5), "{took:?}");
    }
    served.is_unharmed();
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let mut gateway = Gateway::prepared("embedded", "[limits]\nkeep_alive = \"500ms\"");
    gateway.run();
    let served = Served::by(gateway);
    // A body of many reads, so that most of it comes long after its head.
    let body = "x".repeat(100_000);
    let head = format!("POST / HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: {}\r\n\r\n", body.len());
    let raw = exchange(served.gateway.http(), (head + &body).as_bytes());
    assert_eq!(raw.status(), 200);
    assert_eq!(raw.text.matches("HTTP/1.1 ").count(), 1, "{}", &raw.text[raw.text.len() - 300..]);
    assert!(raw.text.ends_with('x'));
    served.is_unharmed();
}

#[test]
fn what_is_no_head_is_refused_and_the_connection_closed() {
    let served = Served::start();
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let tall = format!("x: {}\r\n", "a".repeat(200 << 10));
    let with = |fields: &str| format!("GET / HTTP/1.1\r\nHost: web.jobs\r\n{fields}\r\n").into_bytes();
    let long = format!("GET /{} HTTP/1.1\r\nHost: web.jobs\r\n\r\n", "a".repeat(70_000)).into_bytes();
    for (what, bytes, statuses) in [
        ("binary", b"\x00\x01\x02\xff\xfe\r\n\r\n".to_vec(), &[400][..]),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400]),
        ("no HTTP", b"EHLO mail.example\r\n\r\n".to_vec(), &[400]),
        ("another version", b"GET / HTTP/9.1\r\nHost: web.jobs\r\n\r\n".to_vec(), &[505]),
        ("a field with a space", with("bad field: 1\r\n"), &[400]),
        ("a length that is none", with("Content-Length: ten\r\n"), &[400]),
        ("two lengths", with("Content-Length: 1\r\nContent-Length: 2\r\n"), &[400]),
        ("200 fields", with(&many), &[400, 431]),
        ("a head of 200 KiB", with(&tall), &[400, 431]),
        ("a target of 70 kB", long, &[400, 414, 431]),
    ] {
        let raw = exchange(served.gateway.http(), &bytes);
        assert!(statuses.contains(&raw.status()), "{what}: {raw:?}");
        assert!(raw.text.contains("connection: close"), "{what}: {raw:?}");
    }
    served.is_unharmed();
}

#[test]
fn a_wrong_host_is_told_what_to_send() {
    let served = Served::start();
    for (fields, sentence) in [
        ("Host: web.jobs\r\nHost: web.jobs\r\n", "more than one Host; send one"),
        ("", "no Host; send the name of a job or a domain"),
        ("Host: \r\n", "the Host is empty"),
        ("Host: we b.jobs\r\n", "a character that no host name has"),
        ("Host: web.jobs:99999\r\n", "no number from 1 to 65535: `web.jobs:99999`"),
    ] {
        let raw = ask(&served, "/", fields);
        assert_eq!(raw.status(), 400, "{fields:?}: {raw:?}");
        assert!(raw.text.contains("x-roundhouse-reason: bad-request"), "{raw:?}");
        assert!(raw.body().contains(sentence), "{fields:?}: {raw:?}");
    }
    let long = ask(&served, "/", &format!("Host: {}\r\n", "a".repeat(300)));
    assert!(long.status() == 400 && long.body().contains("longer than 253 bytes"), "{long:?}");
    served.is_unharmed();
}

#[test]
fn an_absolute_target_goes_by_its_own_authority() {
    let served = Served::start();
    // RFC 9112, 3.2.2: Host is ignored.
    let raw = ask(&served, "http://web.jobs/", "Host: nobody.jobs\r\n");
    assert_eq!(raw.status(), 200, "{raw:?}");
    assert!(raw.body().starts_with(&format!("web {}:{PORT}", served.gateway.net.app(0))), "{raw:?}");
    let raw = ask(&served, "http://nobody.jobs/", "Host: web.jobs\r\n");
    assert_eq!(raw.status(), 404, "{raw:?}");
    assert!(raw.body().contains("no job is called `nobody`"), "{raw:?}");
    served.is_unharmed();
}

#[test]
fn connect_is_refused_with_what_to_do() {
    let served = Served::start();
    for server in [served.gateway.http(), served.vip()] {
        let head = b"CONNECT web.jobs:80 HTTP/1.1\r\nHost: web.jobs:80\r\nconnection: close\r\n\r\n";
        let raw = exchange(server, head);
        assert_eq!(raw.status(), 501, "{raw:?}");
        assert!(raw.body().contains("CONNECT is not served; dial the job's own name and port"), "{raw:?}");
    }
    served.is_unharmed();
}
