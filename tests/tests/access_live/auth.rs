//! Proxies of other people that ask before they forward: a real nginx, and requests as Traefik and Envoy send them.

use std::net::SocketAddr;

use roundhouse_tests::Recorder;
use roundhouse_tests::http::{Connection, Reply};
use roundhouse_tests::strict::Message;

use crate::nginx::Nginx;
use crate::stage::{EVIL, READER, SHARED, STRANGER, Stage, WEB};

/// The shop behind an nginx of its own, which asks the gateway.
struct Behind {
    stage: Stage,
    shop: Recorder,
    nginx: SocketAddr,
    _process: Nginx,
}

impl Behind {
    fn start() -> Behind {
        let stage = Stage::start();
        let nginx = SocketAddr::new(stage.address(70), 8070);
        let upstream = SocketAddr::new(stage.address(71), 8071);
        let shop = Recorder::at(upstream, |_| roundhouse_tests::recorder::answer("seen"));
        let process = Nginx::start(
            nginx,
            &format!(
                "location / {{
                    auth_request /asked;
                    auth_request_set $jobname $upstream_http_x_jobname;
                    proxy_set_header X-Jobname $jobname;
                    proxy_set_header X-Jobname-Proof '';
                    proxy_pass http://{upstream};
                }}
                location = /asked {{
                    internal;
                    proxy_pass http://{}/v1/access/auth/shop;
                    proxy_pass_request_body off;
                    proxy_set_header Content-Length '';
                    proxy_set_header X-Forwarded-For $remote_addr;
                    proxy_set_header X-Original-URI $request_uri;
                    proxy_set_header X-Original-Method $request_method;
                }}",
                stage.gateway.admin()
            ),
        );
        Behind { stage, shop, nginx, _process: process }
    }

    #[track_caller]
    fn ask(&self, from: u8, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut connection = Connection::open_from(self.stage.address(from), self.nginx).unwrap();
        let fields = [&[("host", "shop.example")], fields].concat();
        connection.request_with(method, path, &fields, "").unwrap()
    }

    #[track_caller]
    fn passes(&self, from: u8, path: &str, fields: &[(&str, &str)]) -> Message {
        let reply = self.ask(from, "GET", path, fields);
        assert_eq!((reply.status, &*reply.body), (200, "seen"), "{path} {fields:?}: {reply:?}");
        let mut got = self.shop.take_whole();
        assert_eq!(got.len(), 1);
        got.remove(0)
    }

    #[track_caller]
    fn denied(&self, from: u8, method: &str, path: &str, fields: &[(&str, &str)]) {
        let reply = self.ask(from, method, path, fields);
        assert_eq!(reply.status, 403, "{from} {method} {path} {fields:?}: {reply:?}");
        assert!(self.shop.take().is_empty(), "{from} {method} {path} {fields:?}");
    }
}

#[test]
fn nginx_lets_in_whom_the_gateway_would_and_tells_the_upstream_who_it_is() {
    let behind = Behind::start();
    for (from, name) in [(WEB, "job.web"), (READER, "job.reader")] {
        let got = behind.passes(from, "/public/x?y", &[]);
        assert_eq!((got.field("x-jobname"), got.target()), (Some(name), "/public/x?y"));
    }
    let got = behind.passes(SHARED, "/x", &[("X-Jobname", "job.web")]);
    assert_eq!(got.field("x-jobname"), Some("job.web"));
    for from in [EVIL, STRANGER, SHARED] {
        behind.denied(from, "GET", "/public", &[]);
    }
}

#[test]
fn nginx_s_client_says_nothing_that_counts() {
    let behind = Behind::start();
    let web = behind.stage.address(WEB).to_string();
    let forged = format!("for={web}");
    for fields in [
        &[("X-Forwarded-For", &*web)][..],
        &[("X-Real-IP", &*web), ("Forwarded", &*forged)],
        &[("X-Jobname", "job.web")],
        &[("X-Jobname", "job.web"), ("X-Forwarded-For", &*web), ("X-Jobname-Proof", "x")],
        &[("X-Original-URI", "/public"), ("X-Forwarded-Uri", "/public"), ("X-Forwarded-For", &*web)],
    ] {
        for from in [EVIL, STRANGER] {
            behind.denied(from, "GET", "/public", fields);
        }
    }
    let evil = behind.stage.address(EVIL).to_string();
    let got = behind.passes(WEB, "/x", &[("X-Forwarded-For", &*evil), ("x_jobname", "job.evil")]);
    assert_eq!(got.field("x-jobname"), Some("job.web"));
    behind.denied(WEB, "GET", "/x", &[("X-Jobname", "job.evil")]);
}

#[test]
fn nginx_s_paths_and_methods_are_its_client_s() {
    let behind = Behind::start();
    behind.stage.in_force(
        behind
            .stage
            .rule("deny-delete", r#""from":{"jobname":"job.web"},"action":"deny","methods":["DELETE"]"#),
    );
    for path in ["/admin", "/%61dmin", "//admin", "/x/../admin", "/x/..%2fadmin", "/admin;a=1", "/admin?x"] {
        behind.denied(WEB, "GET", path, &[]);
        let elsewhere =
            [("X-Original-URI", "/public"), ("X-Forwarded-Uri", "/public"), ("X-Original-Method", "GET")];
        behind.denied(WEB, "GET", path, &elsewhere);
    }
    behind.denied(READER, "GET", "/x", &[]);
    behind.denied(READER, "GET", "/public/../x", &[]);
    behind.denied(WEB, "DELETE", "/x", &[]);
    behind.denied(WEB, "DELETE", "/x", &[("X-Original-Method", "GET"), ("X-Forwarded-Method", "GET")]);
    behind.passes(WEB, "/x", &[]);
}

/// A rule that comes is in force at the next request.
#[test]
fn nginx_hears_of_a_new_rule_at_once() {
    let behind = Behind::start();
    let mut connection = Connection::open_from(behind.stage.address(WEB), behind.nginx).unwrap();
    assert_eq!(connection.get("shop.example", "/x").unwrap().status, 200);
    let denied = behind.stage.rule("deny-web", r#""from":{"jobname":"job.web"},"action":"deny""#);
    behind.stage.in_force(denied);
    assert_eq!(connection.get("shop.example", "/x").unwrap().status, 403);
}

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
