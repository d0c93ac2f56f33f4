//! Paths that servers read in different ways: an escaped slash is a slash to some, `..` is left where it is by others, and
//! some do not know that `;` begins a parameter. What one of them would read as forbidden is.

use std::net::SocketAddr;

use roundhouse_tests::http;

use crate::ask::{Ask, Verdict, Version};
use crate::nginx::Nginx;
use crate::stage::{READER, Stage, WEB, in_force, rule};

/// What is forbidden to web in one reading of it at least, and the like that is in none.
const FORBIDDEN: [(&str, &str); 14] = [
    // An escaped slash is one, before or after dots are resolved.
    ("/%2fadmin", "/%2fbdmin"),
    ("/x/..%2fadmin", "/x/..%2fbdmin"),
    ("/x%2F..%2fadmin", "/x%2F..%2fbdmin"),
    ("/x%2f%2e%2e/admin", "/x%2f%2e%2e/bdmin"),
    ("/x/..%2f%61dmin%2fy", "/x/..%2f%62dmin%2fy"),
    ("/admin%2fx", "/bdmin%2fx"),
    // A backslash is (WHATWG URL, 4.4).
    ("/x/..%5cadmin", "/x/..%5cbdmin"),
    ("/%5Cadmin%5Cx", "/%5Cbdmin%5Cx"),
    // Dots stay where they are.
    ("/admin/../x", "/bdmin/../x"),
    ("/admin/%2e%2e/x", "/bdmin/%2e%2e/x"),
    // `;` is a character like any other.
    ("/admin/..;/x", "/bdmin/..;/x"),
    ("/admin/..;a=1/x", "/bdmin/..;a=1/x"),
    // What stands after `//` is a host (RFC 3986, 4.2).
    ("//x/admin", "//x/bdmin"),
    ("/%2fx/admin", "/%2fx/bdmin"),
];

#[test]
fn what_one_server_would_read_as_forbidden_is() {
    let stage = Stage::start();
    for (forbidden, other) in FORBIDDEN {
        Ask { target: forbidden, ..Ask::of(&stage, WEB) }.is(&stage, Verdict::Denied);
        for version in [Version::Http1, Version::Http2] {
            let ask = Ask { target: other, ..Ask::of(&stage, WEB) };
            let got = ask.is_in(version, &stage, Verdict::Passes("job.web")).expect("it passed");
            assert_eq!(got.target(), other);
        }
    }
}

#[test]
fn what_is_allowed_is_so_in_every_reading() {
    let stage = Stage::start();
    for target in [
        "/public/..%2fx",
        "/public%2f..%2fx",
        "/public/%2e%2e%2fx",
        "/public/x%2f..%2f..%2fx",
        "/public/..%5cx",
        "/x/../public",
        "/x/%2e%2e/public",
        "/x/..;/public",
        "//x/public",
        "//public/x",
    ] {
        Ask { target, ..Ask::of(&stage, READER) }.is(&stage, Verdict::Denied);
    }
    for target in ["/public/a%2Fb", "/public/a%5Cb", "/public/x;a=1/y", "/public/./x", "/public/x/../y"] {
        Ask { target, ..Ask::of(&stage, READER) }.is(&stage, Verdict::Passes("job.reader"));
    }
}

/// A server as people have it, which resolves escaped slashes.
#[test]
fn an_nginx_behind_the_gateway_never_serves_what_is_forbidden() {
    let stage = Stage::start();
    let own = SocketAddr::new(stage.gateway.net.app(6), 9096);
    let _nginx = Nginx::start(
        own,
        "location / { return 200 open; }\nlocation /admin { return 200 admin; }\nlocation /public { return 200 public; }",
    );
    stage.gateway.write_job("nginx", r#""port":9096,"protocol":"http""#, "");
    stage.gateway.register("nginx", own);
    stage.gateway.wait_up("nginx", 1);
    let rule = |id, fields: &str| rule(&stage.gateway, "nginx", id, fields);
    rule("nginx-web", r#""from":{"jobname":"job.web"},"action":"allow""#);
    rule("nginx-reader", r#""from":{"jobname":"job.reader"},"action":"allow","paths":["/public"]"#);
    let deny = rule("nginx-admin", r#""from":{"cidr":["0.0.0.0/0"]},"action":"deny","paths":["/admin"]"#);
    in_force(&stage.gateway, "nginx", deny);
    let mut tricked = 0;
    for (target, _) in FORBIDDEN {
        tricked += usize::from(http::get(own, "nginx.jobs", target).unwrap().body == "admin");
        let ask = Ask { host: "nginx.jobs", target, ..Ask::of(&stage, WEB) };
        for reply in [ask.over_http1(&stage).unwrap(), ask.over_http2(&stage).unwrap()] {
            assert_eq!(reply.status, 403, "{target}: {reply:?}");
        }
    }
    // Without the gateway it would.
    assert!(tricked >= 5, "{tricked}");
    for target in ["/public/..%2fx", "/public%2f..%2fx", "/x/../public", "/public/%2e%2e%2fadmin"] {
        let reply = Ask { host: "nginx.jobs", target, ..Ask::of(&stage, READER) }.over_http1(&stage).unwrap();
        assert_eq!(reply.status, 403, "{target}: {reply:?}");
    }
    let reply = Ask { host: "nginx.jobs", ..Ask::of(&stage, READER) }.over_http1(&stage).unwrap();
    assert_eq!((reply.status, &*reply.body), (200, "public"));
}
