//! Fields that are put in and taken out, and targets that are rewritten.

use super::{ask, get, put_domain};
use crate::{Stage, only};

#[test]
fn fields_change_both_ways() {
    let stage = Stage::answering(|_| {
        b"HTTP/1.1 200 Fine\r\nServer: secret\r\nX-Frame-Options: ALLOW\r\nx-frame-options: SAME\r\nX-Kept: 1\r\n\
          Content-Length: 2\r\n\r\nhi"
            .to_vec()
    });
    put_domain(
        &stage.gateway,
        "edit.example.org",
        r#"{"routes":[{"to":[{"job":"web"}],
            "request_headers":{"set":{"x-env":"prod"},"add":{"x-tag":"b"},"remove":["cookie","x-debug"]},
            "response_headers":{"set":{"x-frame-options":"DENY"},"add":{"x-kept":"2"},"remove":["server"]}}]}"#,
    );
    stage.web.take();
    let reply = ask(
        &stage.gateway,
        "GET",
        "edit.example.org",
        "/a?b",
        &[
            ("Cookie", "a=b"),
            ("X-Debug", "1"),
            ("x-debug", "2"),
            ("X-Env", "test"),
            ("x-tag", "a"),
            ("X-Other", "c"),
        ],
    );
    let sent = only(stage.web.take_whole());
    assert_eq!(sent.first, "GET /a?b HTTP/1.1");
    assert_eq!(sent.field("x-env"), Some("prod"));
    assert_eq!(sent.all("x-tag").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((sent.field("cookie"), sent.field("x-debug")), (None, None));
    assert_eq!((sent.field("x-other"), sent.field("host")), (Some("c"), Some("edit.example.org")));

    assert_eq!((reply.status, reply.body.as_str()), (200, "hi"));
    let all = |name: &str| -> Vec<&str> {
        reply.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(all("x-frame-options"), ["DENY"]);
    assert_eq!(all("x-kept"), ["1", "2"]);
    assert_eq!(all("server"), [""; 0]);
    assert_eq!(all("content-length"), ["2"]);
}

/// What a rule changes in the head leaves the framing and the body alone.
#[test]
fn a_changed_request_keeps_its_body() {
    let stage = Stage::start();
    put_domain(
        &stage.gateway,
        "edit.example.org",
        r#"{"routes":[{"to":[{"job":"web"}],"request_headers":{"set":{"x-env":"prod"}},"rewrite":{"prefix":"/x","host":"in"}}]}"#,
    );
    for (framing, body) in [
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
    ] {
        stage.web.take();
        let answer = stage.answer(format!("POST http://edit.example.org/a HTTP/1.1\r\nHost: x\r\nConnection: X-B\r\nX-B: c\r\n{framing}\r\n\r\n{body}"));
        assert_eq!(answer.status(), 200);
        let sent = only(stage.web.take_whole());
        assert_eq!((sent.first.as_str(), sent.field("host")), ("POST /x/a HTTP/1.1", Some("in")));
        assert_eq!(
            (sent.text(), sent.field("x-env"), sent.field("x-b")),
            ("hello".into(), Some("prod"), None)
        );
        assert_eq!(sent.trailers.len(), usize::from(body.contains("Sum")));
    }
}

#[test]
fn a_prefix_is_replaced_and_nobody_leaves_it() {
    let stage = Stage::start();
    put_domain(
        &stage.gateway,
        "blog.example.org",
        r#"{"routes":[{"match":{"path":"/blog"},"to":[{"job":"web"}],"rewrite":{"prefix":"/in/side","host":"blog.internal"}},
            {"match":{"path":"/strip"},"to":[{"job":"web"}],"rewrite":{"prefix":"/"}},
            {"to":[{"job":"web"}]}]}"#,
    );
    for (path, target, host) in [
        ("/blog", "/in/side", "blog.internal"),
        ("/blog/", "/in/side/", "blog.internal"),
        ("/blog/a%20b?c=/../d", "/in/side/a%20b?c=/../d", "blog.internal"),
        ("/x/../blog//a", "/in/side/a", "blog.internal"),
        ("/%62log/./a", "/in/side/a", "blog.internal"),
        ("/blog/a/../../other", "/blog/a/../../other", "blog.example.org"),
        ("/blog/%2e%2e/other", "/blog/%2e%2e/other", "blog.example.org"),
        ("/blogger", "/blogger", "blog.example.org"),
        ("/strip/a", "/a", "blog.example.org"),
        ("/strip", "/", "blog.example.org"),
    ] {
        stage.web.take();
        assert_eq!(get(&stage.gateway, "blog.example.org", path).status, 200);
        let sent = only(stage.web.take_whole());
        assert_eq!((sent.target(), sent.field("host")), (target, Some(host)), "{path}");
        // What the client asked for, whatever the instance is told.
        assert_eq!(sent.field("x-forwarded-host"), Some("blog.example.org"), "{path}");
    }
}
