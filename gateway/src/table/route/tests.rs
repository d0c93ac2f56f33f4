//! Which route takes a request: the order of routes, and each kind of condition.

use proptest::prelude::*;
use roundhouse_registry::Revision;

use super::*;

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

impl Asked for Request<'_> {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        self.path
    }

    fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(own, _)| *own == name).map(|(_, value)| value.as_bytes())
    }
}

fn domain(record: &str) -> DomainEntry {
    let value: Domain = roundhouse_registry::record::read(record.as_bytes()).unwrap();
    let record = Versioned { value, created: Revision(1), modified: Revision(1), lease: None };
    DomainEntry::new("a.b".parse().unwrap(), &Arc::new(record), 1, || 0)
}

/// The job that takes it.
fn job(domain: &DomainEntry, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let route = domain.route(&Request { method, path, headers });
    route.map_or("none".into(), |route| route.next(0).unwrap().job.to_string())
}

#[test]
fn longer_paths_come_first_then_methods_then_headers_then_the_order() {
    let domain = domain(
        r#"{"routes":[
            {"to":[{"job":"all"}]},
            {"match":{"headers":[{"name":"x-a","present":true}]},"to":[{"job":"one-header"}]},
            {"match":{"headers":[{"name":"x-b","present":true}]},"to":[{"job":"later"}]},
            {"match":{"headers":[{"name":"x-a","equals":"1"},{"name":"x-b","prefix":"b"}]},"to":[{"job":"two"}]},
            {"match":{"method":["PUT","POST"]},"to":[{"job":"writes"}]},
            {"match":{"path":"/api"},"to":[{"job":"api"}]}]}"#,
    );
    for (method, path, headers, expected) in [
        ("GET", "/", &[][..], "all"),
        ("GET", "/", &[("x-a", "1")], "one-header"),
        ("GET", "/", &[("x-a", "1"), ("x-b", "ab")], "one-header"),
        ("GET", "/", &[("x-b", "")], "later"),
        ("GET", "/", &[("x-b", "bc"), ("x-a", "2"), ("x-a", " 1 ")], "two"),
        ("POST", "/", &[("x-a", "1"), ("x-b", "b")], "writes"),
        ("post", "/", &[], "all"),
        ("PUT", "/api/x?y=/z", &[("x-a", "1")], "api"),
        ("PUT", "/apis", &[], "writes"),
    ] {
        assert_eq!(job(&domain, method, path, headers), expected, "{method} {path} {headers:?}");
    }
}

#[test]
fn absence_is_a_condition_and_nothing_may_fit() {
    let domain = domain(
        r#"{"routes":[{"match":{"path":"/in","headers":[{"name":"x-debug","present":false}]},"to":[{"job":"a"}]}]}"#,
    );
    assert_eq!(job(&domain, "GET", "/in", &[]), "a");
    assert_eq!(job(&domain, "GET", "/in", &[("x-debug", "")]), "none");
    assert_eq!(job(&domain, "GET", "/", &[]), "none");
    assert!(domain.route(&PlainGet("/in/x")).is_some());
}

#[test]
fn a_redirect_is_nobody_s_turn() {
    let domain = domain(
        r#"{"routes":[{"match":{"path":"/old"},"redirect":{"prefix":"/new"}},{"to":[{"job":"a"}]}],
            "https":"redirect","hsts":{"max_age":"1d"}}"#,
    );
    let route = domain.route(&PlainGet("/old/x")).unwrap();
    assert!(route.next(0).is_none() && route.legs().is_empty());
    let asked = crate::policy::Asked { https: true, host: "a.b", target: "/old/x" };
    assert_eq!(route.redirect().unwrap().location(&asked), "https://a.b/new/x");
    assert!(domain.https_redirect);
    assert_eq!(domain.hsts.as_deref(), Some("max-age=86400"));
}

#[test]
fn a_preflight_takes_the_route_of_what_it_announces() {
    let domain = domain(
        r#"{"routes":[{"match":{"method":["PUT"]},"to":[{"job":"writes"}],"cors":{"origins":["*"]}},
            {"to":[{"job":"all"}]}]}"#,
    );
    let found = |method: &str, headers: &[(&str, &str)]| {
        let route = domain.preflight(&Request { method, path: "/", headers });
        route.map(|route| route.legs()[0].job.to_string())
    };
    let origin = ("origin", "https://a.b");
    let announces = |method| [origin, ("access-control-request-method", method)];
    assert_eq!(found("OPTIONS", &announces("PUT")).as_deref(), Some("writes"));
    assert_eq!(found("OPTIONS", &announces("GET")), None, "its route has no cors");
    assert_eq!(found("OPTIONS", &announces("PUT")[1..]), None);
    assert_eq!(found("OPTIONS", &[origin]), None);
    assert_eq!(found("PUT", &announces("PUT")), None);
}

proptest! {
    /// Against the plainest way to say it: all that hold, the best of them.
    #[test]
    fn the_best_of_those_that_hold_is_taken(
        routes in prop::collection::vec(("(/|/a|/a/b|/b)", any::<bool>(), any::<bool>()), 1..8),
        path in "(/|/a|/a/b|/a/b/c|/ab|/b)", put: bool, header: bool,
    ) {
        let mut unique: Vec<(String, bool, bool)> = Vec::new();
        for route in routes {
            if !unique.contains(&route) {
                unique.push(route);
            }
        }
        let json: Vec<_> = unique.iter().enumerate().map(|(i, (path, put, header))| {
            let mut matches = serde_json::json!({ "path": path });
            if *put {
                matches["method"] = serde_json::json!(["PUT"]);
            }
            if *header {
                matches["headers"] = serde_json::json!([{ "name": "x", "present": true }]);
            }
            serde_json::json!({ "match": matches, "to": [{ "job": format!("j{i}") }] })
        }).collect();
        let domain = domain(&serde_json::json!({ "routes": json }).to_string());
        let under = |prefix: &str| {
            let prefix = prefix.trim_end_matches('/');
            path == prefix || path.starts_with(&format!("{prefix}/"))
        };
        let expected = unique.iter().enumerate()
            .filter(|(_, (prefix, wants, has))| under(prefix) && (!wants || put) && (!has || header))
            .max_by_key(|(i, (prefix, wants, has))| (prefix.len(), *wants, *has, std::cmp::Reverse(*i)))
            .map_or("none".to_owned(), |(i, _)| format!("j{i}"));
        let headers: &[(&str, &str)] = if header { &[("x", "1")] } else { &[] };
        prop_assert_eq!(job(&domain, if put { "PUT" } else { "GET" }, &path, headers), expected);
    }
}
