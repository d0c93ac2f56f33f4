//! The record as it is written: what reads, what comes back, and what is refused with its place.

use serde_json::{Value, json};

use super::*;
use crate::record::{decode, encode, read};

const WHOLE: &str = r#"{"routes":[
    {"match":{"path":"/api","method":["GET","POST"],
              "headers":[{"name":"X-Beta","equals":"1"},{"name":"accept","prefix":"application/"},
                         {"name":"x-debug","present":false}]},
     "to":[{"job":"api","port":"main","weight":90},{"job":"api-next"}],
     "rewrite":{"prefix":"/v2","host":"api.internal:8080"},
     "request_headers":{"set":{"X-Env":"prod"},"add":{"via":"edge"},"remove":["Cookie"]},
     "response_headers":{"set":{"x-frame-options":"DENY"},"remove":["server"]},
     "cors":{"origins":["https://app.example.com","https://*.example.com"],"methods":["GET","PUT"],
             "headers":["x-token"],"expose":["x-total"],"credentials":true,"max_age":"10m"},
     "compress":{"encodings":["gzip"],"min_size":"4KiB","types":["text/*","application/json"]},
     "max_body":"10MiB",
     "sticky":{"cookie":"who","ttl":"1h","secure":true,"same_site":"none"},
     "timeouts":{"request":"30s","response_head":"5s"}},
    {"match":{"path":"/old"},"redirect":{"prefix":"/new","status":302}},
    {"to":[{"job":"site"}],"compress":true}],
  "https":"redirect","hsts":{"max_age":"365d","include_subdomains":true,"preload":true},
  "certificate":"blog","pool":"edge"}"#;

#[test]
fn the_shape_of_the_documentation_reads() {
    let domain: Domain = decode(
        br#"{"routes":[{"match":{"path":"/"},"to":[{"job":"coding-blog","port":"main","version":null,"weight":100}]}],
            "certificate":null,"pool":null}"#,
    )
    .unwrap();
    assert_eq!(domain.validate(), Ok(()));
    assert_eq!(domain.routes[0].to[0].port, Some("main".parse().unwrap()));
    // What is left out is not stored.
    let short = br#"{"routes":[{"match":{"path":"/"},"to":[{"job":"a","weight":100}]}]}"#;
    assert_eq!(encode(&decode::<Domain>(short).unwrap()), short.as_slice());
}

#[test]
fn the_example_of_the_documentation_is_a_domain() {
    let text = include_str!("../../../../docs/domains.md");
    let (_, json) = text.split_once("```json\n").unwrap();
    let domain: Domain = read(json.split_once("```").unwrap().0.as_bytes()).unwrap();
    assert_eq!((domain.routes.len(), domain.https), (2, Https::Redirect));
}

#[test]
fn the_whole_of_it_comes_back() {
    let domain: Domain = read(WHOLE.as_bytes()).unwrap();
    let again: Domain = read(&encode(&domain)).unwrap();
    assert_eq!(again, domain);
    let [api, old, site] = &domain.routes[..] else { panic!("{domain:?}") };
    assert_eq!(
        api.matches.described(),
        "`GET|POST /api` with x-beta: 1 and accept: application/… and no x-debug"
    );
    assert_eq!(api.to[1].weight, 100);
    assert_eq!(api.max_body.unwrap().bytes(), 10 << 20);
    assert_eq!(old.redirect.as_ref().unwrap().status.code(), 302);
    assert_eq!(site.compress, Some(Compress::default()));
    assert_eq!(domain.https, Https::Redirect);
    let stored: Value = serde_json::from_slice(&encode(&domain)).unwrap();
    assert_eq!(stored["routes"][2]["compress"], json!(true));
    assert_eq!(stored["routes"][0]["request_headers"]["remove"], json!(["cookie"]));
    assert_eq!(stored["routes"][0]["cors"]["origins"][1], json!("https://*.example.com"));
}

#[test]
fn what_a_newer_writer_adds_is_ignored() {
    let text = r#"{"routes":[{"to":[{"job":"a"}],"mirror":{"job":"b"},"compress":false,
        "cors":{"origins":["*"],"later":1},"timeouts":{"per_try":"1s"}}],"waf":true}"#;
    let domain: Domain = read(text.as_bytes()).unwrap();
    assert_eq!(domain.routes[0].compress, None);
}

#[test]
fn what_would_be_served_wrongly_is_not_served() {
    let refused = |text: &str| decode::<Domain>(text.as_bytes()).unwrap_err().to_string();
    for (text, at) in [
        (r#"{"routes":[{"to":[{"job":"a"}]}],"redirect":"https://b"}"#, "redirect"),
        (r#"{"routes":[{"to":[{"job":"a","version":"2"}]}]}"#, "routes[0].to[0].version"),
        (r#"{"routes":[{"match":{"header":{"a":"b"}},"to":[{"job":"a"}]}]}"#, "routes[0].match.header"),
    ] {
        let error = refused(text);
        assert!(error.starts_with(at) && error.contains("leave it out"), "{error}");
    }
}

#[track_caller]
fn refuses(text: &str, expected: &str) {
    let error = read::<Domain>(text.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}\nis not\n{expected}");
}

/// A route to a job with more fields.
#[track_caller]
fn route_refuses(fields: &str, expected: &str) {
    refuses(
        &format!(r#"{{"routes":[{{"to":[{{"job":"a"}}],{fields}}}]}}"#),
        &format!("routes[0].{expected}"),
    );
}

#[test]
fn routes_that_cannot_work_are_refused() {
    refuses(r#"{"routes":[]}"#, "routes: 0 routes; write 1 to 256");
    refuses(r#"{"routes":[{}]}"#, "routes[0].to: 0 destinations; write 1 to 64, or `redirect`");
    refuses(
        r#"{"routes":[{"match":{"path":"x"},"to":[{"job":"a"}]}]}"#,
        "routes[0].match.path: a path prefix starts",
    );
    refuses(r#"{"routes":[{"to":[{"job":"a","weight":0}]}]}"#, "routes[0].to: all weights are 0");
    refuses(
        r#"{"routes":[{"to":[{"job":"a","weight":1000001}]}]}"#,
        "routes[0].to[0].weight: 1000001 is out",
    );
    let twice = |one: &str, other: &str| {
        let to = r#""to":[{"job":"a"}]"#;
        format!(r#"{{"routes":[{{"match":{one},{to}}},{{"match":{other},{to}}}]}}"#)
    };
    let expected = "routes[1].match.path: `/` is what an earlier route matches, so this one is never reached";
    refuses(&twice("{}", r#"{"path":"/"}"#), expected);
    let one = r#"{"method":["GET","PUT"],"headers":[{"name":"a","present":true},{"name":"b","equals":"1"}]}"#;
    let other =
        r#"{"method":["PUT","GET"],"headers":[{"name":"B","equals":"1"},{"name":"a","present":true}]}"#;
    refuses(&twice(one, other), "routes[1].match.path: `PUT|GET /` with b: 1 and a is what an earlier");
    let conditional = twice("{}", r#"{"method":["GET"]}"#);
    assert!(read::<Domain>(conditional.as_bytes()).is_ok());
}

#[test]
fn conditions_say_one_thing() {
    for (fields, expected) in [
        (r#""match":{"method":"GET"}"#, "match.method: invalid type: string \"GET\", expected a sequence"),
        (r#""match":{"method":["get"]}"#, "match.method[0]: `get` is no method; write it in upper case"),
        (r#""match":{"method":["GET","GET"]}"#, "match.method[1]: `GET` is there twice"),
        (r#""match":{"headers":[{"name":"a"}]}"#, "match.headers[0]: write exactly one of"),
        (
            r#""match":{"headers":[{"name":"a","equals":"1","present":true}]}"#,
            "match.headers[0]: write exactly one of",
        ),
        (
            r#""match":{"headers":[{"name":"a","prefix":""}]}"#,
            "match.headers[0]: an empty prefix is any value",
        ),
        (
            r#""match":{"headers":[{"name":"a b","present":true}]}"#,
            "match.headers[0].name: `a b` is no header",
        ),
    ] {
        route_refuses(fields, expected);
    }
}

#[test]
fn a_redirect_goes_somewhere_and_alone() {
    route_refuses(r#""redirect":{"host":"b.c"}"#, "redirect: is written beside `to`");
    let redirect = |fields: &str, expected: &str| {
        refuses(&format!(r#"{{"routes":[{{"redirect":{fields}}}]}}"#), &format!("routes[0].{expected}"));
    };
    redirect("{}", "redirect: leads to itself");
    redirect(r#"{"status":300,"host":"a.b"}"#, "redirect.status: 300 is no redirect's status; write 301");
    redirect(r#"{"path":"/a","prefix":"/b"}"#, "redirect.prefix: is written beside `path`");
    redirect(r#"{"path":"a"}"#, "redirect.path: a path prefix starts with `/`");
    redirect(r#"{"path":"/a?b"}"#, "redirect.path: is no path; write it without `?`");
    redirect(r#"{"host":"*.b.c"}"#, "redirect.host: is a wildcard");
    redirect(r#"{"port":0}"#, "redirect.port: ");
    redirect(r#"{"scheme":"ftp"}"#, "redirect.scheme: unknown variant");
    let beside = r#"{"routes":[{"redirect":{"host":"b.c"},"max_body":"1KiB"}]}"#;
    refuses(beside, "routes[0].max_body: is without effect beside `redirect`");
    let told = r#"{"routes":[{"redirect":{"host":"b.c"},"response_headers":{"set":{"a":"b"}}}]}"#;
    assert!(read::<Domain>(told.as_bytes()).is_ok());
}

#[test]
fn what_frames_a_message_or_says_who_asks_is_nobody_s_to_edit() {
    for (fields, expected) in [
        (
            r#""request_headers":{"set":{"Host":"x"}}"#,
            "request_headers.set.host: is not edited here; write `rewrite`",
        ),
        (
            r#""request_headers":{"add":{"X-Forwarded-For":"1"}}"#,
            "request_headers.add.x-forwarded-for: tells the",
        ),
        (
            r#""request_headers":{"remove":["a","X-Jobname"]}"#,
            "request_headers.remove[1]: tells the instance who",
        ),
        (r#""request_headers":{"set":{"te":"x"}}"#, "request_headers.set.te: belongs to one connection"),
        (
            r#""response_headers":{"set":{"Content-Length":"1"}}"#,
            "response_headers.set.content-length: says where",
        ),
        (
            r#""response_headers":{"remove":["Connection"]}"#,
            "response_headers.remove[0]: belongs to one connection",
        ),
        (
            r#""response_headers":{"set":{"a":"1"},"remove":["A"]}"#,
            "response_headers.remove[0]: `a` is removed and",
        ),
        (
            r#""response_headers":{"set":{"a":"1"},"add":{"A":"2"}}"#,
            "response_headers.add.a: is in `set` too",
        ),
        (
            r#""response_headers":{"set":{"a":"1\r\nb: 2"}}"#,
            "response_headers.set.a: the value has a control",
        ),
        (r#""rewrite":{}"#, "rewrite: rewrites nothing"),
        (r#""rewrite":{"prefix":"/a#b"}"#, "rewrite.prefix: is no path"),
        (r#""rewrite":{"host":"a b"}"#, "rewrite.host: `a b` is no host"),
        (r#""rewrite":{"host":"a:0"}"#, "rewrite.host: `a:0` is no host"),
    ] {
        route_refuses(fields, expected);
    }
    let host = r#"{"routes":[{"to":[{"job":"a"}],"response_headers":{"set":{"x-forwarded-for":"1"}}}]}"#;
    assert!(read::<Domain>(host.as_bytes()).is_ok());
}

#[test]
fn policies_have_bounds_and_do_not_contradict_themselves() {
    for (fields, expected) in [
        (r#""cors":{"origins":[]}"#, "cors.origins: nobody is let in"),
        (
            r#""cors":{"origins":["https://a.b","https://a.b/"]}"#,
            "cors.origins[1]: `https://a.b/` is no origin",
        ),
        (r#""cors":{"origins":["*"],"credentials":true}"#, "cors.origins[0]: `*` with `credentials`"),
        (r#""cors":{"origins":["https://a.b","*"]}"#, "cors.origins[1]: `*` is every origin"),
        (
            r#""cors":{"origins":["*"],"max_age":"2d"}"#,
            "cors.max_age: \"2d\" is out of bounds; write \"0s\" to \"1d\"",
        ),
        (
            r#""cors":{"origins":["*"]},"response_headers":{"set":{"access-control-max-age":"1"}}"#,
            "response_headers: `access-control-max-age` is what `cors` says",
        ),
        (r#""compress":{"encodings":[]}"#, "compress.encodings: there is none"),
        (
            r#""compress":{"encodings":["deflate"]}"#,
            "compress.encodings[0]: unknown variant `deflate`, expected one of",
        ),
        (r#""compress":{"types":["*/*"]}"#, "compress.types[0]: `*/*` is no media type"),
        (r#""compress":7"#, "compress: invalid type: integer `7`, expected true, false or"),
        (r#""max_body":"10MB""#, "max_body: size `10MB` has the unknown unit"),
        (r#""sticky":{"cookie":"a b"}"#, "sticky.cookie: `a b` is no cookie's name"),
        (
            r#""sticky":{"cookie":"a","ttl":"1500ms"}"#,
            "sticky.ttl: \"1s500ms\" is no whole number of seconds",
        ),
        (r#""sticky":{"cookie":"a","ttl":"401d"}"#, "sticky.ttl: \"401d\" is out of bounds"),
        (
            r#""sticky":{"cookie":"a","same_site":"none"}"#,
            "sticky.same_site: \"none\" is for cookies that are secure",
        ),
        (r#""sticky":{"cookie":"__Host-a"}"#, "sticky.cookie: `__Host-a` must be secure by its name"),
        (r#""timeouts":{"request":"9ms"}"#, "timeouts.request: \"9ms\" is out of bounds"),
        (
            r#""timeouts":{"request":"1s","response_head":"2s"}"#,
            "timeouts.response_head: \"2s\" is never over: the whole exchange ends after \"1s\"",
        ),
    ] {
        route_refuses(fields, expected);
    }
}

#[test]
fn hsts_means_what_it_says() {
    let hsts = |hsts: &str, expected: &str| {
        refuses(&format!(r#"{{"routes":[{{"to":[{{"job":"a"}}]}}],"hsts":{hsts}}}"#), expected);
    };
    hsts("{}", "hsts: missing field `max_age`");
    hsts(r#"{"max_age":"3651d"}"#, "hsts.max_age: \"3651d\" is out of bounds");
    hsts(r#"{"max_age":"365d","preload":true}"#, "hsts.preload: needs \"include_subdomains\": true");
    refuses(
        r#"{"routes":[{"to":[{"job":"a"}],"response_headers":{"set":{"strict-transport-security":"max-age=1"}}}],
            "hsts":{"max_age":"180d"}}"#,
        "routes[0].response_headers: `hsts` of the domain says that",
    );
    refuses(
        r#"{"routes":[{"to":[{"job":"a"}]}],"https":"on"}"#,
        "https: unknown variant `on`, expected `off` or `redirect`",
    );
}
