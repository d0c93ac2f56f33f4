//! HTTP by Host on the entrypoint, and what a wrong Host is told.

use roundhouse_tests::{Gateway, Job, SOON, eventually, http, seen};

use crate::answer;

#[test]
fn an_http_job_is_reached_by_every_form_of_its_name() {
    let gateway = Gateway::start();
    let _blog = Job::new(&gateway.url(), "coding-blog", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("coding-blog", 1);
    let expected = format!("coding-blog {}:9090", gateway.net.app(0));
    for host in [
        "coding-blog.jobs",
        "CODING-BLOG.Jobs",
        "coding-blog.jobs.coding.net",
        "coding-blog.jobs.coding.net.",
        "coding-blog.jobs:8080",
        "main.coding-blog.jobs",
    ] {
        let body = answer(gateway.http(), host);
        assert!(body.starts_with(&expected), "{host}: {body}");
    }
    // At its VIP the address chooses; the Host passes through.
    let vip = std::net::SocketAddr::new(gateway.vip("coding-blog"), 9090);
    let body = answer(vip, "anything.example");
    assert!(body.starts_with(&expected), "{body}");
}

#[test]
fn no_route_and_no_backend_are_told_apart_with_a_hint() {
    let gateway = Gateway::start();
    gateway.put_job("app2", 1111, "tcp");
    gateway.put_job("lonely", 8080, "http");
    gateway.vip("lonely");
    let ask = |host: &str| http::get(gateway.http(), host, "/").unwrap();

    let tcp = ask("app2.jobs");
    assert_eq!((tcp.status, tcp.header("x-roundhouse-reason")), (404, Some("no-route")));
    assert!(tcp.body.contains("dial app2.jobs.coding.net:1111"), "{}", tcp.body);

    let unknown = ask("nobody.jobs");
    assert_eq!((unknown.status, unknown.header("x-roundhouse-reason")), (404, Some("no-route")));
    assert!(unknown.body.contains("no job is called `nobody`"), "{}", unknown.body);
    assert!(ask("example.com").body.contains("no domain"));

    let alone = ask("lonely.jobs");
    assert_eq!((alone.status, alone.header("x-roundhouse-reason")), (503, Some("no-backend")));
    assert!(alone.body.contains("no instance is up"), "{}", alone.body);
}

#[test]
fn a_domain_leads_to_its_job_as_soon_as_it_is_written() {
    let gateway = Gateway::start();
    let _blog = Job::new(&gateway.url(), "coding-blog", gateway.net.app(0), 9090).http().start();
    let _api = Job::new(&gateway.url(), "api", gateway.net.app(1), 9091).http().start();
    gateway.wait_healthy("coding-blog", 1);
    gateway.wait_healthy("api", 1);
    let reply = gateway.call(
        "PUT",
        "/v1/domains/blog.coding.net",
        r#"{"routes":[{"to":[{"job":"coding-blog"}]},{"match":{"path":"/api"},"to":[{"job":"api"}]}]}"#,
    );
    assert_eq!(reply.status, 201, "{reply:?}");
    let path = |path: &str| http::get(gateway.http(), "blog.coding.net", path).unwrap().body;
    eventually(SOON, "the domain serves", || seen(path("/"), |body| body.starts_with("coding-blog ")));
    assert!(path("/api/v1").starts_with("api "));
    assert!(path("/apis").starts_with("coding-blog "));

    assert_eq!(gateway.call("DELETE", "/v1/domains/blog.coding.net", "").status, 200);
    eventually(SOON, "the domain is gone", || seen(path("/"), |body| body.starts_with("no-route")));
}

#[test]
fn bodies_go_both_ways_and_the_instance_learns_who_asks() {
    let gateway = Gateway::start();
    let _blog = Job::new(&gateway.url(), "blog", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("blog", 1);
    let body = "x".repeat(300_000);
    let mut connection = http::Connection::open(gateway.http()).unwrap();
    let echoed = connection.request("POST", "blog.jobs", "/", &body).unwrap();
    assert_eq!((echoed.status, echoed.body.len()), (200, body.len()));
    // The connection is good for another request.
    assert_eq!(connection.get("blog.jobs", "/").unwrap().status, 200);
}
