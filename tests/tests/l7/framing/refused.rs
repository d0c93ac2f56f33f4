//! Requests that have no meaning, or two: an answer, the end of the connection, and nothing for the instance.

use roundhouse_tests::strict;

use crate::{Stage, ask_until_closed, only};

/// A request for `web.jobs` with these fields.
fn with(fields: &str) -> Vec<u8> {
    format!("POST /x HTTP/1.1\r\nHost: web.jobs\r\n{fields}\r\n").into_bytes()
}

fn chunked(body: &str) -> Vec<u8> {
    [&with("Transfer-Encoding: chunked\r\n"), body.as_bytes()].concat()
}

/// What is wrong shows in the head: no connection to the instance is made.
#[test]
fn heads() {
    let get = |rest: &str| format!("GET {rest}").into_bytes();
    let mut cases: Vec<(u16, Vec<u8>)> = vec![
        // The first line.
        (400, get("/x\r\n\r\n")),
        (400, get("/x\r\nHost: web.jobs\r\n\r\n")),
        (505, get("/x HTTP/1.2\r\nHost: web.jobs\r\n\r\n")),
        (505, get("/x HTTP/2.0\r\nHost: web.jobs\r\n\r\n")),
        (505, get("/x HTTP/0.9\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/x HTTP/11.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/x http/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get(" /x HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/x HTTP/1.1 \r\nHost: web.jobs\r\n\r\n")),
        (400, get("/x\tHTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/a b HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/a\0 HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/a\r HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/a\u{7f} HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/\u{e9} HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/a#b HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("x HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("* HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, b"G\tET /x HTTP/1.1\r\nHost: web.jobs\r\n\r\n".to_vec()),
        (400, b"G(T /x HTTP/1.1\r\nHost: web.jobs\r\n\r\n".to_vec()),
        (400, b" GET /x HTTP/1.1\r\nHost: web.jobs\r\n\r\n".to_vec()),
        (400, b"\rGET /x HTTP/1.1\r\nHost: web.jobs\r\n\r\n".to_vec()),
        (400, b"\nGET /x HTTP/1.1\r\nHost: web.jobs\r\n\r\n".to_vec()),
        (400, "\r\n".repeat(9).into_bytes()),
        (501, b"CONNECT web.jobs:80 HTTP/1.1\r\nHost: web.jobs:80\r\n\r\n".to_vec()),
        (501, b"CONNECT / HTTP/1.1\r\nHost: web.jobs\r\n\r\n".to_vec()),
        // The end of a line.
        (400, get("/x HTTP/1.1\nHost: web.jobs\n\n")),
        (400, get("/x HTTP/1.1\r\nHost: web.jobs\n\r\n")),
        (400, get("/x HTTP/1.1\r\nHost: web.jobs\r\n\n")),
        (400, get("/x HTTP/1.1\r\nHost: web.jobs\r\r\n\r\n")),
        (400, get("/x HTTP/1.1\r\r\nHost: web.jobs\r\n\r\n")),
        // Who is meant.
        (400, get("/x HTTP/1.1\r\n\r\n")),
        (400, get("/x HTTP/1.1\r\nHost: web.jobs\r\nHost: web.jobs\r\n\r\n")),
        (400, get("/x HTTP/1.1\r\nHost: web.jobs\r\nhOST: other\r\n\r\n")),
        (400, get("/x HTTP/1.0\r\nHost: web.jobs\r\nHost: other\r\n\r\n")),
        (400, get("/x HTTP/1.1\r\nHost: web.jobs/\r\n\r\n")),
        (400, get("/x HTTP/1.1\r\nHost: u@web.jobs\r\n\r\n")),
        (400, get("http://web.jobs/x HTTP/1.1\r\n\r\n")),
        (400, get("http:///x HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("http://u@web.jobs/x HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        (400, get("ftp://web.jobs/x HTTP/1.1\r\nHost: web.jobs\r\n\r\n")),
        // HTTP/1.0 has no chunks.
        (400, b"POST /x HTTP/1.0\r\nHost: web.jobs\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec()),
        (400, b"POST /x HTTP/1.0\r\nHost: web.jobs\r\nTransfer-Encoding: identity\r\n\r\n".to_vec()),
        // Other protocols.
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec()),
        (400, b"\0".to_vec()),
        (400, b"\x80\x2e\x01".to_vec()),
    ];
    for field in [
        "X-A : b",
        "X-A\t: b",
        " X-A: b",
        "\tX-A: b",
        ": b",
        "X-A",
        "X A: b",
        "X(A: b",
        "X\u{e9}: b",
        "X-\0A: b",
        "X-A: b\0c",
        "X-A: b\rc",
        "X-A: b\nc",
        "X-A: \u{1}",
        "X-A: \u{1b}[0m",
        "X-A: \u{7f}",
        "X-A: b\r\n c",
        "X-A: b\r\n\tc",
        "X-A:\r\n b",
        "X-A: b\r",
        // Two lengths, none, or one that is no number.
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4, 4",
        "Content-Length: 4, 5",
        "Content-Length: +4",
        "Content-Length: -4",
        "Content-Length: -0",
        "Content-Length: 4 4",
        "Content-Length: 0x4",
        "Content-Length: 4.0",
        "Content-Length: 4;",
        "Content-Length: \"4\"",
        "Content-Length: four",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999999",
        "Content-Length : 4",
        "Content-Length\0: 4",
        // Codings beside the one.
        "Transfer-Encoding:",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: chun ked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding:\u{c}chunked",
        "Transfer-Encoding: chunked\r\n , gzip",
        "Transfer-Encoding : chunked",
    ] {
        cases.push((400, with(&format!("{field}\r\n"))));
    }
    for expectation in ["200-ok", "100-continue, 200-ok", "", "100-continue\r\nExpect: 200-ok"] {
        cases.push((417, with(&format!("Expect: {expectation}\r\n"))));
    }
    let many: String = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect();
    cases.push((431, with(&many)));
    cases.push((431, with(&format!("X-A: {}\r\n", "a".repeat(70_000)))));
    // It never ends, and that is seen before it does.
    cases.push((431, format!("GET /{}", "a".repeat(80_000)).into_bytes()));

    let stage = Stage::start();
    for (status, bytes) in cases {
        let said = ask_until_closed(stage.gateway.http(), &bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
        let answer = only(strict::responses(&said, &["GET"]));
        assert_eq!(answer.status(), status, "{shown:?}: {answer:?}");
        assert_eq!(answer.field("connection"), Some("close"), "{shown:?}");
        assert_eq!(stage.web.accepted(), 0, "{shown:?}: {:?}", stage.web.take());
    }
    assert_eq!(stage.answer("GET / HTTP/1.1\r\nHost: web.jobs\r\n\r\n").status(), 200);
    assert_eq!(stage.web.accepted(), 1);
}

/// The request ends where it says, so its connection may go on; only whom it means is not known.
#[test]
fn hosts_that_are_nobody_s() {
    let stage = Stage::start();
    for head in [
        "GET /x HTTP/1.1\r\nHost: web.jobs, web.jobs\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: \r\n\r\n",
        "GET /x HTTP/1.0\r\n\r\n",
    ] {
        assert_eq!(stage.answer(head).status(), 400, "{head:?}");
    }
    assert_eq!(stage.web.accepted(), 0);
}

/// At a VIP the Host passes through, so one that is none would reach the instance.
#[test]
fn hosts_at_a_vip() {
    let stage = Stage::start();
    let vip = stage.gateway.listening_vip("web", 9090);
    for host in ["a b", "a/b", "u@a", "a\\b", "a\"b", "a<b", "a?b", "a#b", "\u{e9}"] {
        for head in [
            format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET /x HTTP/1.0\r\nHost: {host}\r\n\r\n"),
        ] {
            let answer = only(strict::responses(&ask_until_closed(vip, head.as_bytes()), &["GET"]));
            assert_eq!(answer.status(), 400, "{head:?}");
        }
    }
    for authority in ["a\\b", "a\"b", "a<b", "u@a", "\u{e9}"] {
        let head = format!("GET http://{authority}/x HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = only(strict::responses(&ask_until_closed(vip, head.as_bytes()), &["GET"]));
        assert_eq!(answer.status(), 400, "{head:?}");
    }
    assert_eq!(stage.web.accepted(), 0);
}

/// What is wrong shows in the body, when the head has gone on: the instance sees no end of the request.
#[test]
fn bodies() {
    let stage = Stage::start();
    let long = "a".repeat(5_000);
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (status, body) in [
        (400, "5\nhello\r\n0\r\n\r\n".to_owned()),
        (400, "5\r\nhello\n0\r\n\r\n".into()),
        (400, "5\r\nhello\r\n0\n\r\n".into()),
        (400, "5\r\nhello\r\n0\r\n\n".into()),
        (400, "5\r\nhello0\r\n\r\n".into()),
        (400, "5\r\nhelloX\r\n0\r\n\r\n".into()),
        (400, "5\r\nhell\r\n0\r\n\r\n".into()),
        (400, "5\r\nhello\r\r\n0\r\n\r\n".into()),
        (400, "5\rhello\r\n0\r\n\r\n".into()),
        (400, "\r\n5\r\nhello\r\n0\r\n\r\n".into()),
        (400, " 5\r\nhello\r\n0\r\n\r\n".into()),
        (400, "+5\r\nhello\r\n0\r\n\r\n".into()),
        (400, "-5\r\nhello\r\n0\r\n\r\n".into()),
        (400, "0x5\r\nhello\r\n0\r\n\r\n".into()),
        (400, "5 5\r\nhello\r\n0\r\n\r\n".into()),
        (400, "five\r\nhello\r\n0\r\n\r\n".into()),
        (400, "g\r\nhello\r\n0\r\n\r\n".into()),
        (400, "10000000000000005\r\nhello\r\n0\r\n\r\n".into()),
        (400, "00000000000000005\r\nhello\r\n0\r\n\r\n".into()),
        (400, "5;a\nb\r\nhello\r\n0\r\n\r\n".into()),
        (400, "5;a\rb\r\nhello\r\n0\r\n\r\n".into()),
        (400, "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n".into()),
        (400, "5;a\0\r\nhello\r\n0\r\n\r\n".into()),
        (400, "5\0\r\nhello\r\n0\r\n\r\n".into()),
        (400, "5\r\nhello\r\n0\r\nX-A : b\r\n\r\n".into()),
        (400, "5\r\nhello\r\n0\r\n X-A: b\r\n\r\n".into()),
        (400, "5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n".into()),
        (400, "5\r\nhello\r\n0\r\nX-A: b\nc: d\r\n\r\n".into()),
        (400, "5\r\nhello\r\n0\r\nX-A: b\0\r\n\r\n".into()),
        (400, "5\r\nhello\r\n0\r\nX-A\r\n\r\n".into()),
        (400, "5\r\nhello\r\n0\r\n: b\r\n\r\n".into()),
        (431, format!("5;{long}\r\nhello\r\n0\r\n\r\n")),
        (431, format!("5\r\nhello\r\n0\r\nX-A: {long}{long}{long}{long}\r\n\r\n")),
        (431, format!("5\r\nhello\r\n0\r\n{many}\r\n")),
    ] {
        let said = ask_until_closed(stage.gateway.http(), &chunked(&body));
        let shown = &body[..body.len().min(100)];
        let answer = only(strict::responses(&said, &["GET"]));
        assert_eq!(answer.status(), status, "{shown:?}: {answer:?}");
        assert_eq!(answer.field("connection"), Some("close"), "{shown:?}");
    }
    let cut = [
        chunked("5\r\nhello\r\n"),
        chunked("5\r\nhel"),
        chunked("5\r\nhello\r\n0\r\n"),
        chunked("5\r\nhello\r\n0\r\nX-A: b\r\n"),
        [with("Content-Length: 6\r\n"), b"hello".to_vec()].concat(),
        with("Content-Length: 1\r\n"),
    ];
    for bytes in cut {
        assert_eq!(stage.answer(&bytes).status(), 400, "{:?}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(stage.web.take_whole(), []);
}
