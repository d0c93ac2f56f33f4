//! Leave for pages of other origins (WHATWG Fetch, 3.2).

use roundhouse_tests::http::Reply;

use super::{ask, put_domain};
use crate::{Stage, only};

const HOST: &str = "api.example.org";

fn stage() -> Stage {
    let stage = Stage::answering(|_| {
        b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: DELETE\r\nVary: cookie\r\n\
          Content-Length: 2\r\n\r\nhi"
            .to_vec()
    });
    put_domain(
        &stage.gateway,
        HOST,
        r#"{"routes":[
            {"match":{"path":"/put","method":["PUT"]},"to":[{"job":"web"}],
             "cors":{"origins":["https://app.example.org","https://*.example.net"],"methods":["PUT"],"headers":["x-token"],
                     "expose":["x-total"],"credentials":true,"max_age":"10m"}},
            {"match":{"path":"/open"},"to":[{"job":"web"}],"cors":{"origins":["*"],"headers":["*"]}},
            {"to":[{"job":"web"}]}]}"#,
    );
    stage.web.take();
    stage
}

fn all<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    reply.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_preflight_is_answered_here_by_the_route_that_it_announces() {
    let stage = stage();
    let preflight = |path: &str, origin: &str, method: &str| {
        let fields = [
            ("Origin", origin),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "x-token, x-other"),
        ];
        ask(&stage.gateway, "OPTIONS", HOST, path, &fields)
    };
    let reply = preflight("/put/1", "https://app.example.org", "PUT");
    assert_eq!((reply.status, reply.body.as_str(), reply.header("content-length")), (204, "", None));
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example.org"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "x-token"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "600"),
    ] {
        assert_eq!(all(&reply, name), [value], "{reply:?}");
    }
    assert_eq!(
        preflight("/put", "https://a.example.net", "PUT").header("access-control-allow-origin"),
        Some("https://a.example.net")
    );
    // Who may not is told nothing, upon which a browser refuses.
    for origin in ["https://evil.org", "http://app.example.org", "null", "https://a.b.example.net"] {
        let reply = preflight("/put", origin, "PUT");
        assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("access-control-allow")), "{reply:?}");
        assert!(all(&reply, "vary").join(",").contains("origin"), "{reply:?}");
    }
    let open = preflight("/open", "https://any", "GET");
    assert_eq!(
        (all(&open, "access-control-allow-origin"), all(&open, "access-control-allow-headers")),
        (vec!["*"], vec!["x-token, x-other"])
    );
    assert_eq!(stage.web.take_whole(), []);
    // Where no route has a say, the instance has.
    assert_eq!(preflight("/else", "https://any", "GET").body, "hi");
    assert_eq!(only(stage.web.take_whole()).method(), "OPTIONS");
}

#[test]
fn the_gateway_s_word_replaces_the_instance_s() {
    let stage = stage();
    let asked = |path: &str, fields: &[(&str, &str)]| {
        ask(&stage.gateway, if path == "/put" { "PUT" } else { "GET" }, HOST, path, fields)
    };
    let reply = asked("/put", &[("Origin", "https://app.example.org")]);
    assert_eq!((reply.status, reply.body.as_str()), (200, "hi"));
    assert_eq!(all(&reply, "access-control-allow-origin"), ["https://app.example.org"]);
    assert_eq!(all(&reply, "access-control-allow-credentials"), ["true"]);
    assert_eq!(all(&reply, "access-control-expose-headers"), ["x-total"]);
    assert_eq!(all(&reply, "access-control-allow-methods"), [""; 0]);
    assert_eq!(all(&reply, "vary"), ["cookie", "origin"]);
    for fields in [&[("Origin", "https://evil.org")][..], &[]] {
        let reply = asked("/put", fields);
        assert_eq!(all(&reply, "access-control-allow-origin"), [""; 0]);
        assert_eq!(all(&reply, "vary"), ["cookie", "origin"]);
    }
    assert_eq!(all(&asked("/open", &[("Origin", "https://any")]), "access-control-allow-origin"), ["*"]);
    assert_eq!(
        all(&asked("/else", &[("Origin", "https://any")]), "access-control-allow-methods"),
        ["DELETE"]
    );
}
