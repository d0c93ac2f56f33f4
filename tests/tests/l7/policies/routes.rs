//! Which route a request takes, and how long it may.

use std::io::Write;
use std::time::{Duration, Instant};

use roundhouse_tests::recorder::answer;
use roundhouse_tests::strict;
use roundhouse_tests::{Gateway, RawInstance, Recorder, SOON, dial, read_to_its_end};

use super::{ask, put_domain};
use crate::only;

#[test]
fn method_and_fields_choose() {
    let gateway = Gateway::start();
    let jobs: Vec<Recorder> = ["plain", "writes", "beta", "old"]
        .into_iter()
        .enumerate()
        .map(|(n, label)| Recorder::answering(&gateway, label, n as u8, move |_| answer(label)))
        .collect();
    put_domain(
        &gateway,
        "shop.example.org",
        r#"{"routes":[
            {"to":[{"job":"plain"}]},
            {"match":{"method":["POST","PUT"]},"to":[{"job":"writes"}]},
            {"match":{"headers":[{"name":"x-beta","equals":"1"}]},"to":[{"job":"beta"}]},
            {"match":{"headers":[{"name":"user-agent","prefix":"Old/"},{"name":"x-new","present":false}]},"to":[{"job":"old"}]}]}"#,
    );
    for (method, fields, job) in [
        ("GET", &[][..], "plain"),
        ("POST", &[], "writes"),
        ("PUT", &[("X-Beta", "1")], "writes"),
        ("post", &[], "plain"),
        ("GET", &[("X-BETA", "1")], "beta"),
        ("GET", &[("x-beta", "2"), ("x-beta", "1")], "beta"),
        ("GET", &[("x-beta", "11")], "plain"),
        ("GET", &[("User-Agent", "Old/1.0")], "old"),
        ("GET", &[("User-Agent", "Old/1.0"), ("X-New", "")], "plain"),
        ("GET", &[("User-Agent", "Older")], "plain"),
    ] {
        let reply = ask(&gateway, method, "shop.example.org", "/x", fields);
        assert_eq!((reply.status, reply.body.as_str()), (200, job), "{method} {fields:?}");
    }
    drop(jobs);
}

#[test]
fn a_weighted_route_keeps_its_weights() {
    let gateway = Gateway::start();
    let _jobs: Vec<Recorder> = ["a", "b"]
        .into_iter()
        .enumerate()
        .map(|(n, label)| Recorder::answering(&gateway, label, n as u8, move |_| answer(label)))
        .collect();
    put_domain(
        &gateway,
        "w.example.org",
        r#"{"routes":[{"to":[{"job":"a","weight":3},{"job":"b","weight":1}]}]}"#,
    );
    let to_b = (0..80).filter(|_| ask(&gateway, "GET", "w.example.org", "/", &[]).body == "b").count();
    assert!((16..=24).contains(&to_b), "{to_b} of 80");
}

#[test]
fn an_exchange_has_the_time_that_its_route_gives() {
    let gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "slow", 0, 9090);
    put_domain(
        &gateway,
        "t.example.org",
        r#"{"routes":[{"match":{"path":"/head"},"to":[{"job":"slow"}],"timeouts":{"response_head":"300ms"}},
            {"match":{"path":"/all"},"to":[{"job":"slow"}],"timeouts":{"request":"400ms"}}]}"#,
    );
    let began = |path: &str| {
        let mut client = dial(gateway.http());
        client
            .write_all(
                format!("GET {path} HTTP/1.1\r\nHost: t.example.org\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .unwrap();
        let mut exchange = instance.accept();
        exchange.read_head();
        (client, exchange, Instant::now())
    };
    for path in ["/head", "/all"] {
        let (mut client, exchange, since) = began(path);
        let answer = only(strict::responses(&read_to_its_end(&mut client).0, &["GET"]));
        assert_eq!((answer.status(), answer.field("x-roundhouse-reason")), (504, Some("timeout")), "{path}");
        assert!((Duration::from_millis(200)..SOON / 2).contains(&since.elapsed()), "{:?}", since.elapsed());
        drop(exchange);
    }
    // The head came in time, and the body may take as long as it likes for the one; for the other it is cut.
    let begin = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let (mut client, mut exchange, _) = began("/all");
    exchange.stream.get_mut().write_all(begin).unwrap();
    let (said, _) = read_to_its_end(&mut client);
    assert_eq!(
        strict::response(&said, "GET", true),
        strict::Read::More,
        "{:?}",
        String::from_utf8_lossy(&said)
    );
}
