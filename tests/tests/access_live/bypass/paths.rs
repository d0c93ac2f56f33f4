//! One path in every spelling of it (RFC 3986, 6.2.2). What is let in is passed on as it was written, so that what is
//! denied has to be so in each way in which servers read it.

use crate::ask::{Ask, Verdict, Version};
use crate::stage::{READER, Stage, WEB};

/// As web, who may do everything but administer.
#[test]
fn no_spelling_of_a_forbidden_path_gets_through() {
    let stage = Stage::start();
    for (forbidden, other) in [
        ("/admin", "/bdmin"),
        ("/admin/", "/admins/"),
        ("/admin/x", "/x/admin"),
        ("/%61dmin", "/%62dmin"),
        ("/%61%64%6d%69%6E", "/%62%64%6d%69%6E"),
        ("//admin", "//bdmin"),
        ("///admin//x", "///bdmin//x"),
        ("/x/../admin", "/x/../bdmin"),
        ("/./admin", "/./bdmin"),
        ("/../admin", "/../bdmin"),
        ("/../../../admin", "/../../../bdmin"),
        ("/%2e%2e/admin", "/%2e%2e/bdmin"),
        ("/x/%2E%2e/admin", "/x/%2E%2e/bdmin"),
        ("/x/.%2e/admin", "/x/.%2e/bdmin"),
        ("/%2e/admin", "/%2e/bdmin"),
        ("/admin;a=1", "/bdmin;a=1"),
        ("/admin;a=1/x", "/bdmin;a=1/x"),
        ("/admin;", "/bdmin;"),
        ("/;/admin", "/;/bdmin"),
        ("/x;a/../admin", "/x;a/../bdmin"),
        ("/..;/admin", "/..;/bdmin"),
        ("/x/..;a=1/admin", "/x/..;a=1/bdmin"),
        ("/admin?x", "/?/admin"),
        ("/admin?", "/admin.?"),
        ("/admin?/../x", "/bdmin?/../admin"),
        ("/admin/.", "/bdmin/."),
        ("/admin/x/..", "/bdmin/x/.."),
        ("/admin/%2e", "/admin%2e"),
        ("/x/%2e%2e/%61dmin;b/y?z", "/x/%2e%2e/%62dmin;b/y?z"),
    ] {
        Ask { target: forbidden, ..Ask::of(&stage, WEB) }.is(&stage, Verdict::Denied);
        for version in [Version::Http1, Version::Http2] {
            let ask = Ask { target: other, ..Ask::of(&stage, WEB) };
            let got = ask.is_in(version, &stage, Verdict::Passes("job.web")).expect("it passed");
            assert_eq!(got.target(), other);
        }
    }
}

/// As reader, who may read what is public and nothing else.
#[test]
fn no_spelling_leads_out_of_what_is_allowed() {
    let stage = Stage::start();
    for target in [
        "/",
        "/x",
        "/publicity",
        "/PUBLIC",
        "/public.",
        "/public/../x",
        "/public/../admin",
        "/public/%2e%2e/x",
        "/public/.%2E/x",
        "/public/./../x",
        "/public/x/../../x",
        "/public;a/../x",
        "/public/..;/x",
        "/public//../x",
        "/x/public",
        "/?/public",
        "/x?/../public",
        "/x;/public",
        "/%70ublicity",
        "/../x/public",
    ] {
        Ask { target, ..Ask::of(&stage, READER) }.is(&stage, Verdict::Denied);
    }
    for target in [
        "/public",
        "/public/",
        "/public/x",
        "/%70ublic/x",
        "/public//x",
        "/public/./x",
        "/public/x/../y",
        "/public/x;a=1",
        "/public?x",
        "/public?/../../admin",
    ] {
        Ask { target, ..Ask::of(&stage, READER) }.is(&stage, Verdict::Passes("job.reader"));
    }
}

/// A target that is no path.
#[test]
fn what_is_no_path_is_refused() {
    let stage = Stage::start();
    for target in
        ["/admin#", "/public#/admin", "/x#/../public", "admin", "\\admin", "/\u{fc}", "*", "?/admin"]
    {
        Ask { target, ..Ask::of(&stage, WEB) }.is_in(Version::Http1, &stage, Verdict::Refused);
    }
    // RFC 9110, 9.3.7: of the server as a whole, which is no path of those that are allowed.
    let all = Ask { method: "OPTIONS", target: "*", ..Ask::of(&stage, READER) };
    all.is_in(Version::Http1, &stage, Verdict::Denied);
    let all = Ask { from: WEB, ..all };
    all.is_in(Version::Http1, &stage, Verdict::Passes("job.web"));
}

/// Methods are compared as they are (RFC 9110, 9.1): another case is another method.
#[test]
fn a_method_is_the_one_that_the_instance_reads() {
    let stage = Stage::start();
    let rule = r#""from":{"jobname":"job.reader"},"action":"allow","methods":["GET"],"paths":["/get"]"#;
    stage.in_force(stage.rule("allow-get", rule));
    let override_ =
        [("x-http-method-override", "GET"), ("x-http-method", "GET"), ("x-method-override", "GET")];
    for method in ["POST", "HEAD", "get", "GETS", "DELETE", "PUT", "OPTIONS"] {
        let ask = Ask { method, target: "/get", fields: &override_, ..Ask::of(&stage, READER) };
        for reply in [ask.over_http1(&stage).unwrap(), ask.over_http2(&stage).unwrap()] {
            assert_eq!(reply.status, 403, "{method}: {reply:?}");
        }
        assert!(stage.shop.take().is_empty(), "{method}");
    }
    Ask { target: "/get", ..Ask::of(&stage, READER) }.is(&stage, Verdict::Passes("job.reader"));
}

/// A rule that no request could match would shut nothing.
#[test]
fn a_rule_with_a_path_that_no_request_has_is_refused() {
    let stage = Stage::start();
    let record = |path: &str| serde_json::json!({ "to": { "job": "shop" }, "from": { "jobname": "job.web" }, "action": "deny", "paths": [path] });
    for path in
        ["/%61dmin", "//admin", "/x/../admin", "/./admin", "/admin;a=1", "/admin?x", "/admin%2fx", "\\admin"]
    {
        let reply = stage.gateway.call("PUT", "/v1/rules/deny-other", &record(path).to_string());
        assert!(reply.status == 422 && reply.body.contains("paths[0]"), "{path}: {reply:?}");
    }
    for (path, target) in [("/other/", "/other/x"), ("/a.b~", "/a.b%7e"), ("/a%20b", "/a%20b/c"), ("/", "/x")]
    {
        let reply = stage.gateway.call("PUT", "/v1/rules/deny-other", &record(path).to_string());
        assert!(matches!(reply.status, 200 | 201), "{path}: {reply:?}");
        stage.in_force(reply.json()["revision"].as_u64().unwrap());
        Ask { target, ..Ask::of(&stage, WEB) }.is(&stage, Verdict::Denied);
    }
}
