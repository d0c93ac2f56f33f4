//! Requests that have one meaning, and what the instance is sent for each.

use roundhouse_tests::strict::{self, Message};
use roundhouse_tests::{Recorded, dial, read_to_its_end};

use crate::{Stage, ask, only};

/// A message as text: its first line, its fields by name, its body and trailers. What the gateway says of the client on
/// its own account is left out.
fn shown(message: &Message) -> String {
    let own = |name: &str| {
        name.starts_with("x-forwarded-")
            || matches!(
                name,
                "forwarded" | "x-real-ip" | "x-request-id" | "traceparent" | "tracestate" | "via"
            )
    };
    let line = |(name, value): &(String, String)| format!("{name}: {value}\n");
    let mut fields: Vec<String> = message.fields.iter().filter(|(name, _)| !own(name)).map(line).collect();
    fields.sort();
    let trailers: String = message.trailers.iter().map(line).collect();
    format!("{}\n{}\n{}\n{trailers}", message.first, fields.concat(), message.text())
}

#[track_caller]
fn check(stage: &Stage, bytes: &str, expected: &str) {
    let said = stage.ask(bytes);
    let method = bytes.trim_start().split(' ').next().unwrap();
    let answers = strict::responses(&said, &[method]);
    let recorded = stage.web.take();
    let seen = only(recorded.into_iter().filter_map(Recorded::whole).collect());
    assert_eq!(shown(&seen), format!("{expected}\n"), "{bytes:?}");
    assert_eq!(answers.last().unwrap().status(), 200, "{bytes:?}");
    assert_eq!(answers.len(), 1, "{bytes:?}: {answers:?}");
}

#[test]
fn first_lines_and_hosts() {
    let stage = Stage::start();
    let same = |first: &str| {
        let expected = format!("{first}\nhost: web.jobs\n\n");
        check(&stage, &format!("{first}\r\nHost: web.jobs\r\n\r\n"), &expected);
    };
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "M-SEARCH", "!#$%&'*+-.^_`|~"]
    {
        same(&format!("{method} /a HTTP/1.1"));
    }
    // As it came: nothing is decoded, joined or taken out.
    for target in ["/", "/a/../b", "/a//b", "/%2e%2E/%2f", "/a;b=c/?d=e?f&g[]=%00", "//a/b", "/?", "/a?/../b"]
    {
        same(&format!("GET {target} HTTP/1.1"));
    }
    same("OPTIONS * HTTP/1.1");
    check(&stage, "\r\n\r\nGET / HTTP/1.1\r\nHost: web.jobs\r\n\r\n", "GET / HTTP/1.1\nhost: web.jobs\n\n");
    check(&stage, "GET / HTTP/1.0\r\nHost: web.jobs\r\n\r\n", "GET / HTTP/1.1\nhost: web.jobs\n\n");
    check(
        &stage,
        "GET / HTTP/1.1\r\nhOsT:\t WEB.jobs:80 \t\r\n\r\n",
        "GET / HTTP/1.1\nhost: WEB.jobs:80\n\n",
    );
    // RFC 9112, 3.2.2: the target's authority is the one that counts, and the instance is told that one alone.
    for (target, host, path) in [
        ("http://web.jobs/a?b", "web.jobs", "/a?b"),
        ("HTTP://Web.Jobs:8080/a", "Web.Jobs:8080", "/a"),
        ("https://web.jobs/", "web.jobs", "/"),
        ("http://web.jobs", "web.jobs", "/"),
        ("http://web.jobs?a", "web.jobs", "/?a"),
        ("http://web.jobs/@evil", "web.jobs", "/@evil"),
    ] {
        for named in ["other", "web.jobs"] {
            check(
                &stage,
                &format!("GET {target} HTTP/1.1\r\nHost: {named}\r\nX-A: b\r\n\r\n"),
                &format!("GET {path} HTTP/1.1\nhost: {host}\nx-a: b\n\n"),
            );
        }
    }
    // 3.2.4: a URL without a path is the server as a whole.
    check(
        &stage,
        "OPTIONS http://web.jobs HTTP/1.1\r\nHost: web.jobs\r\n\r\n",
        "OPTIONS * HTTP/1.1\nhost: web.jobs\n\n",
    );
}

#[test]
fn lengths() {
    let stage = Stage::start();
    let to = |fields: &str, body: &str, framing: &str, content: &str| {
        check(
            &stage,
            &format!("POST / HTTP/1.1\r\nHost: web.jobs\r\n{fields}\r\n{body}"),
            &format!("POST / HTTP/1.1\n{framing}\n{content}"),
        );
    };
    let known = |n: u64| format!("content-length: {n}\nhost: web.jobs\n");
    let chunks = "host: web.jobs\ntransfer-encoding: chunked\n";
    to("", "", "host: web.jobs\n", "");
    to("Content-Length: 0\r\n", "", &known(0), "");
    to("Content-Length: 5\r\n", "hello", &known(5), "hello");
    to("content-length:5\r\n", "hello", &known(5), "hello");
    to("Content-Length: 00005\r\n", "hello", &known(5), "hello");
    to("Content-Length: 5\r\nContent-Length: 5\r\n", "hello", &known(5), "hello");
    to(
        "Content-Length: 5\r\nX-A: b\r\nContent-Length: 05\r\n",
        "a\nb\0\r",
        &format!("{}x-a: b\n", known(5)),
        "a\nb\0\r",
    );
    to("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", chunks, "");
    to("tRANSFER-eNCODING: \t CHUNKED \t\r\n", "5\r\nhello\r\n0\r\n\r\n", chunks, "hello");
    // Extensions end here.
    to(
        "Transfer-Encoding: chunked\r\n",
        "2;a=b;c=\"d;\\\"e\" ;f\r\nhe\r\n003 \t\r\nllo\r\n00;x\r\n\r\n",
        chunks,
        "hello",
    );
    to(
        "Transfer-Encoding: chunked\r\n",
        "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        chunks,
        "01234567890123456789",
    );
    // What looks like a request is content.
    let inner = "GET /inner HTTP/1.1\r\nHost: web.jobs\r\n\r\n";
    to(&format!("Content-Length: {}\r\n", inner.len()), inner, &known(inner.len() as u64), inner);
    to(
        "Transfer-Encoding: chunked\r\n",
        &format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()),
        chunks,
        inner,
    );
    // A GET may have one too, and no other method takes it away.
    check(
        &stage,
        "GET / HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\ncontent-length: 5\nhost: web.jobs\n\nhello",
    );
    check(
        &stage,
        "POST / HTTP/1.0\r\nHost: web.jobs\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\ncontent-length: 5\nhost: web.jobs\n\nhello",
    );
}

#[test]
fn trailers() {
    let stage = Stage::start();
    let to = |trailers: &str, expected: &str| {
        check(
            &stage,
            &format!(
                "POST / HTTP/1.1\r\nHost: web.jobs\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\n{trailers}\r\n"
            ),
            format!("POST / HTTP/1.1\nhost: web.jobs\ntransfer-encoding: chunked\n\nhello\n{expected}")
                .trim_end_matches('\n'),
        );
    };
    to("", "");
    to("X-Sum: abc\r\n", "x-sum: abc");
    to("X-Sum:abc \r\nX-Empty:\r\n", "x-sum: abc\nx-empty: ");
    // RFC 9110, 6.5.1: what frames, routes, authenticates or says what the content is does not come behind it.
    for forbidden in [
        "Host: other",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Connection: X-Sum",
        "Trailer: X-A",
        "TE: trailers",
        "Upgrade: h2c",
        "Keep-Alive: timeout=5",
        "Proxy-Authorization: x",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "Forwarded: for=6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "X-Jobname: root",
        "Expect: 100-continue",
        "Content-Encoding: gzip",
        "Content-Type: text/html",
        "Content-Range: bytes 0-1/2",
        "Authorization: Basic eDp5",
        "Cookie: a=b",
        "Set-Cookie: a=b",
        "Cache-Control: no-store",
        "Max-Forwards: 1",
        "Range: bytes=0-1",
        "If-Match: *",
    ] {
        to(&format!("{forbidden}\r\nX-Sum: abc\r\n"), "x-sum: abc");
    }
}

#[test]
fn what_ends_at_this_hop() {
    let stage = Stage::start();
    let to = |fields: &str, expected: &str| {
        check(
            &stage,
            &format!("GET / HTTP/1.1\r\nHost: web.jobs\r\nX-A: b\r\n{fields}\r\n"),
            &format!("GET / HTTP/1.1\n{expected}\n").replace('|', "\n"),
        );
    };
    let plain = "host: web.jobs|x-a: b|";
    for field in [
        "Connection: close",
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eDp5",
        "Proxy-Authenticate: Basic",
        "TE: gzip",
        "Trailer: X-Sum",
        "Upgrade: h2c",
        // RFC 9110, 7.8: an upgrade that is not forwarded is no upgrade.
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c",
        "Connection: Upgrade\r\nUpgrade: h2c, websocket",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c",
        "Upgrade: websocket",
        "HTTP2-Settings: AAMAAABk",
        "Connection: X-B\r\nX-B: c",
        "Connection: close, x-b , ,X-C\r\nX-B: c\r\nx-C: d",
        "X-B: c\r\nConnection: keep-alive\r\nConnection: X-B",
    ] {
        to(&format!("{field}\r\n"), plain);
    }
    to("Connection: X-A\r\n", "host: web.jobs|");
    // A nomination takes away nothing that the gateway says or goes by.
    for name in ["Host", "host", "HOST", "close, Host", "Content-Length", "X-Forwarded-For", "X-Jobname"] {
        to(&format!("Connection: {name}\r\n"), plain);
    }
    to("Connection: Cookie\r\nCookie: a=b\r\n", &format!("cookie: a=b|{plain}"));
    check(
        &stage,
        "POST / HTTP/1.1\r\nHost: web.jobs\r\nConnection: Content-Length, Host\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\ncontent-length: 5\nhost: web.jobs\n\nhello",
    );
    check(
        &stage,
        "POST / HTTP/1.1\r\nHost: web.jobs\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST / HTTP/1.1\nhost: web.jobs\ntransfer-encoding: chunked\n\nhello",
    );
    // An upgrade with a body is none: what would be left of it on the instance's connection is the next client's request.
    let upgrade = "Host: web.jobs\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n";
    check(
        &stage,
        &format!("GET / HTTP/1.1\r\n{upgrade}Content-Length: 5\r\n\r\nhello"),
        "GET / HTTP/1.1\ncontent-length: 5\nhost: web.jobs\nsec-websocket-key: a\n\nhello",
    );
    check(
        &stage,
        &format!("GET / HTTP/1.1\r\n{upgrade}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "GET / HTTP/1.1\nhost: web.jobs\nsec-websocket-key: a\ntransfer-encoding: chunked\n\nhello",
    );
    check(
        &stage,
        &format!("POST / HTTP/1.1\r\n{upgrade}\r\n"),
        "POST / HTTP/1.1\nhost: web.jobs\nsec-websocket-key: a\n\n",
    );
    // What is nobody's concern here goes on as it came, in order.
    to(
        "X-B: c\r\nX-b: d\r\nX-Utf: \u{fc}\r\nX-Empty:\r\nCookie: a; b\r\n",
        "cookie: a; b|host: web.jobs|x-a: b|x-b: c|x-b: d|x-empty: |x-utf: Ã¼|",
    );
}

#[test]
fn who_asks_is_what_the_gateway_says() {
    let stage = Stage::start();
    for nominated in ["", "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded\r\n"] {
        stage.ask(format!(
            "GET / HTTP/1.1\r\nHost: web.jobs\r\n{nominated}X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\
             X-Jobname: root\r\n\r\n"
        ));
        let seen = only(stage.web.take_whole());
        let client = seen.field("x-forwarded-for").unwrap();
        assert!(client.parse::<std::net::IpAddr>().unwrap().is_loopback(), "{client}");
        assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
        assert_eq!(seen.field("x-forwarded-host"), Some("web.jobs"));
        for absent in ["forwarded", "x-real-ip", "x-jobname"] {
            assert_eq!(seen.field(absent), None, "{seen:?}");
        }
    }
}

#[test]
fn as_many_fields_as_there_may_be() {
    let stage = Stage::start();
    let many: String = (0..99).map(|n| format!("x-{n}: 1\r\n")).collect();
    stage.ask(format!("GET / HTTP/1.1\r\nHost: web.jobs\r\n{many}\r\n"));
    let seen = only(stage.web.take_whole());
    assert!((0..99).all(|n| seen.field(&format!("x-{n}")) == Some("1")), "{seen:?}");
    // And as large as the default allows.
    let large = "a".repeat(60_000);
    stage.ask(format!("GET /{large} HTTP/1.1\r\nHost: web.jobs\r\n\r\n"));
    assert_eq!(only(stage.web.take_whole()).target().len(), 60_001);
}

#[test]
fn a_large_body_of_each_kind() {
    let stage = Stage::start();
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let known = [
        format!("PUT / HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(),
        &body,
    ]
    .concat();
    let mut chunked = b"PUT / HTTP/1.1\r\nHost: web.jobs\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for (n, chunk) in body.chunks(70_001).enumerate() {
        chunked.extend_from_slice(format!("{:X};n={n}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\n");
    for bytes in [known, chunked] {
        let answer = only(strict::responses(&ask(stage.gateway.http(), &bytes), &["PUT"]));
        assert_eq!(answer.status(), 200);
        assert!(only(stage.web.take_whole()).body == body);
    }
}

#[test]
fn a_connection_stays_as_its_client_asks() {
    let stage = Stage::start();
    for (version, connection, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let mut client = dial(stage.gateway.http());
        let head = format!("GET /x HTTP/{version}\r\nHost: web.jobs\r\n{connection}\r\n");
        std::io::Write::write_all(&mut client, head.as_bytes()).unwrap();
        if stays {
            // It is asked on only when it has the answer.
            let mut first = Vec::new();
            while !first.ends_with(b"seen") {
                let mut part = [0; 512];
                let n = std::io::Read::read(&mut client, &mut part).unwrap();
                assert!(n > 0, "{head:?} {:?}", String::from_utf8_lossy(&first));
                first.extend_from_slice(&part[..n]);
            }
            let answer = only(strict::responses(&first, &["GET"]));
            let said = (version == "1.0").then_some("keep-alive");
            assert_eq!(answer.field("connection"), said, "{head:?}");
            let last = b"GET /y HTTP/1.1\r\nHost: web.jobs\r\nConnection: close\r\n\r\n";
            std::io::Write::write_all(&mut client, last).unwrap();
        }
        let answer = only(strict::responses(&read_to_its_end(&mut client).0, &["GET"]));
        assert_eq!(answer.field("connection"), Some("close"), "{head:?}");
    }
}
