//! Requests that are nearly right: made of pieces that proxies have been fooled with, then damaged.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "get", "CONNECT"];
const TARGETS: [&str; 14] = [
    "/",
    "/a?b=c",
    "/%0d%0aX:y",
    "*",
    "http://web.jobs/a",
    "http://web.jobs",
    "https://other:1?x",
    "//x/y",
    "/a/../b",
    "/a HTTP/1.1",
    "http:///",
    "/\u{e9}",
    "/a\\b",
    "/a#b",
];
const VERSIONS: [&str; 7] =
    ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/0.9", "http/1.1"];
const FIELDS: [&str; 38] = [
    "Host: web.jobs",
    "Host: web.jobs",
    "Host: other",
    "host:x",
    "Host : x",
    "Content-Length: 5",
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length: 6",
    "Content-Length: 05",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 5 ",
    "Content-Length:\t5",
    "content-length: 18446744073709551621",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "transfer-encoding: CHUNKED",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding:\u{b}chunked",
    "Transfer-Encoding : chunked",
    "Transfer_Encoding: chunked",
    "X: y\r\n Transfer-Encoding: chunked",
    "Connection: close",
    "Connection: Host, Content-Length, Transfer-Encoding",
    "Connection: X-A",
    "Connection: upgrade",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "Expect: x",
    "X-A: b",
    "X-A:",
    "X-\u{e9}: \u{e9}",
    "X-B: \u{fc}",
    "TE: trailers",
];
const BODIES: [&str; 16] = [
    "",
    "",
    "hello",
    "hello",
    "hellohello",
    "5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;a=\"b\"\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    "2\r\nhe\r\n3\r\nllo\r\n00\r\nContent-Length: 9\r\nX-Sum: 1\r\n\r\n",
    "0\r\n\r\n",
    "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: web.jobs\r\n\r\n",
    "5\nhello\n0\n\n",
    "05 \r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello",
    "helloGET /smuggled HTTP/1.1\r\nHost: web.jobs\r\n\r\n",
];
/// Fields and a body that agree with each other.
const FRAMED: [(&str, &str); 8] = [
    ("", ""),
    ("Content-Length: 0\r\n", ""),
    ("Content-Length: 5\r\n", "hello"),
    ("Content-Length: 5\r\nX-A: b\r\ncontent-length: 05\r\n", "he\r\n\0"),
    ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    (
        "Transfer-Encoding: chunked\r\n",
        "5;a=\"b;\\\"c\"\r\nhello\r\n00A \t\r\n0\r\n\r\nGET /\r\n0;x\r\nX-Sum: 1\r\n\r\n",
    ),
    (
        "tRANSFER-eNCODING:\tCHUNKED \r\nTE: trailers\r\n",
        "3\r\n0\r\n\r\n2\r\n\r\n\r\n0\r\nContent-Length: 9\r\n\r\n",
    ),
    ("Content-Length: 5\r\n", "helloGET /next HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: 5\r\n\r\nhello"),
];
const DAMAGE: [&str; 20] = [
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    ":",
    ",",
    ";",
    "\"",
    "0",
    "5",
    "\u{7f}",
    "\u{b}",
    "\u{85}",
    "\r\n ",
    "\r\n\r\n",
    "x",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\n",
];

#[derive(Debug, Clone)]
enum Harm {
    Insert(&'static str),
    Delete(usize),
    Replace(u8),
    Repeat(usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        4 => select(&DAMAGE[..]).prop_map(Harm::Insert),
        2 => (1usize..4).prop_map(Harm::Delete),
        1 => any::<u8>().prop_map(Harm::Replace),
        1 => (1usize..40).prop_map(Harm::Repeat),
    ]
}

/// The first line's parts, fields, and a body.
fn pieces() -> impl Strategy<Value = String> {
    let usual = ("(GET|POST|PUT)", "/[a-z%/.?;]{0,6}")
        .prop_map(|(method, target)| format!("{method} {target} HTTP/1.1"));
    let odd = (select(&METHODS[..]), select(&TARGETS[..]), select(&VERSIONS[..]));
    let first = prop_oneof![2 => usual, 1 => odd.prop_map(|(method, target, version)| format!("{method} {target} {version}"))];
    let framed = select(&FRAMED[..]).prop_map(|(fields, body)| (fields.to_owned(), body));
    let fields = vec(select(&FIELDS[..]), 0..4);
    let any = (fields, select(&BODIES[..])).prop_map(|(fields, body)| {
        (fields.iter().map(|field| format!("{field}\r\n")).collect::<String>(), body)
    });
    (first, prop::bool::weighted(0.8), prop_oneof![framed, any]).prop_map(
        |(first, has_host, (fields, body))| {
            let host = if has_host { "Host: web.jobs\r\n" } else { "" };
            format!("{first}\r\n{host}{fields}\r\n{body}")
        },
    )
}

pub(super) fn request() -> impl Strategy<Value = Vec<u8>> {
    let harms = prop_oneof![1 => Just(Vec::new()), 3 => vec((any::<prop::sample::Index>(), harm()), 1..4)];
    (pieces(), harms).prop_map(|(text, harms)| {
        let mut bytes = text.into_bytes();
        for (at, harm) in harms {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match harm {
                Harm::Insert(text) => drop(bytes.splice(at..at, text.bytes())),
                Harm::Delete(n) => drop(bytes.drain(at..bytes.len().min(at + n))),
                Harm::Replace(byte) => bytes[at] = byte,
                Harm::Repeat(n) => {
                    let again = bytes[at..bytes.len().min(at + n)].to_vec();
                    drop(bytes.splice(at..at, again));
                }
            }
        }
        bytes
    })
}
