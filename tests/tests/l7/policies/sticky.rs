//! Clients that stay with their instance.

use std::collections::HashSet;

use roundhouse_tests::recorder::answer;
use roundhouse_tests::{Gateway, Recorder, SOON, eventually};

use super::{ask, put_domain};

const HOST: &str = "sticky.example.org";

#[test]
fn a_cookie_leads_back_as_long_as_its_instance_is_there() {
    let gateway = Gateway::start();
    let names = ["one", "two", "three"];
    let instances: Vec<Recorder> = names
        .into_iter()
        .enumerate()
        .map(|(n, name)| Recorder::answering(&gateway, "app", n as u8, move |_| answer(name)))
        .collect();
    gateway.wait_up("app", 3);
    put_domain(
        &gateway,
        HOST,
        r#"{"routes":[{"to":[{"job":"app"}],"sticky":{"cookie":"where","ttl":"1h"}}]}"#,
    );

    let mut cookies: Vec<(String, String)> = Vec::new();
    for _ in 0..12 {
        let reply = ask(&gateway, "GET", HOST, "/", &[]);
        let set = reply.header("set-cookie").expect("a new client gets one").to_owned();
        assert!(
            set.starts_with("where=") && set.contains("; Path=/") && set.contains("; Max-Age=3600"),
            "{set}"
        );
        assert!(set.contains("; HttpOnly") && !set.contains("Secure"), "{set}");
        cookies.push((set.split(';').next().unwrap().to_owned(), reply.body));
    }
    let met: HashSet<&str> = cookies.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(met, names.into_iter().collect());
    for _ in 0..3 {
        for (cookie, name) in &cookies {
            let reply = ask(&gateway, "GET", HOST, "/", &[("Cookie", &format!("a=b; {cookie}; c=d"))]);
            assert_eq!((&reply.body, reply.header("set-cookie")), (name, None));
        }
    }
    // One that says nothing, or nobody, is a new client's.
    for cookie in ["where=", "where=nobody", "where=00000000-0000-4000-8000-000000000001", "elsewhere=1"] {
        let reply = ask(&gateway, "GET", HOST, "/", &[("Cookie", cookie)]);
        assert!(reply.status == 200 && reply.header("set-cookie").is_some(), "{cookie}");
    }
    // An instance that has gone is another's work from then on.
    let (cookie, name) = cookies.remove(0);
    let id = cookie.strip_prefix("where=").unwrap();
    assert_eq!(gateway.call("DELETE", &format!("/v1/instances/app/{id}"), "").status, 200);
    gateway.wait_up("app", 2);
    let reply = eventually(SOON, "it is not asked any more", || {
        let reply = ask(&gateway, "GET", HOST, "/", &[("Cookie", &cookie)]);
        if reply.body == name { Err(reply) } else { Ok(reply) }
    });
    let moved =
        reply.header("set-cookie").expect("it is told where it is now").split(';').next().unwrap().to_owned();
    assert_ne!(moved, cookie);
    for _ in 0..4 {
        assert_eq!(ask(&gateway, "GET", HOST, "/", &[("Cookie", &moved)]).body, reply.body);
    }
    drop(instances);
}
