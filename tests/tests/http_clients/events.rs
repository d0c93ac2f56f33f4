//! Server-sent events: one by one while the stream is open, and an orderly end when the gateway goes.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use roundhouse_tests::{Server, Signal, dial};
use tokio::time::timeout;

use crate::frames::{DATA, Frames, PING, frame, get};
use crate::http2::{Http2, LONG};
use crate::origin::h1::read_head;
use crate::stage::Stage;

/// An instance that tells what the test tells it.
fn teller(address: SocketAddr) -> (Server, Sender<String>) {
    let (tell, told) = channel::<String>();
    let told = Mutex::new(told);
    let server = Server::start(address, move |stream| {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(head)) = read_head(&mut stream) {
            let out = stream.get_mut();
            if !head[0].contains("/events") {
                let _ = out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                continue;
            }
            let _ = out.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
            );
            for event in told.lock().unwrap().iter() {
                let event = format!("data: {event}\n\n");
                if write!(out, "{:x}\r\n{event}\r\n", event.len()).is_err() {
                    return;
                }
            }
            return;
        }
    });
    (server, tell)
}

#[test]
fn over_http_1_each_event_comes_when_it_is_told() {
    let mut stage = Stage::start();
    let (_server, tell) = teller(stage.app(0));
    stage.job("web", "", &[stage.app(0)]);
    let mut client = BufReader::new(dial(stage.gateway.http()));
    client.get_mut().write_all(b"GET /events HTTP/1.1\r\nhost: web.jobs\r\n\r\n").unwrap();
    read_head(&mut client).unwrap().expect("the head comes before any event");
    let mut line = || {
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    for n in 0..20 {
        tell.send(format!("event {n}")).unwrap();
        let size = line();
        assert_eq!(usize::from_str_radix(&size, 16), Ok(format!("data: event {n}\n\n").len()));
        assert_eq!((line(), line(), line()), (format!("data: event {n}"), String::new(), String::new()));
    }
    // The end that its framing has: the client connects again, elsewhere.
    stage.gateway.process().signal(Signal::TERM);
    assert_eq!((line(), line()), ("0".to_owned(), String::new()));
    stage.gateway.stopped();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_2_each_event_comes_when_it_is_told() {
    let mut stage = Stage::start();
    let (_server, tell) = teller(stage.app(0));
    stage.job("web", "", &[stage.app(0)]);
    let client = Http2::dial_tls(&stage, "web.jobs").await;
    let request = http::Request::get("https://web.jobs/events").body(()).unwrap();
    let (response, _) = client.sender.clone().ready().await.unwrap().send_request(request, true).unwrap();
    let mut body = timeout(LONG, response).await.unwrap().unwrap().into_body();
    for n in 0..20 {
        tell.send(format!("event {n}")).unwrap();
        let event = timeout(LONG, body.data()).await.unwrap().expect("it goes on").unwrap();
        assert_eq!(event, format!("data: event {n}\n\n"));
        // The connection serves others meanwhile.
        assert_eq!(client.get("https://web.jobs/").await.unwrap().text(), "ok");
    }
    stage.gateway.process().signal(Signal::TERM);
    let last = timeout(LONG, body.data()).await.unwrap();
    assert!(last.is_none_or(|last| last.is_ok_and(|bytes| bytes.is_empty())) && body.is_end_stream());
    timeout(LONG, client.running).await.expect("the connection ends").unwrap().unwrap();
    stage.gateway.stopped();
}

/// Whoever is told to go answers that, or asks for more room, after the gateway's last word: a reset would be all he
/// gets for it, and might be all he gets at all.
#[test]
fn over_http_2_a_client_is_heard_out() {
    let mut stage = Stage::start();
    let (_server, tell) = teller(stage.app(0));
    stage.job("web", "", &[stage.app(0)]);
    let mut client = Frames::dial(stage.gateway.http());
    client.send(&get(1, "/events")).unwrap();
    tell.send("the only one".to_owned()).unwrap();
    assert_eq!(client.wait(DATA).payload, b"data: the only one\n\n");
    stage.gateway.process().signal(Signal::TERM);
    assert_eq!(client.farewell(), Some(0), "it ends in order");
    for n in 0..5_000 {
        client.send(&frame(PING, 0, 0, b"who's it")).unwrap_or_else(|error| panic!("word {n}: {error}"));
    }
    drop(client);
    stage.gateway.stopped();
}
