//! How large a request's body may be, and how an answer's is coded.

use std::path::Path;
use std::process::Command;

use roundhouse_tests::strict;

use super::{ask, put_domain};
use crate::{Stage, ask_until_closed, only};

const HOST: &str = "up.example.org";

#[test]
fn a_body_that_is_too_large_is_refused_whole() {
    let stage = Stage::start();
    put_domain(&stage.gateway, HOST, r#"{"routes":[{"to":[{"job":"web"}],"max_body":"1KiB"}]}"#);
    stage.web.take();
    let known =
        |n: usize| format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {n}\r\n\r\n{}", "x".repeat(n));
    let chunked = |n: usize, chunk: usize| {
        let chunks: String = std::iter::repeat_n(chunk, n / chunk)
            .map(|size| format!("{size:x}\r\n{}\r\n", "x".repeat(size)))
            .collect();
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
    };
    for fits in [known(0), known(1_024), chunked(1_024, 1), chunked(1_024, 64), chunked(1_024, 1_024)] {
        assert_eq!(stage.answer(&fits).status(), 200);
        assert!(only(stage.web.take_whole()).body.len() <= 1_024);
    }
    // One that comes in a segment with its end is as large as one that comes in many.
    for large in
        [known(1_025), known(3_000_000), chunked(1_025, 1), chunked(1_025, 1_025), chunked(1_000_000, 50_000)]
    {
        let said = ask_until_closed(stage.gateway.http(), large.as_bytes());
        let answer = only(strict::responses(&said, &["POST"]));
        assert_eq!((answer.status(), answer.field("connection")), (413, Some("close")));
        assert_eq!(answer.field("x-roundhouse-reason"), Some("body-too-large"));
        assert_eq!(stage.web.take_whole(), []);
    }
    // It is not even asked for.
    let expects = known(1_025).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let head = &expects[..expects.find("\r\n\r\n").unwrap() + 4];
    let answer = only(strict::responses(&ask_until_closed(stage.gateway.http(), head.as_bytes()), &["POST"]));
    assert_eq!(answer.status(), 413);
}

/// As somebody else's program decodes it: curl(1), --compressed.
fn decoded(stage: &Stage, coding: &str, path: &str, head: &Path) -> (String, Vec<u8>) {
    let connect = format!("{HOST}:80:{}", stage.gateway.http());
    let mut command = Command::new("curl");
    command.args([
        "-s",
        "--max-time",
        "10",
        "--compressed",
        "-H",
        &format!("accept-encoding: {coding}"),
        "-D",
    ]);
    command.arg(head).args(["--connect-to", &connect, &format!("http://{HOST}{path}")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{coding} {path}: {output:?}");
    (std::fs::read_to_string(head).unwrap().to_lowercase(), output.stdout)
}

#[test]
fn what_may_be_coded_is_and_means_the_same() {
    let text: String = (0..20_000).map(|n| format!("line {n} of a text\n")).collect();
    let body = text.clone();
    let stage = Stage::answering(move |request| {
        let (kind, more) = match request.target() {
            "/image" => ("image/png", ""),
            "/coded" => ("text/plain", "Content-Encoding: gzip\r\n"),
            "/kept" => ("text/plain", "Cache-Control: public, no-transform\r\n"),
            _ => ("text/html; charset=utf-8", "ETag: \"a\"\r\nAccept-Ranges: bytes\r\n"),
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}");
        match request.target() {
            "/small" => format!("{head}Content-Length: 4\r\n\r\ntiny"),
            "/chunked" => {
                format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
            }
            "/closed" => format!("{head}Connection: close\r\n\r\n{body}"),
            _ if request.method() == "HEAD" => format!("{head}Content-Length: {}\r\n\r\n", body.len()),
            _ => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        }
        .into_bytes()
    });
    put_domain(&stage.gateway, HOST, r#"{"routes":[{"to":[{"job":"web"}],"compress":true}]}"#);
    let file = stage.gateway.folder().join("head");
    for coding in ["gzip", "br", "zstd"] {
        for path in ["/known", "/chunked", "/closed"] {
            let (head, content) = decoded(&stage, coding, path, &file);
            assert!(content == text.as_bytes(), "{coding} {path}: {} bytes", content.len());
            assert!(head.contains(&format!("content-encoding: {coding}\r\n")), "{head}");
            assert!(
                head.contains("etag: w/\"a\"\r\n") && head.contains("vary: accept-encoding\r\n"),
                "{head}"
            );
            assert!(!head.contains("content-length") && !head.contains("accept-ranges"), "{head}");
        }
    }
    for (path, varies) in
        [("/image", false), ("/kept", false), ("/small", false), ("/coded", false), ("/known", true)]
    {
        // `identity` alone is what is left for the last one.
        let asked = if varies { "deflate" } else { "gzip, br, zstd" };
        let reply = ask(&stage.gateway, "GET", HOST, path, &[("Accept-Encoding", asked)]);
        assert!(reply.header("content-length").is_some(), "{path}: {:?}", reply.headers);
        assert_eq!(reply.header("content-encoding"), (path == "/coded").then_some("gzip"), "{path}");
        assert_eq!(reply.header("vary"), varies.then_some("accept-encoding"), "{path}");
        assert_eq!(reply.body.len(), if path == "/small" { 4 } else { text.len() });
    }
    let head = ask(&stage.gateway, "HEAD", HOST, "/known", &[("Accept-Encoding", "gzip")]);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // Of several it is the gateway's choice, and a weight of 0 is a refusal.
    for (asked, coding) in
        [("gzip, br, zstd", "br"), ("gzip;q=1, br;q=0.5", "gzip"), ("br;q=0, *", "zstd"), ("*;q=0", "")]
    {
        let said =
            stage.ask(format!("GET /known HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: {asked}\r\n\r\n"));
        let answer = only(strict::responses(&said, &["GET"]));
        assert_eq!(answer.field("content-encoding").unwrap_or_default(), coding, "{asked}");
    }
}
