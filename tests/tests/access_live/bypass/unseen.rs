//! Where the gateway does not look into requests, or has to refuse in another protocol's words.

use std::io::Write as _;

use roundhouse_tests::http::Connection;
use roundhouse_tests::strict::Message;
use roundhouse_tests::{End, Recorder, knock, try_dial};

use crate::ask::Ask;
use crate::stage::{EVIL, READER, STRANGER, Stage, WEB, rule, write};

/// A `tcp` entrypoint passes bytes on as they are, so nobody could tell which of them ask for what is forbidden.
#[test]
fn bytes_as_they_are_do_not_go_around_a_rule_with_a_path() {
    let stage = Stage::start();
    let raw = stage.gateway.put_entrypoint("raw", 7100, r#""protocol":"tcp","job":"shop""#);
    stage.gateway.wait_listening(raw);
    let refused = |stage: &Stage, host| {
        let (said, end) = knock(Some(stage.address(host)), raw);
        assert_eq!((said, end), (Vec::new(), End::Reset), "{host}");
        assert!(stage.shop.take().is_empty());
    };
    for host in [WEB, READER, EVIL, STRANGER] {
        refused(&stage, host);
    }
    let gone = write(&stage.gateway, "DELETE", "/v1/rules/deny-admin", "");
    stage.in_force(gone);
    // What allows some requests allows none that are not seen.
    for host in [READER, EVIL, STRANGER] {
        refused(&stage, host);
    }
    let mut web = Connection::open_from(stage.address(WEB), raw).unwrap();
    assert_eq!(web.get("any.example", "/admin").unwrap().status, 200);
    let got = stage.shop.take_whole();
    // Nobody puts anything into bytes that are passed on.
    assert!(got.len() == 1 && got[0].field("x-jobname").is_none(), "{got:?}");
    drop(web);
    stage.gateway.wait_reason("denied", 7);
}

/// gRPC's clients look at nothing but the status in the fields (gRPC over HTTP2, "Responses").
#[test]
fn grpc_is_refused_with_its_own_status() {
    let stage = Stage::start();
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    for (from, target) in
        [(EVIL, "/public"), (STRANGER, "/public"), (WEB, "/admin"), (READER, "/other.Api/Call")]
    {
        let ask = Ask { method: "POST", target, fields: &fields, ..Ask::of(&stage, from) };
        let reply = ask.over_http2(&stage).unwrap();
        assert_eq!((reply.status, reply.header("grpc-status")), (200, Some("7")), "{reply:?}");
        let message = reply.header("grpc-message").unwrap();
        assert!(!message.contains("deny-admin") && !message.contains("job.web"), "{message}");
        assert!(stage.shop.take().is_empty());
    }
    let ask = Ask { method: "POST", fields: &fields, ..Ask::of(&stage, WEB) };
    assert_eq!(ask.over_http2(&stage).unwrap().body, "seen");
}

/// A refusal says that it is one, and nothing of the rules.
#[test]
fn a_refusal_gives_nothing_away() {
    let stage = Stage::start();
    for (from, target) in [(EVIL, "/public"), (STRANGER, "/x"), (WEB, "/admin"), (READER, "/x")] {
        let ask = Ask { target, ..Ask::of(&stage, from) };
        for reply in [ask.over_http1(&stage).unwrap(), ask.over_http2(&stage).unwrap()] {
            assert_eq!(reply.status, 403);
            for secret in ["deny-admin", "allow-web", "allow-reader", "job.web", "job.evil", "guard", "127."]
            {
                let text = format!("{reply:?}");
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
}

/// The next request on a connection that was let in is another question.
#[test]
fn a_connection_that_was_let_in_is_asked_again_at_each_request() {
    let stage = Stage::start();
    let open = |host| Connection::open_from(stage.address(host), stage.gateway.http()).unwrap();
    let (mut web, mut other) = (open(WEB), open(WEB));
    for _ in 0..2 {
        assert_eq!(web.get("shop.jobs", "/x").unwrap().status, 200);
        assert_eq!(web.get("shop.jobs", "/admin").unwrap().status, 403);
        assert_eq!(web.get("shop.jobs", "/x/../admin").unwrap().status, 403);
    }
    assert_eq!(other.get("shop.jobs", "/x").unwrap().status, 200);
    assert_eq!(stage.shop.take_whole().len(), 3);
    let denied = stage.rule("deny-web", r#""from":{"jobname":"job.web"},"action":"deny""#);
    stage.in_force(denied);
    // On the very connections, which were at rest.
    for connection in [&mut web, &mut other] {
        assert_eq!(connection.get("shop.jobs", "/x").unwrap().status, 403);
        assert_eq!(connection.get("shop.jobs", "/public").unwrap().status, 403);
    }
    assert!(stage.shop.take().is_empty());
    stage.in_force(write(&stage.gateway, "DELETE", "/v1/rules/deny-web", ""));
    assert_eq!(web.get("shop.jobs", "/x").unwrap().status, 200);
}

/// Requests that come all at once are decided one by one.
#[test]
fn pipelined_requests_are_decided_one_by_one() {
    let stage = Stage::start();
    let mut stream = try_dial(Some(stage.address(WEB)), stage.gateway.http()).unwrap();
    let paths = ["/a", "/admin", "/b", "/%61dmin", "/c"];
    let requests: String = paths
        .iter()
        .map(|path| {
            let last = if *path == "/c" { "connection: close\r\n" } else { "" };
            format!("GET {path} HTTP/1.1\r\nhost: shop.jobs\r\n{last}\r\n")
        })
        .collect();
    stream.write_all(requests.as_bytes()).unwrap();
    let (said, _) = roundhouse_tests::read_to_its_end(&mut stream);
    let answers = roundhouse_tests::strict::responses(&said, &["GET"; 5]);
    let statuses: Vec<u16> = answers.iter().map(Message::status).collect();
    assert_eq!(statuses, [200, 403, 200, 403, 200]);
    let got = stage.shop.take_whole();
    let targets: Vec<&str> = got.iter().map(Message::target).collect();
    assert_eq!(targets, ["/a", "/b", "/c"]);
}

/// A rule to the job that a domain's leg leads to is that job's, whichever other legs there are.
#[test]
fn each_leg_of_a_route_has_its_own_rules() {
    let stage = Stage::start();
    let other = Recorder::start(&stage.gateway, "other", 8);
    let own =
        rule(&stage.gateway, "other", "allow-other", r#""from":{"jobname":"job.evil"},"action":"allow""#);
    stage.in_force(own);
    let record = r#"{"routes":[{"to":[{"job":"shop"},{"job":"other"}]}]}"#;
    assert_eq!(stage.gateway.call("PUT", "/v1/domains/both.example", record).status, 201);
    let ask = |from| Ask { host: "both.example", ..Ask::of(&stage, from) }.over_http1(&stage).unwrap().status;
    roundhouse_tests::eventually(roundhouse_tests::SOON, "the domain is known", || ask(STRANGER) == 403);
    for (from, wrong) in [(WEB, &other), (EVIL, &stage.shop)] {
        let _ = wrong.take();
        let mut statuses: Vec<u16> = (0..10).map(|_| ask(from)).collect();
        assert!(wrong.take().is_empty());
        statuses.sort_unstable();
        statuses.dedup();
        assert_eq!(statuses, [200, 403], "{from}");
    }
}
