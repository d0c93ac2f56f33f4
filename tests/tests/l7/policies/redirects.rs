//! Answers that name another URL.

use roundhouse_tests::Gateway;

use super::{ask, get, put_domain};
use crate::Stage;

#[track_caller]
fn leads(gateway: &Gateway, host: &str, path: &str, status: u16, location: &str) {
    let reply = get(gateway, host, path);
    assert_eq!((reply.status, reply.header("location")), (status, Some(location)), "{host}{path}");
    assert_eq!(reply.header("content-length"), Some("0"));
}

#[test]
fn each_part_of_a_url_is_replaced_by_itself() {
    let stage = Stage::start();
    let gateway = &stage.gateway;
    put_domain(
        gateway,
        "old.example.org",
        r#"{"routes":[
            {"match":{"path":"/prefix"},"redirect":{"prefix":"/new/","status":301}},
            {"match":{"path":"/path"},"redirect":{"path":"/whole","status":302}},
            {"match":{"path":"/host"},"redirect":{"host":"new.example.org","status":303}},
            {"match":{"path":"/port"},"redirect":{"scheme":"https","port":8443,"status":307}},
            {"redirect":{"scheme":"https","host":"new.example.org","path":"/"},
             "response_headers":{"set":{"x-why":"moved"}}}]}"#,
    );
    let host = "old.example.org";
    leads(gateway, host, "/prefix", 301, "http://old.example.org/new/");
    leads(gateway, host, "/prefix/a/b?c=d&e", 301, "http://old.example.org/new/a/b?c=d&e");
    leads(gateway, host, "/path/a?b", 302, "http://old.example.org/whole?b");
    leads(gateway, host, "/host/a?b", 303, "http://new.example.org/host/a?b");
    leads(gateway, host, "/port?", 307, "https://old.example.org:8443/port?");
    leads(gateway, host, "/else/where?a", 308, "https://new.example.org/?a");
    // Nothing in a path becomes a field or another host.
    let odd = get(gateway, host, "/prefix/%0d%0aSet-Cookie:x/%2e%2e//evil");
    assert_eq!((odd.status, odd.header("set-cookie")), (301, None));
    assert!(odd.header("location").unwrap().starts_with("http://old.example.org/new/"), "{odd:?}");
    // To whatever method, and the connection goes on where nothing was left unread.
    for method in ["HEAD", "POST", "DELETE"] {
        assert_eq!(ask(gateway, method, host, "/prefix", &[]).status, 301);
    }
    assert_eq!(stage.web.accepted(), 0);
}

#[test]
fn a_domain_can_ask_for_https() {
    let stage = Stage::start();
    let gateway = &stage.gateway;
    put_domain(
        gateway,
        "safe.example.org",
        r#"{"routes":[{"to":[{"job":"web"}]}],"https":"redirect","hsts":{"max_age":"1d"}}"#,
    );
    let reply = get(gateway, "safe.example.org:8080", "/a/../b?c");
    assert_eq!((reply.status, reply.header("location")), (308, Some("https://safe.example.org/a/../b?c")));
    assert_eq!(reply.header("strict-transport-security"), None, "RFC 6797, 7.2: not without TLS");
    assert_eq!(stage.web.accepted(), 0);
}
