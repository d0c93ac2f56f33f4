//! The shop under every name that leads to it.

use std::net::SocketAddr;

use roundhouse_tests::{SOON, eventually, http, seen};

use crate::ask::{Ask, Verdict, Version};
use crate::stage::{EVIL, READER, STRANGER, Stage, WEB};

const DOMAIN: &str = "shop.example.org";

/// The domain leads to the shop; `routes`: more of its routes.
fn domain(stage: &Stage, routes: &str) {
    let record = format!(r#"{{"routes":[{{"to":[{{"job":"shop"}}]}}{routes}]}}"#);
    assert_eq!(stage.gateway.call("PUT", &format!("/v1/domains/{DOMAIN}"), &record).status, 201);
    eventually(SOON, "the domain leads somewhere", || {
        seen(http::get(stage.gateway.http(), DOMAIN, "/").unwrap(), |reply| reply.status == 403)
    });
}

#[track_caller]
fn is_guarded(stage: &Stage, ask: Ask<'_>) {
    for version in [Version::Http1, Version::Http2] {
        is_guarded_in(version, stage, ask);
    }
}

#[track_caller]
fn is_guarded_in(version: Version, stage: &Stage, ask: Ask<'_>) {
    for (from, verdict) in [
        (WEB, Verdict::Passes("job.web")),
        (READER, Verdict::Passes("job.reader")),
        (EVIL, Verdict::Denied),
        (STRANGER, Verdict::Denied),
    ] {
        Ask { from, ..ask }.is_in(version, stage, verdict);
    }
}

#[test]
fn every_spelling_of_a_name_leads_to_the_same_rules() {
    let stage = Stage::start();
    domain(&stage, "");
    for host in [
        "shop.jobs",
        "SHOP.jobs",
        "shop.JOBS",
        "shop.jobs.",
        "shop.jobs:8080",
        "shop.jobs.:8080",
        "shop.jobs:1",
        "shop.jobs:",
        "shop.jobs.coding.net",
        "Shop.Jobs.Coding.Net.",
        // Its JOBNAME, and with the port's name.
        "shop.store.coding.jobs",
        "SHOP.Store.Coding.jobs.coding.net",
        "main.shop.jobs",
        DOMAIN,
        "SHOP.example.ORG.",
        "shop.example.org:8080",
    ] {
        let ask = Ask { host, ..Ask::of(&stage, WEB) };
        is_guarded(&stage, ask);
        Ask { target: "/admin", ..ask }.is(&stage, Verdict::Denied);
    }
}

/// At its own address a job is served whatever the Host says, and so it is guarded.
#[test]
fn at_its_own_address_no_host_leads_around() {
    let stage = Stage::start();
    domain(&stage, "");
    let vip = stage.vip.to_string();
    for host in [&*vip, "shop.jobs", "evil.jobs", "nobody.example", DOMAIN, "localhost", "[::1]"] {
        let ask = Ask { to: stage.vip, host, ..Ask::of(&stage, WEB) };
        is_guarded(&stage, ask);
        Ask { target: "/admin", ..ask }.is(&stage, Verdict::Denied);
    }
}

/// RFC 9112, 3.2.2: the target's authority counts, whatever the Host.
#[test]
fn a_whole_url_as_the_target_leads_to_the_same_rules() {
    let stage = Stage::start();
    domain(&stage, "");
    for target in [
        "http://shop.jobs/public",
        "HTTP://Shop.Jobs:8080/public",
        "https://shop.jobs/public",
        "http://shop.example.org/public",
        "http://shop.store.coding.jobs./public",
    ] {
        for host in ["shop.jobs", "evil.jobs", "nobody.example"] {
            is_guarded_in(Version::Http1, &stage, Ask { target, host, ..Ask::of(&stage, WEB) });
        }
        let admin = target.replace("/public", "/admin");
        Ask { target: &admin, ..Ask::of(&stage, WEB) }.is_in(Version::Http1, &stage, Verdict::Denied);
    }
    // Of whoever would hide one behind the other it is not known what it means.
    for target in ["http://web@shop.jobs/public", "ftp://shop.jobs/public", "shop.jobs/public"] {
        Ask { target, ..Ask::of(&stage, WEB) }.is_in(Version::Http1, &stage, Verdict::Refused);
    }
}

#[test]
fn two_hosts_are_none() {
    let stage = Stage::start();
    let fields = [("host", "shop.jobs")];
    for host in ["shop.jobs", "evil.jobs"] {
        let ask = Ask { host, fields: &fields, ..Ask::of(&stage, WEB) };
        ask.is_in(Version::Http1, &stage, Verdict::Refused);
    }
    let other = Ask { fields: &[("host", "evil.jobs")], ..Ask::of(&stage, WEB) };
    other.is_in(Version::Http2, &stage, Verdict::Refused);
    let same = Ask { fields: &[("host", "SHOP.jobs")], ..Ask::of(&stage, WEB) };
    same.is_in(Version::Http2, &stage, Verdict::Passes("job.web"));
}

/// What is decided about is what the instance will be asked for.
#[test]
fn a_route_that_rewrites_leads_to_the_rules_of_where_it_leads() {
    let stage = Stage::start();
    domain(
        &stage,
        r#",{"match":{"path":"/tools"},"to":[{"job":"shop"}],"rewrite":{"prefix":"/admin"}},
            {"match":{"path":"/admin"},"to":[{"job":"shop"}],"rewrite":{"prefix":"/public"}},
            {"match":{"path":"/blog"},"to":[{"job":"shop"}],"rewrite":{"prefix":"/"}}"#,
    );
    let at = |from, target| Ask { host: DOMAIN, target, ..Ask::of(&stage, from) };
    for target in [
        "/tools",
        "/tools/",
        "/tools/x?y",
        "/%74ools/x",
        "//tools",
        "/x/../tools",
        "/blog/admin",
        "/blog//admin",
        "/blog/%61dmin",
        "/blog/x/../admin",
        "/blog/admin;a=1",
    ] {
        at(WEB, target).is(&stage, Verdict::Denied);
    }
    for (target, asked) in [("/admin", "/public"), ("/admin/x?y", "/public/x?y"), ("/blog/public", "/public")]
    {
        for (from, name) in [(WEB, "job.web"), (READER, "job.reader")] {
            for version in [Version::Http1, Version::Http2] {
                let got = at(from, target).is_in(version, &stage, Verdict::Passes(name));
                assert_eq!(got.expect("it passed").target(), asked);
            }
        }
        at(EVIL, target).is(&stage, Verdict::Denied);
    }
    at(READER, "/blog/x").is(&stage, Verdict::Denied);
    at(READER, "/admin/../blog/x").is(&stage, Verdict::Denied);
    at(WEB, "/blog/x").is(&stage, Verdict::Passes("job.web"));
}

/// A job that is open leads nobody to one that is not.
#[test]
fn an_open_job_s_connection_does_not_open_another_job() {
    let stage = Stage::start();
    let open = roundhouse_tests::Recorder::start(&stage.gateway, "open", 7);
    for from in [EVIL, STRANGER] {
        let address = stage.address(from);
        let mut connection =
            roundhouse_tests::http::Connection::open_from(address, stage.gateway.http()).unwrap();
        for _ in 0..3 {
            assert_eq!(connection.get("open.jobs", "/public").unwrap().status, 200);
            assert_eq!(connection.get("shop.jobs", "/public").unwrap().status, 403);
        }
    }
    assert_eq!(open.take_whole().len(), 6);
    assert!(stage.shop.take().is_empty());
    let to = SocketAddr::new(stage.gateway.vip("open"), 9090);
    roundhouse_tests::eventually(SOON, "it listens", || roundhouse_tests::listens(to));
    // There the Host does not lead away from it.
    assert_eq!(http::get(to, "shop.jobs", "/").unwrap().status, 200);
    assert!(stage.shop.take().is_empty() && open.take_whole().len() == 1);
}
