//! Several requests in one segment: answered in order, each once, up to the first that is none.

use roundhouse_tests::recorder::answer;
use roundhouse_tests::strict;

use crate::{Stage, ask_until_closed};

const GET: &str = "GET /a HTTP/1.1\r\nHost: web.jobs\r\n\r\n";
const POST: &str = "POST /b HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "PUT /c HTTP/1.1\r\nHost: web.jobs\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3;x\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n";
const HEAD: &str = "HEAD /d HTTP/1.1\r\nHost: web.jobs\r\n\r\n";

fn echoing() -> Stage {
    Stage::answering(|request| match request.method() {
        "HEAD" => answer(""),
        _ => answer(&format!("{} {}", request.target(), request.text())),
    })
}

fn bodies(said: &[u8], methods: &[&str]) -> Vec<String> {
    let answers = strict::responses(said, methods);
    answers.iter().map(|answer| format!("{} {}", answer.status(), answer.text())).collect()
}

#[test]
fn each_is_answered_in_its_turn() {
    let stage = echoing();
    let all = [GET, POST, CHUNKED, HEAD, GET, CHUNKED, CHUNKED, POST, POST, HEAD, GET].concat();
    let methods = ["GET", "POST", "PUT", "HEAD", "GET", "PUT", "PUT", "POST", "POST", "HEAD", "GET"];
    let expected: Vec<&str> = methods
        .iter()
        .map(|method| match *method {
            "GET" => "200 /a ",
            "POST" => "200 /b hello",
            "PUT" => "200 /c hello",
            _ => "200 ",
        })
        .collect();
    assert_eq!(bodies(&stage.ask(&all), &methods), expected);
    let seen = stage.web.take_whole();
    assert_eq!(seen.iter().map(strict::Message::method).collect::<Vec<_>>(), methods);
    assert!(seen.iter().filter(|seen| seen.method() == "PUT").all(|seen| seen.body == b"hello"));
    // Each exchange was over before the next began, so one connection was enough.
    assert_eq!(stage.web.accepted(), 1);
}

#[test]
fn many() {
    let stage = echoing();
    let said = stage.ask([GET, POST].concat().repeat(500));
    assert_eq!(bodies(&said, &["GET"; 1_000]), ["200 /a ", "200 /b hello"].repeat(500));
    assert_eq!(stage.web.take_whole().len(), 1_000);
}

#[test]
fn an_error_among_them_is_the_last_word() {
    let stage = echoing();
    for (wrong, status) in [
        ("GET /x HTTP/1.1\r\nHost: web.jobs\r\nX : y\r\n\r\n", 400),
        ("GET /x HTTP/3.0\r\nHost: web.jobs\r\n\r\n", 505),
        (
            "POST /x HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("POST /x HTTP/1.1\r\nHost: web.jobs\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
    ] {
        let all = [POST, wrong, GET, GET].concat();
        let said = ask_until_closed(stage.gateway.http(), all.as_bytes());
        let answers = strict::responses(&said, &["POST", "GET"]);
        let statuses: Vec<u16> = answers.iter().map(strict::Message::status).collect();
        assert_eq!(statuses, [200, status], "{wrong:?}");
        assert_eq!(answers[1].field("connection"), Some("close"));
        let seen = stage.web.take_whole();
        assert_eq!(seen.iter().map(strict::Message::target).collect::<Vec<_>>(), ["/b"], "{wrong:?}");
    }
}

/// What follows a request that says `close` is nobody's.
#[test]
fn nothing_is_read_behind_the_last() {
    let stage = echoing();
    let last = "GET /last HTTP/1.1\r\nHost: web.jobs\r\nConnection: close\r\n\r\n";
    let said = ask_until_closed(stage.gateway.http(), [GET, last, GET, GET].concat().as_bytes());
    assert_eq!(bodies(&said, &["GET"; 2]), ["200 /a ", "200 /last "]);
    assert_eq!(stage.web.take_whole().len(), 2);
}

/// A refusal for where it goes leaves the connection, and what is on it, alone; one in front of a body ends it, since
/// that is not read.
#[test]
fn a_refusal_without_a_body_is_not_the_end() {
    let stage = echoing();
    let nobody = "GET / HTTP/1.1\r\nHost: nobody.jobs\r\n\r\n";
    let said = stage.ask([GET, nobody, GET, &nobody.replace("GET", "HEAD"), GET].concat());
    let answers = strict::responses(&said, &["GET", "GET", "GET", "HEAD", "GET"]);
    let statuses: Vec<u16> = answers.iter().map(strict::Message::status).collect();
    assert_eq!(statuses, [200, 404, 200, 404, 200]);

    for body in ["Content-Length: 30\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
        let refused = format!("POST / HTTP/1.1\r\nHost: nobody.jobs\r\n{body}{GET}");
        stage.web.take();
        let said = ask_until_closed(stage.gateway.http(), refused.as_bytes());
        let answers = strict::responses(&said, &["POST"]);
        assert_eq!((answers.len(), answers[0].status()), (1, 404));
        assert_eq!(answers[0].field("connection"), Some("close"));
        assert_eq!(stage.web.take_whole(), []);
    }
}
