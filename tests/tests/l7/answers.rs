//! What instances answer: passed on with one meaning, or 502.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_tests::strict::{self, Message, Read as Strict};
use roundhouse_tests::{Gateway, Server, dial, read_to_its_end};

use crate::{ask, only};

/// Answers each request on a connection with these bytes, which come whole, and closes where it says so.
struct Scripted {
    gateway: Gateway,
    script: std::sync::Arc<std::sync::Mutex<Script>>,
    server: Server,
}

#[derive(Clone, Default)]
struct Script {
    bytes: Vec<u8>,
    closes: bool,
}

impl Scripted {
    fn start() -> Scripted {
        let gateway = Gateway::start();
        let script = std::sync::Arc::<std::sync::Mutex<Script>>::default();
        let said = script.clone();
        let server = Server::start(SocketAddr::new(gateway.net.app(0), 9090), move |mut stream| {
            let (mut head, mut byte) = (Vec::new(), [0]);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            while stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
                if head.ends_with(b"\r\n\r\n") {
                    head.clear();
                    let script = said.lock().unwrap().clone();
                    if stream.write_all(&script.bytes).is_err() || script.closes {
                        return;
                    }
                }
            }
        });
        gateway.write_job("web", r#""port":9090,"protocol":"http""#, "");
        gateway.register("web", server.address);
        gateway.listening_vip("web", 9090);
        Scripted { gateway, script, server }
    }

    fn says(&self, bytes: impl Into<Vec<u8>>, closes: bool) {
        *self.script.lock().unwrap() = Script { bytes: bytes.into(), closes };
    }

    /// What a client of HTTP/1.1 gets that asks once.
    #[track_caller]
    fn asked(&self, method: &str, version: &str) -> Vec<u8> {
        ask(self.gateway.http(), format!("{method} /x {version}\r\nHost: web.jobs\r\n\r\n").as_bytes())
    }

    #[track_caller]
    fn answers(&self, method: &str) -> Vec<Message> {
        strict::responses(&self.asked(method, "HTTP/1.1"), &[method])
    }
}

#[test]
fn every_class_of_status_goes_on_as_it_is() {
    let stage = Scripted::start();
    for status in
        [200, 201, 203, 206, 226, 299, 300, 301, 305, 399, 400, 401, 404, 418, 451, 499, 500, 503, 599]
    {
        stage.says(format!("HTTP/1.1 {status} As It Is\r\nX-A: b\r\ncontent-length: 2\r\n\r\nhi"), false);
        let answer = only(stage.answers("GET"));
        assert_eq!(
            (answer.first.as_str(), answer.text()),
            (format!("HTTP/1.1 {status} As It Is").as_str(), "hi".into())
        );
        assert_eq!(answer.field("x-a"), Some("b"));
    }
    // On one connection of each worker.
    assert!(stage.server.accepted() <= 2);
}

#[test]
fn answers_without_a_body_have_none_whatever_they_say() {
    let stage = Scripted::start();
    for (method, head) in [
        ("HEAD", "200 OK\r\nContent-Length: 1000"),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked"),
        ("HEAD", "200 OK"),
        ("HEAD", "404 Not Found\r\nContent-Length: 5"),
        ("GET", "204 No Content"),
        ("GET", "204 No Content\r\nContent-Length: 5"),
        ("GET", "204 No Content\r\nTransfer-Encoding: chunked"),
        ("GET", "304 Not Modified\r\nContent-Length: 5"),
        ("GET", "304 Not Modified\r\nTransfer-Encoding: chunked"),
        ("GET", "304 Not Modified\r\nETag: \"a\""),
    ] {
        stage.says(format!("HTTP/1.1 {head}\r\n\r\n"), false);
        // Two on one connection: the second is not taken for the first one's body.
        let two = format!("{method} /x HTTP/1.1\r\nHost: web.jobs\r\n\r\n").repeat(2);
        let said = ask(stage.gateway.http(), two.as_bytes());
        let answers = strict::responses(&said, &[method, method]);
        assert_eq!(answers.len(), 2, "{head:?}");
        for answer in answers {
            assert_eq!(answer.status().to_string(), head[..3], "{answer:?}");
            assert_eq!(answer.field("transfer-encoding"), None, "{head:?}");
            let length = head.split_once("Content-Length: ").map(|(_, length)| length);
            // RFC 9110, 8.6: 204 has none; to a HEAD and in a 304 it is that of the body that is not there.
            assert_eq!(answer.field("content-length"), length.filter(|_| answer.status() != 204), "{head:?}");
        }
    }
    assert!(stage.server.accepted() <= 2);
}

/// An instance that sends a body where there is none: nobody's answer begins with it.
#[test]
fn a_body_where_there_is_none_is_nobody_s() {
    let stage = Scripted::start();
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    for (method, head) in [
        ("HEAD", format!("HTTP/1.1 200 OK\r\nContent-Length: {}", evil.len())),
        ("GET", format!("HTTP/1.1 204 No Content\r\nContent-Length: {}", evil.len())),
        ("GET", format!("HTTP/1.1 304 Not Modified\r\nContent-Length: {}", evil.len())),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0".to_owned()),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0".to_owned()),
    ] {
        for _ in 0..4 {
            stage.says(format!("{head}\r\n\r\n{evil}"), false);
            let status = only(stage.answers(method)).status();
            assert!(head.contains(&status.to_string()), "{head:?}");
            stage.says("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood", false);
            assert_eq!(only(stage.answers("GET")).text(), "good", "{head:?}");
        }
    }
}

#[test]
fn each_framing_comes_out_with_the_same_content() {
    let stage = Scripted::start();
    for (bytes, closes) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 05\r\ncontent-length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", true),
        ("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=\"b\"\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", true),
        ("HTTP/1.0 200 OK\r\n\r\nhello", true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", false),
    ] {
        stage.says(bytes, closes);
        let answer = only(stage.answers("GET"));
        assert_eq!((answer.status(), answer.text()), (200, "hello".into()), "{bytes:?}");
        let lengths = [answer.field("content-length").is_some(), answer.field("transfer-encoding").is_some()];
        assert!(lengths[0] != lengths[1], "one length, and no end by closing: {answer:?}");
        assert_eq!(answer.field("connection"), None, "{bytes:?}");
        let sum = answer.trailers == [("x-sum".to_owned(), "1".to_owned())];
        assert_eq!(sum, bytes.contains("X-Sum"), "{answer:?}");

        // A client of HTTP/1.0 knows no chunks: the connection's end is the body's.
        let old = only(strict::responses(&stage.asked("GET", "HTTP/1.0"), &["GET"]));
        assert_eq!((old.status(), old.text()), (200, "hello".into()), "{bytes:?}");
        assert_eq!((old.field("transfer-encoding"), old.field("connection")), (None, Some("close")));
    }
}

#[test]
fn what_ends_at_the_instance_s_hop_ends_there() {
    let stage = Scripted::start();
    stage.says(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-B, Content-Length\r\nX-B: c\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: x\r\nUpgrade: h2c\r\nTrailer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nX-A: \u{fc}\r\n\r\nhi",
        false,
    );
    let answer = only(stage.answers("GET"));
    let names: Vec<&str> = answer.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-length", "set-cookie", "set-cookie", "x-a"]);
    assert_eq!(answer.text(), "hi");
}

#[test]
fn what_has_no_meaning_is_502() {
    let stage = Scripted::start();
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let large = "a".repeat(70_000);
    for bytes in [
        "hello\r\n\r\n".to_owned(),
        "\0\r\n\r\n".into(),
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nhi".into(),
        "ICY 200 OK\r\n\r\n".into(),
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            .into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nhi".into(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhi".into(),
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n".into(),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".into(),
        // What comes with the head is no chunk.
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello".into(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n".into(),
        format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        format!("HTTP/1.1 200 OK\r\nX-A: {large}\r\n\r\n"),
        // It ends in its head, or before.
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n".into(),
        "HTTP/1.1 200".into(),
        String::new(),
    ] {
        stage.says(bytes.clone(), true);
        let shown = &bytes[..bytes.len().min(200)];
        for method in ["GET", "POST"] {
            let answer = only(stage.answers(method));
            assert_eq!(answer.status(), 502, "{method} {shown:?}: {answer:?}");
            assert_eq!(answer.field("x-roundhouse-reason"), Some("bad-gateway"), "{shown:?}");
        }
    }
}

/// What the client has is seen not to be the whole.
#[test]
fn an_answer_that_ends_in_its_middle_stays_unfinished() {
    let stage = Scripted::start();
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n",
        // It goes on with what is no chunk.
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
    ] {
        stage.says(bytes, true);
        let said = stage.asked("GET", "HTTP/1.1");
        let text = String::from_utf8_lossy(&said);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 200 OK\r\n"), "{bytes:?}: {text:?}");
        assert_eq!(strict::response(&said, "GET", true), Strict::More, "{bytes:?}: {text:?}");

        // For a client of HTTP/1.0 the end of a body without a length is that of the connection: only a reset tells.
        if bytes.contains("chunked") {
            let mut client = dial(stage.gateway.http());
            client.write_all(b"GET /x HTTP/1.0\r\nHost: web.jobs\r\n\r\n").unwrap();
            let (said, end) = read_to_its_end(&mut client);
            assert_eq!(end, roundhouse_tests::End::Reset, "{bytes:?}: {:?}", String::from_utf8_lossy(&said));
        }
    }
}

#[test]
fn interim_answers_go_on_to_those_who_know_them() {
    let stage = Scripted::start();
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    for interim in
        [hints, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n"]
    {
        for times in [1, 3] {
            stage.says(interim.repeat(times) + last, false);
            let answers = stage.answers("GET");
            assert_eq!(answers.len(), times + 1, "{answers:?}");
            assert_eq!(answers[0].status().to_string(), interim[9..12]);
            assert!(answers.iter().take(times).all(|one| one.field("content-length").is_none()));
            assert_eq!(answers[0].field("link").is_some(), interim == hints);
            assert_eq!(answers[times].text(), "hi");
            let old = only(strict::responses(&stage.asked("GET", "HTTP/1.0"), &["GET"]));
            assert_eq!((old.status(), old.text()), (200, "hi".into()));
        }
    }
    stage.says(hints, true);
    assert_eq!(stage.answers("GET").last().unwrap().status(), 502);
}
