//! Clients, instances and operators at their most awkward; the gateway stays fair to everybody else.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use roundhouse_tests::http::{self, Connection};
use roundhouse_tests::{Gateway, Job, RawInstance, SOON, Signal, eventually, seen};

use crate::answer;

#[test]
fn an_answer_before_the_end_of_the_request_holds_nobody_else_up() {
    let gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "early", 0, 9090);
    let mut slow = Connection::open(gateway.http()).unwrap();
    slow.send(b"POST / HTTP/1.1\r\nhost: early.jobs\r\ncontent-length: 1000\r\n\r\nx").unwrap();
    let mut exchange = instance.accept();
    exchange.read_head();
    exchange.answer("early");
    assert!(slow.read_line().unwrap().contains("200"));

    // The first connection is still busy with the upload. Both workers have a client that asks now.
    let serving = std::thread::spawn(move || {
        for _ in 0..4 {
            let mut exchange = instance.accept();
            assert!(exchange.read_head()[0].starts_with("GET "), "a dirty connection was reused");
            exchange.answer("fresh");
            drop(exchange);
        }
        exchange
    });
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(answer(gateway.http(), "early.jobs"), "fresh");
    }
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
    serving.join().unwrap();
}

#[test]
fn a_kept_connection_on_a_vip_follows_every_change_of_its_job() {
    let gateway = Gateway::start();
    let url = gateway.url();
    let first = Job::new(&url, "web", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("web", 1);
    let vip = SocketAddr::new(gateway.vip("web"), 9090);
    let mut kept = Connection::open(vip).unwrap();
    let old = format!("web {}:9090", gateway.net.app(0));
    assert!(kept.get("x", "/").unwrap().body.starts_with(&old));

    // Another check, another port name, then other instances: each makes the job's entry anew.
    gateway.put_job("web", 9090, "http");
    let _second = Job::new(&url, "web", gateway.net.app(1), 9090).http().start();
    gateway.wait_healthy("web", 2);
    first.signal(Signal::TERM);
    first.wait_exit(SOON);
    let new = format!("web {}:9090", gateway.net.app(1));
    for _ in 0..4 {
        let body = kept.get("x", "/").unwrap().body;
        assert!(body.starts_with(&new), "{body}");
    }
}

#[test]
fn a_closing_listener_serves_what_the_kernel_had_accepted() {
    let mut gateway = Gateway::start();
    let _web = Job::new(&gateway.url(), "web", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("web", 1);
    let vip = SocketAddr::new(gateway.vip("web"), 9090);
    // Stopped, so that connections gather in the backlogs; then told to end before it has looked at one.
    gateway.process().signal(Signal::STOP);
    let clients: Vec<_> = (0..400)
        .map(|i| {
            let mut client = Connection::open(if i % 2 == 0 { gateway.http() } else { vip }).unwrap();
            client.send(b"GET / HTTP/1.1\r\nhost: web.jobs\r\nconnection: close\r\n\r\n").unwrap();
            client
        })
        .collect();
    gateway.process().signal(Signal::TERM);
    gateway.process().signal(Signal::CONT);
    let answered = clients.into_iter().filter_map(|mut client| client.read_to_end().ok());
    assert_eq!(answered.filter(|answer| answer.starts_with("HTTP/1.1 200")).count(), 400);
    gateway.stopped();
}

#[test]
fn a_client_that_leaves_an_event_stream_is_noticed() {
    let gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "events", 0, 9090);
    let mut clients = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut client = Connection::open(gateway.http()).unwrap();
        client.send(b"GET / HTTP/1.1\r\nhost: events.jobs\r\n\r\n").unwrap();
        let mut exchange = instance.accept();
        exchange.read_head();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        exchange.stream.get_mut().write_all(head.as_bytes()).unwrap();
        assert!(client.read_line().unwrap().contains("200"));
        clients.push(client);
        streams.push(exchange);
    }
    let open = || gateway.job("events")["instances"][0]["open"].as_u64();
    assert_eq!(open(), Some(4));
    drop(clients);
    eventually(SOON, "nobody is left on the streams", || seen(open(), |open| *open == Some(0)));
    // The instance learns it too.
    for mut exchange in streams {
        assert_eq!(exchange.stream.read(&mut [0; 64]).unwrap_or(0), 0);
    }
}

#[test]
fn a_client_that_stops_reading_is_let_go() {
    let mut gateway = Gateway::prepared("embedded", "[limits]\nbody_idle = \"500ms\"");
    gateway.run();
    let instance = RawInstance::start(&gateway, "bulk", 0, 9090);
    let mut client = Connection::open(gateway.http()).unwrap();
    client.send(b"GET / HTTP/1.1\r\nhost: bulk.jobs\r\n\r\n").unwrap();
    let mut exchange = instance.accept();
    exchange.read_head();
    let sending = std::thread::spawn(move || {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
        exchange.stream.get_mut().write_all(head.as_bytes()).unwrap();
        // Until the gateway gives up on its client, and with it on us.
        while exchange.stream.get_mut().write_all(&[0; 65536]).is_ok() {}
    });
    eventually(SOON, "the instance is let go", || {
        seen(gateway.job("bulk")["instances"][0]["open"].as_u64(), |open| *open == Some(0))
    });
    sending.join().unwrap();
}

#[test]
fn a_renamed_port_stays_reachable() {
    let gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "web", 0, 9090);
    let vip = SocketAddr::new(gateway.vip("web"), 9090);
    let renamed =
        r#"{"jobname":"job.web","ports":[{"name":"other","port":9090,"protocol":"http"}],"check":null}"#;
    assert_eq!(gateway.call("PUT", "/v1/jobs/web", renamed).status, 200);
    eventually(SOON, "the port has its new name", || {
        seen(gateway.job("web"), |job| job["ports"][0]["name"] == "other")
    });
    // Nobody serves a port of that name; that it is said proves that somebody listens, all along.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(500) {
        let reply = http::get(vip, "x", "/").unwrap();
        assert!(matches!(reply.status, 200 | 503), "{reply:?}");
    }
    assert!(
        !gateway.process().stderr().contains("not reachable at its VIP"),
        "{}",
        gateway.process().stderr()
    );
    drop(instance);
}

#[test]
fn a_get_keeps_its_chunked_body_and_a_vip_its_host_rules() {
    let gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "search", 0, 9200);
    let vip = SocketAddr::new(gateway.vip("search"), 9200);
    let mut client = Connection::open(vip).unwrap();
    client
        .send(
            b"GET /_search HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nquery\r\n0\r\n\r\n",
        )
        .unwrap();
    let mut exchange = instance.accept();
    let head = exchange.read_head();
    assert!(head.iter().any(|line| line == "transfer-encoding: chunked"), "{head:?}");
    assert_eq!(exchange.read_exact(15), "5\r\nquery\r\n0\r\n\r\n");
    exchange.answer("found");
    assert!(client.read_line().unwrap().contains("200"));

    let refused = |head: &str| {
        let mut client = Connection::open(vip).unwrap();
        client.send(head.as_bytes()).unwrap();
        client.read_line().unwrap()
    };
    assert!(refused("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n").contains("400"));
    assert!(refused("GET / HTTP/1.1\r\n\r\n").contains("400"));
    assert!(
        refused("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
            .contains("400")
    );

    // HTTP/1.0 knows no Host; the instance is told the name that leads to it.
    let mut old = Connection::open(vip).unwrap();
    old.send(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let head = exchange.read_head();
    assert!(head.iter().any(|line| line == "host: search.jobs.coding.net:9200"), "{head:?}");
    exchange.answer("old");
    assert!(old.read_line().unwrap().contains("200"));
}

#[test]
fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    let gateway = Gateway::start();
    for _ in 0..10 {
        let mut client = Connection::open(gateway.http()).unwrap();
        let body = vec![b'x'; 3_000_000];
        client.send(b"POST / HTTP/1.1\r\nhost: nobody.jobs\r\ncontent-length: 3000000\r\n\r\n").unwrap();
        client.send(&body).unwrap();
        assert!(client.read_line().unwrap().contains("404"));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "stuck", 0, 9090);
    let mut client = Connection::open(gateway.http()).unwrap();
    client.send(b"GET / HTTP/1.1\r\nhost: stuck.jobs\r\n\r\n").unwrap();
    let mut exchange = instance.accept();
    exchange.read_head();
    gateway.process().signal(Signal::TERM);
    gateway.process().wait_line(SOON, "draining");
    let began = Instant::now();
    gateway.process().signal(Signal::TERM);
    gateway.stopped();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}
