//! Lines as they are written, and what the page that describes them says.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use super::json;
use super::line::{self, Shown};
use super::time::Stamp;
use super::*;
use crate::client_address::Scheme;
use crate::trace::TraceParent;

mod page;
mod properties;
mod recording;

/// Everything that there may be.
const FULL: &str = concat!(
    r#"{"v":1,"time":"2024-02-29T12:34:56.789Z","client":"203.0.113.9","client_port":4711,"peer":"10.0.0.1:51000","#,
    r#""local":"[2001:db8::5]:443","entrypoint":"web","tls":{"version":"1.3","sni":"blog.coding.net","alpn":"h2"},"#,
    r#""protocol":"h2","method":"POST","scheme":"https","host":"blog.coding.net","path":"/api/posts?draft=1","#,
    r#""request_bytes":512,"status":200,"response_bytes":20480,"reason":"complete","grpc_status":0,"#,
    r#""job":"coding-blog","jobname":"shop.root","route":{"domain":"blog.coding.net","path":"/api"},"#,
    r#""instance":{"id":"4bf92f35-77b3-4da6-a3ce-929d0e0e4736","address":"10.1.2.3:9090","protocol":"http/1.1"},"#,
    r#""attempts":2,"total_us":12345,"head_us":10200,"connect_us":310,"#,
    r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","#,
    r#""user_agent":"curl/8.5.0","referer":"https://coding.net/","headers":{"x-request-id":"7f3a"}}"#,
    "\n"
);

/// Nothing but what there always is.
const MINIMAL: &str = concat!(
    r#"{"v":1,"time":"1970-01-01T00:00:00.000Z","client":"127.0.0.1","local":"127.99.0.3:1111","protocol":"http/1.1","#,
    r#""method":"GET","scheme":"http","host":"app2","path":"/","request_bytes":0,"response_bytes":0,"#,
    r#""reason":"no-backend","attempts":0,"total_us":0}"#,
    "\n"
);

fn minimal() -> Entry<'static> {
    Entry {
        time: UNIX_EPOCH,
        client: "::ffff:127.0.0.1".parse().unwrap(),
        client_port: None,
        peer: None,
        local: "127.99.0.3:1111".parse().unwrap(),
        entrypoint: None,
        tls: None,
        protocol: Protocol::Http11,
        method: b"GET",
        scheme: Scheme::Http,
        host: b"app2",
        path: b"/",
        request_bytes: 0,
        status: None,
        response_bytes: 0,
        end: End::Answered("no-backend"),
        job: None,
        jobname: None,
        route: None,
        instance: None,
        attempts: 0,
        total: Duration::ZERO,
        to_head: None,
        connect: None,
        trace: None,
        user_agent: None,
        referer: None,
        grpc_status: None,
        header: &|_| None,
    }
}

fn full() -> Entry<'static> {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Entry {
        time: UNIX_EPOCH + Duration::from_millis(1_709_210_096_789),
        client: "203.0.113.9".parse().unwrap(),
        client_port: Some(4711),
        peer: Some(address("[::ffff:10.0.0.1]:51000")),
        local: address("[2001:db8::5]:443"),
        entrypoint: Some("web"),
        tls: Some(Tls { version: "1.3", sni: Some("blog.coding.net"), alpn: Some(b"h2") }),
        protocol: Protocol::H2,
        method: b"POST",
        scheme: Scheme::Https,
        host: b"blog.coding.net",
        path: b"/api/posts?draft=1",
        request_bytes: 512,
        status: Some(200),
        response_bytes: 20_480,
        end: End::Complete,
        job: Some("coding-blog"),
        jobname: Some("shop.root"),
        route: Some(Route { domain: "blog.coding.net", path: "/api" }),
        instance: Some(Instance {
            id: "4bf92f35-77b3-4da6-a3ce-929d0e0e4736".parse().unwrap(),
            address: address("10.1.2.3:9090"),
            protocol: Protocol::Http11,
        }),
        attempts: 2,
        total: Duration::from_micros(12_345),
        to_head: Some(Duration::from_micros(10_200)),
        connect: Some(Duration::from_micros(310)),
        trace: TraceParent::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        user_agent: Some(b"curl/8.5.0"),
        referer: Some(b"https://coding.net/"),
        grpc_status: Some(0),
        header: &|name| (name == "x-request-id").then_some(b"7f3a".as_slice()),
    }
}

fn written(entry: &Entry<'_>, query: bool, headers: &[&str]) -> String {
    let headers = headers.iter().map(|name| (*name).into()).collect();
    let mut out = Vec::new();
    line::write(&mut out, &mut Stamp::new(), &Shown { query, headers }, entry);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_full_and_a_minimal_line_are_these() {
    assert_eq!(written(&full(), true, &["x-request-id", "x-none"]), FULL);
    assert_eq!(written(&minimal(), true, &[]), MINIMAL);
}

#[test]
fn a_query_is_shown_or_not() {
    let path = |path, query| {
        let line = written(&Entry { path, ..minimal() }, query, &[]);
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["path"].as_str().unwrap().to_owned()
    };
    assert_eq!(path(b"/a?token=1?2", false), "/a");
    assert_eq!(path(b"/a?token=1?2", true), "/a?token=1?2");
    assert_eq!((path(b"*", false), path(b"?", false)), ("*".into(), String::new()));
}

#[test]
fn what_would_harm_a_reader_is_escaped() {
    let shown = |bytes: &[u8]| {
        let mut out = Vec::new();
        json::text(&mut out, bytes);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(shown(b"a\"\\\n\r\t\0\x1b\x7f"), r#""a\"\\\n\r\t\u0000\u001b\u007f""#);
    assert_eq!(shown("é\u{9b}31m".as_bytes()), "\"é\\u009b31m\"");
    assert_eq!(shown(b"a\xff\xe2\x82b"), r#""a\ufffd\ufffdb""#);
    let long = "a".repeat(MAX_TEXT - 1) + "é" + &"b".repeat(9);
    assert_eq!(shown(long.as_bytes()), format!("\"{}…[11 more]\"", "a".repeat(MAX_TEXT - 1)));
}
