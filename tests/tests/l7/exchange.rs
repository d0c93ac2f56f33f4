//! Both sides of an exchange in time: who waits for whom, who may go on, and what becomes of a side that does not.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use roundhouse_tests::strict::{self, Message};
use roundhouse_tests::{
    End, Gateway, RawInstance, Recorder, SOON, Server, dial, eventually, read_to_its_end, reset_on_close,
    seen,
};

use crate::{ask_until_closed, only};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: web.jobs\r\n\r\n";

fn with_limits(limits: &str) -> Gateway {
    let mut gateway = Gateway::prepared("embedded", &format!("[limits]\n{limits}"));
    gateway.run();
    gateway
}

fn send(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).unwrap();
}

/// Reads until what came ends with this.
#[track_caller]
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(end.as_bytes()) {
        stream
            .read_exact(&mut byte)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&said)));
        said.push(byte[0]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn leave_to_send_is_the_instance_s_to_give() {
    let gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "web", 0, 9090);
    let mut client = dial(gateway.http());
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        send(
            &mut client,
            format!("POST / HTTP/1.1\r\nHost: web.jobs\r\nExpect: 100-Continue\r\n{framing}\r\n\r\n"),
        );
        let mut exchange = instance.accept();
        let head = exchange.read_head();
        assert!(head.iter().any(|line| line.eq_ignore_ascii_case("expect: 100-continue")), "{head:?}");
        exchange.stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        assert_eq!(read_until(&mut client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        let body = if framing.contains("chunked") { "5\r\nhello\r\n0\r\n\r\n" } else { "hello" };
        send(&mut client, body);
        assert_eq!(exchange.read_exact(body.len()), body);
        exchange.stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
        assert!(read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 204 "));
    }
    // Without it: an answer at once, and nobody waits for the body.
    send(
        &mut client,
        "POST / HTTP/1.1\r\nHost: web.jobs\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    let mut exchange = instance.accept();
    exchange.read_head();
    exchange.stream.get_mut().write_all(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n").unwrap();
    let answer = only(strict::responses(&read_to_its_end(&mut client).0, &["POST"]));
    assert_eq!((answer.status(), answer.field("connection")), (417, Some("close")));
    // The instance may still wait for it, so its connection is of no use either.
    assert_eq!(exchange.stream.read(&mut [0]).unwrap(), 0);
    // A client of HTTP/1.0 does not know of it.
    let mut old = dial(gateway.http());
    send(
        &mut old,
        "POST / HTTP/1.0\r\nHost: web.jobs\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    );
    let mut exchange = instance.accept();
    let head = exchange.read_head();
    assert!(!head.iter().any(|line| line.to_lowercase().starts_with("expect")), "{head:?}");
    assert_eq!(exchange.read_exact(5), "hello");
}

#[test]
fn an_answer_that_comes_early_ends_both_connections() {
    let gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "web", 0, 9090);
    for (status, framing) in
        [(200, "Content-Length: 1000"), (413, "Content-Length: 1000"), (200, "Transfer-Encoding: chunked")]
    {
        let mut client = dial(gateway.http());
        send(&mut client, format!("POST / HTTP/1.1\r\nHost: web.jobs\r\n{framing}\r\n\r\n5\r\nhello"));
        let mut exchange = instance.accept();
        exchange.read_head();
        exchange
            .stream
            .get_mut()
            .write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nhi").as_bytes())
            .unwrap();
        // What it says next is still that body, and nobody's request.
        assert!(read_until(&mut client, "hi").starts_with(&format!("HTTP/1.1 {status} ")));
        send(&mut client, GET);
        assert_eq!(read_to_its_end(&mut client), (Vec::new(), End::Closed), "{status} {framing}");
        let mut rest = Vec::new();
        exchange.stream.read_to_end(&mut rest).unwrap();
        assert!(!String::from_utf8_lossy(&rest).contains("GET"), "{rest:?}");
    }
}

/// Bytes go both ways at once: neither side need be done first.
#[test]
fn an_answer_flows_while_the_request_does() {
    let gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "web", 0, 9090);
    let mut client = dial(gateway.http());
    send(&mut client, "POST / HTTP/1.1\r\nHost: web.jobs\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut exchange = instance.accept();
    exchange.read_head();
    exchange.stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    read_until(&mut client, "\r\n\r\n");
    for n in 0..20 {
        let chunk = format!("3\r\na{n:02}\r\n");
        send(&mut client, &chunk);
        assert_eq!(exchange.read_exact(chunk.len()), chunk);
        exchange.stream.get_mut().write_all(chunk.as_bytes()).unwrap();
        assert_eq!(read_until(&mut client, &chunk), chunk);
    }
    send(&mut client, "0\r\n\r\n");
    assert_eq!(exchange.read_exact(5), "0\r\n\r\n");
    exchange.stream.get_mut().write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(read_until(&mut client, "0\r\n\r\n"), "0\r\n\r\n");
    // All was read, so both go on.
    send(&mut client, GET);
    assert!(exchange.read_head()[0].starts_with("GET / "));
    exchange.answer("again");
    assert!(read_until(&mut client, "again").contains("200 OK"));
}

#[test]
fn a_client_that_is_gone_is_not_waited_for() {
    let gateway = Gateway::start();
    let instance = RawInstance::start(&gateway, "web", 0, 9090);
    for request in [GET, b"POST / HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: 1000\r\n\r\nhello"] {
        let mut client = dial(gateway.http());
        send(&mut client, request);
        let mut exchange = instance.accept();
        exchange.read_head();
        reset_on_close(&client);
        drop(client);
        let mut rest = Vec::new();
        // Its own connection ends too, in order or not.
        let _ = exchange.stream.read_to_end(&mut rest);
        eventually(SOON, "nothing is under way", || {
            seen(gateway.job("web")["instances"][0]["open"].as_u64(), |open| *open == Some(0))
        });
    }
    // One that has only said that it sends no more still has its answer.
    let mut client = dial(gateway.http());
    send(&mut client, GET);
    client.shutdown(Shutdown::Write).unwrap();
    let mut exchange = instance.accept();
    exchange.read_head();
    exchange.answer("late");
    assert_eq!(only(strict::responses(&read_to_its_end(&mut client).0, &["GET"])).text(), "late");
}

#[test]
fn a_head_and_a_body_have_their_time() {
    let gateway = with_limits("header_timeout = \"300ms\"\nbody_idle = \"400ms\"\nkeep_alive = \"500ms\"");
    let web = Recorder::start(&gateway, "web", 0);
    for (bytes, status) in [
        (&b"G"[..], 408),
        (b"GET / HTTP/1.1\r\nHost: web.jobs\r\n", 408),
        (b"\r\n", 408),
        (b"POST / HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: 5\r\n\r\nhell", 408),
        (b"POST / HTTP/1.1\r\nHost: web.jobs\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 408),
    ] {
        let began = Instant::now();
        let answer = only(strict::responses(&ask_until_closed(gateway.http(), bytes), &["GET"]));
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!((answer.status(), answer.field("connection")), (status, Some("close")), "{shown:?}");
        let took = began.elapsed();
        assert!((Duration::from_millis(250)..SOON / 2).contains(&took), "{shown:?}: {took:?}");
    }
    assert_eq!(ask_until_closed(gateway.http(), b""), b"", "an idle client is told nothing");
    assert_eq!(web.take_whole(), []);
    // Steady, if slowly: it takes longer than either in all, and nobody minds.
    let mut client = dial(gateway.http());
    send(&mut client, "POST / HTTP/1.1\r\nHost: web.jobs\r\nContent-Length: 12\r\n\r\n");
    let began = Instant::now();
    let (_keep, ticks) = ticking(Duration::from_millis(100));
    for _ in 0..12 {
        ticks.recv().unwrap();
        send(&mut client, "x");
    }
    assert!(read_until(&mut client, "seen").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(began.elapsed() > Duration::from_millis(900));
}

/// A clock for a peer whose slowness is what is tested.
fn ticking(every: Duration) -> (std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<()>) {
    let (tick, ticks) = std::sync::mpsc::channel();
    let (keep, kept) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Until the other end is dropped.
        while kept.recv_timeout(every) == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            && tick.send(()).is_ok()
        {}
    });
    (keep, ticks)
}

#[test]
fn an_answer_that_stands_still_is_cut() {
    let gateway = with_limits("body_idle = \"300ms\"");
    let instance = RawInstance::start(&gateway, "web", 0, 9090);
    for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut client = dial(gateway.http());
        send(&mut client, GET);
        let mut exchange = instance.accept();
        exchange.read_head();
        exchange
            .stream
            .get_mut()
            .write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhello").as_bytes())
            .unwrap();
        let (said, _) = read_to_its_end(&mut client);
        assert_eq!(strict::response(&said, "GET", true), strict::Read::More, "{head}");
        assert_eq!(exchange.stream.read(&mut [0]).unwrap_or(0), 0);
    }
}

/// An instance that serves one request a connection and ends it, without a word, when the second is there: what may be
/// sent twice goes to the other instance, and what may not is told.
#[test]
fn a_stale_connection_costs_a_get_nothing_and_a_post_its_answer() {
    let gateway = Gateway::start();
    let other = Recorder::start(&gateway, "web", 1);
    let [served, met] = [(); 2].map(|()| Arc::<AtomicU64>::default());
    let (first, second) = (served.clone(), met.clone());
    let stale = Server::start(SocketAddr::new(gateway.net.app(0), 9090), move |mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        first.fetch_add(1, Relaxed);
        send(&mut stream, roundhouse_tests::recorder::answer("seen"));
        if stream.read(&mut [0]).is_ok_and(|n| n > 0) {
            read_until(&mut stream, "\r\n\r\n");
            second.fetch_add(1, Relaxed);
        }
    });
    gateway.register("web", stale.address);
    gateway.wait_up("web", 2);
    let asked = |method: &str| {
        let mut client = dial(gateway.http());
        send(&mut client, format!("{method} / HTTP/1.1\r\nHost: web.jobs\r\nConnection: close\r\n\r\n"));
        only(strict::responses(&read_to_its_end(&mut client).0, &["GET"])).status()
    };
    let counted = || (served.load(Relaxed) + met.load(Relaxed), met.load(Relaxed));
    for _ in 0..40 {
        assert_eq!(asked("GET"), 200);
    }
    let (sent, met_by_gets) = counted();
    assert!(met_by_gets >= 1, "nobody met a stale connection");
    assert_eq!(sent + other.take_whole().len() as u64, 40 + met_by_gets, "each that met one was sent again");
    let failed = (0..40).filter(|_| asked("POST") == 502).count() as u64;
    let (sent_by_all, met_by_all) = counted();
    assert!(failed >= 1 && failed == met_by_all - met_by_gets, "{failed} {met_by_gets} {met_by_all}");
    assert_eq!(sent_by_all - sent + other.take_whole().len() as u64, 40, "none was sent twice");
    assert!(gateway.api("/v1/status").json()["totals"]["retries"].as_u64() >= Some(1));
}

/// Instances that take a request and end the connection without a word.
#[test]
fn what_may_not_be_sent_twice_is_sent_once() {
    let gateway = Gateway::start();
    let once = Arc::new(AtomicU64::new(0));
    let servers: Vec<_> = (0..3)
        .map(|n| {
            let once = once.clone();
            let address = SocketAddr::new(gateway.net.app(n), 9090);
            Server::start(address, move |mut stream| {
                read_until(&mut stream, "\r\n\r\n");
                once.fetch_add(1, Relaxed);
            })
        })
        .collect();
    gateway.write_job("web", r#""port":9090,"protocol":"http""#, "");
    for server in &servers {
        gateway.register("web", server.address);
    }
    gateway.wait_up("web", 3);
    let asked = |head: &str| {
        once.store(0, Relaxed);
        let mut client = dial(gateway.http());
        send(&mut client, format!("{head}\r\nHost: web.jobs\r\nConnection: close\r\n\r\n"));
        let answer: Message = only(strict::responses(&read_to_its_end(&mut client).0, &["GET"]));
        assert_eq!(answer.status(), 502, "{head}");
        once.load(Relaxed)
    };
    for head in [
        "POST / HTTP/1.1",
        "PATCH / HTTP/1.1",
        "REPORT / HTTP/1.1",
        "PUT / HTTP/1.1\r\nContent-Length: 0\r\nX: ",
    ] {
        let times = asked(head);
        // A PUT of nothing may be repeated; the others not.
        assert_eq!(times == 1, !head.starts_with("PUT"), "{head}: {times}");
    }
    for method in ["GET", "DELETE", "OPTIONS"] {
        assert_eq!(asked(&format!("{method} / HTTP/1.1")), 3, "{method}: each instance once");
    }
}
