//! What a proxy asks, as Traefik, Envoy and nginx put it.

use roundhouse_tests::http::{Connection, Reply};

use crate::stage::{EVIL, READER, SHARED, STRANGER, Stage, WEB};

/// Asks the gateway as a proxy on this machine does.
#[track_caller]
fn asked(stage: &Stage, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let admin = stage.gateway.admin().to_string();
    let host = [("host", admin.as_str())];
    let fields = if fields.iter().any(|(name, _)| *name == "host") {
        fields.to_vec()
    } else {
        [&host, fields].concat()
    };
    Connection::open(stage.gateway.admin()).unwrap().request_with(method, path, &fields, "").unwrap()
}

/// ForwardAuth copies its client's fields, and sets five of its own.
#[test]
fn traefik_asks_for_its_client() {
    let stage = Stage::start();
    let ask = |from: u8, method: &str, uri: &str, client: &[(&str, &str)]| {
        let address = stage.address(from).to_string();
        let own = [
            ("x-forwarded-method", method),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-uri", uri),
            ("x-forwarded-for", &*address),
        ];
        asked(&stage, "GET", "/v1/access/auth/shop", &[client, &own].concat())
    };
    let reply = ask(WEB, "GET", "/x", &[]);
    assert_eq!((reply.status, reply.header("x-jobname")), (200, Some("job.web")));
    assert_eq!(reply.header("x-roundhouse-rule"), Some("allow-web"));
    assert_eq!(ask(READER, "POST", "/public?x", &[]).status, 200);
    assert_eq!(ask(SHARED, "GET", "/x", &[("x-jobname", "job.web")]).status, 200);
    for (from, uri) in [(EVIL, "/x"), (STRANGER, "/x"), (SHARED, "/x"), (WEB, "/admin"), (READER, "/x")] {
        // What its client sent as another proxy's word.
        for client in [
            &[][..],
            &[("x-original-uri", "/public"), ("x-original-method", "GET")],
            &[
                ("x-original-url", "/public"),
                ("x-rewrite-url", "/public"),
                ("x-envoy-original-path", "/public"),
            ],
        ] {
            let reply = ask(from, "GET", uri, client);
            assert_eq!((reply.status, &*reply.body), (403, "access denied\n"), "{from} {uri} {client:?}");
            assert_eq!((reply.header("x-jobname"), reply.header("x-roundhouse-rule")), (None, None));
        }
    }
    let rule = r#""from":{"jobname":"job.web"},"action":"deny","methods":["DELETE"]"#;
    stage.in_force(stage.rule("deny-delete", rule));
    assert_eq!(ask(WEB, "DELETE", "/x", &[]).status, 403);
    assert_eq!(ask(WEB, "DELETE", "/x", &[("x-original-method", "GET")]).status, 403);
    assert_eq!(ask(WEB, "POST", "/x", &[]).status, 200);
    let origin = [("origin", "https://shop.example"), ("sec-fetch-site", "same-origin")];
    assert_eq!(ask(WEB, "POST", "/x", &origin).status, 200);
}

/// ext_authz over HTTP asks with its client's own method, path, Host and length, and none of its body.
#[test]
fn envoy_asks_for_its_client() {
    let stage = Stage::start();
    let ask = |from: u8, method: &str, path: &str, more: &[(&str, &str)]| {
        let address = stage.address(from).to_string();
        let fields = [("host", "shop.example"), ("x-forwarded-for", &*address), ("content-length", "0")];
        asked(&stage, method, &format!("/v1/access/auth/shop{path}"), &[&fields, more].concat())
    };
    for (from, method, path) in [
        (WEB, "GET", "/x"),
        (WEB, "GET", "/"),
        (WEB, "POST", "/x?y=1"),
        (WEB, "PATCH", "/x/"),
        (WEB, "PROPFIND", "/x"),
        (WEB, "HEAD", "/x"),
        (READER, "GET", "/public/x"),
        (READER, "GET", "/public/a%20b"),
    ] {
        let reply = ask(from, method, path, &[]);
        let name = if from == WEB { "job.web" } else { "job.reader" };
        assert_eq!(
            (reply.status, reply.header("x-jobname")),
            (200, Some(name)),
            "{method} {path}: {reply:?}"
        );
    }
    for (from, path) in [
        (EVIL, "/public"),
        (STRANGER, "/"),
        (SHARED, "/x"),
        (WEB, "/admin"),
        (WEB, "/%61dmin"),
        (WEB, "//admin"),
        (WEB, "/x/../admin"),
        (WEB, "/x/..%2fadmin"),
        (WEB, "/admin?x"),
        (READER, "/"),
        (READER, "/x"),
        (READER, "/public/../x"),
        // An escaped `?` or `#` ends no path.
        (READER, "/public%3F/../../x"),
        (READER, "/public%23/../../x"),
        (WEB, "/x%3f/../../admin"),
        (READER, "/%2570ublic"),
    ] {
        for more in [&[][..], &[("x-original-uri", "/public"), ("x-forwarded-uri", "/public")]] {
            let reply = ask(from, "GET", path, more);
            assert_eq!(reply.status, 403, "{from} {path} {more:?}: {reply:?}");
        }
    }
    let rule = r#""from":{"jobname":"job.web"},"action":"deny","methods":["DELETE"]"#;
    stage.in_force(stage.rule("deny-delete", rule));
    assert_eq!(ask(WEB, "DELETE", "/x", &[("x-original-method", "GET")]).status, 403);
}

/// What nobody said cannot be compared with a rule: whatever forbids some of it forbids it.
#[test]
fn a_proxy_that_does_not_say_what_for_is_told_no_where_that_matters() {
    let stage = Stage::start();
    let address = stage.address(WEB).to_string();
    let ask = |fields: &[(&str, &str)]| {
        let fields = [&[("x-forwarded-for", &*address)], fields].concat();
        asked(&stage, "GET", "/v1/access/auth/shop", &fields).status
    };
    assert_eq!(ask(&[]), 403, "there is a rule that denies a path");
    assert_eq!(ask(&[("x-original-method", "GET")]), 403);
    assert_eq!(ask(&[("x-original-uri", "/x")]), 200);
    // Whoever says several things is held to each of them.
    assert_eq!(ask(&[("x-original-uri", "/x"), ("x-original-uri", "/admin")]), 403);
    assert_eq!(ask(&[("x-original-uri", "/x"), ("x-forwarded-uri", "/admin")]), 403);
    assert_eq!(ask(&[("x-forwarded-uri", "/admin"), ("x-original-uri", "/x")]), 403);
    assert_eq!(ask(&[("x-forwarded-uri", "/y"), ("x-original-uri", "/x")]), 200);
    let rule = r#""from":{"jobname":"job.web"},"action":"deny","methods":["DELETE"]"#;
    stage.in_force(stage.rule("deny-delete", rule));
    assert_eq!(ask(&[("x-original-uri", "/x")]), 403, "there is a rule that denies a method");
    assert_eq!(ask(&[("x-original-uri", "/x"), ("x-original-method", "POST")]), 200);
    assert_eq!(
        ask(&[("x-original-uri", "/x"), ("x-original-method", "POST"), ("x-forwarded-method", "DELETE")]),
        403
    );
}

#[test]
fn whose_request_it_is_has_to_be_said() {
    let stage = Stage::start();
    let uri = ("x-original-uri", "/x");
    let web = stage.address(WEB).to_string();
    for fields in [&[uri][..], &[uri, ("x-forwarded-for", "")], &[uri, ("x-forwarded-for", "unknown")]] {
        let reply = asked(&stage, "GET", "/v1/access/auth/shop", fields);
        assert_eq!(reply.status, 400, "{fields:?}: {reply:?}");
        assert!(reply.body.contains("X-Forwarded-For"), "{reply:?}");
    }
    // The last one is the proxy's; those before it are its client's.
    for (named, status) in [
        (format!("192.0.2.1, {web}"), 200),
        (format!("::ffff:{web}"), 200),
        (format!("{web}, 192.0.2.1"), 403),
        (format!("{web}, {}", stage.address(EVIL)), 403),
    ] {
        let reply = asked(&stage, "GET", "/v1/access/auth/shop", &[uri, ("x-forwarded-for", &named)]);
        assert_eq!(reply.status, status, "{named}: {reply:?}");
    }
    for (target, status) in
        [("shop:main", 200), ("shop:9090", 200), ("shop:80", 422), ("nobody", 403), ("Shop", 422)]
    {
        let fields = [uri, ("x-forwarded-for", &*web)];
        let reply = asked(&stage, "GET", &format!("/v1/access/auth/{target}"), &fields);
        assert_eq!(reply.status, status, "{target}: {reply:?}");
    }
}
