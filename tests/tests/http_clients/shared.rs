//! A connection to an instance that many clients share: what becomes of the others when one stalls, or the instance
//! takes its leave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::{Request, Response};
use roundhouse_tests::{SOON, eventually, seen};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::http2::{Http2, LONG, drained};
use crate::origin::{h2::Origin, pattern};
use crate::stage::Stage;

const H2C: &str = r#""http":"h2c""#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_read_nothing_do_not_stop_those_that_do() {
    let stage = Stage::start();
    let origin = Origin::start(stage.app(0)).await;
    stage.job("web", H2C, &[stage.app(0)]);
    let mut stuck = Vec::new();
    // On both workers.
    for _ in 0..6 {
        let client = Http2::dial(stage.gateway.http()).await;
        for _ in 0..50 {
            let request = Request::get("http://web.jobs/bytes/1000000").body(()).unwrap();
            let mut sender = client.sender.clone().ready().await.unwrap();
            let (response, _) = sender.send_request(request, true).unwrap();
            stuck.push(timeout(LONG, response).await.expect("a head in time").unwrap());
        }
    }
    for _ in 0..8 {
        let client = Http2::dial(stage.gateway.http()).await;
        let answer = client.get("http://web.jobs/bytes/200000").await.unwrap();
        assert!(answer.status == 200 && answer.body == pattern(200_000), "{} bytes", answer.body.len());
    }
    // They did share.
    assert!(origin.connections.load(Relaxed) < 10, "{} connections", origin.connections.load(Relaxed));
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_takes_its_stream_back_alone() {
    let stage = Stage::start();
    let origin = Origin::start(stage.app(0)).await;
    stage.job("web", H2C, &[stage.app(0)]);
    let client = Http2::dial(stage.gateway.http()).await;
    for n in 1..=20 {
        let request = Request::get("http://web.jobs/stall").body(()).unwrap();
        let mut sender = client.sender.clone().ready().await.unwrap();
        let (response, mut stream) = sender.send_request(request, true).unwrap();
        let response = timeout(LONG, response).await.expect("a head in time").unwrap();
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        eventually(SOON, "the instance hears of it", || {
            seen(origin.cancelled.load(Relaxed), |cancelled| *cancelled == n)
        });
        assert_eq!(client.get("http://web.jobs/").await.unwrap().text(), "ok");
    }
    assert!(origin.connections.load(Relaxed) <= 2, "each has its worker's connection");
}

/// It can end by itself then, and has no deadline to wait for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_drains_is_left_once_nobody_uses_it() {
    let stage = Stage::start();
    let (old, new) = (Origin::start(stage.app(0)).await, Origin::start(stage.app(1)).await);
    stage.job("web", H2C, &[stage.app(0)]);
    let client = Http2::dial(stage.gateway.http()).await;
    let request = Request::get("http://web.jobs/stall").body(()).unwrap();
    let mut sender = client.sender.clone().ready().await.unwrap();
    let (response, mut stream) = sender.send_request(request, true).unwrap();
    let response = timeout(LONG, response).await.expect("a head in time").unwrap();

    stage.gateway.register("web", stage.app(1));
    stage.gateway.wait_up("web", 2);
    let instances = stage.gateway.api("/v1/instances/web").json();
    let is_old = |one: &&serde_json::Value| one["address"] == stage.app(0).ip().to_string();
    let id = instances.as_array().unwrap().iter().find(is_old).unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/instances/web/{id}/state");
    assert_eq!(stage.gateway.call("POST", &path, r#"{"state":"draining"}"#).status, 200);
    eventually(SOON, "the gateway has it draining", || {
        let job = stage.gateway.api("/v1/jobs/web").json();
        let drains = |one: &serde_json::Value| one["state"] == "draining";
        seen(job, |job| job["instances"].as_array().is_some_and(|all| all.iter().any(drains)))
    });
    assert_eq!(client.get("http://web.jobs/").await.unwrap().text(), "ok");
    assert_eq!((old.open.load(Relaxed), new.connections.load(Relaxed)), (1, 1));

    stream.send_reset(h2::Reason::CANCEL);
    drop(response);
    eventually(SOON, "the connection to it ends", || seen(old.open.load(Relaxed), |open| *open == 0));
}

/// Its backlog is full: connections to it are neither taken nor refused (listen(2)).
fn silent(address: SocketAddr) -> Vec<socket2::Socket> {
    let socket = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let listener = socket();
    listener.bind(&address.into()).unwrap();
    listener.listen(0).unwrap();
    let mut held = vec![listener];
    // One more than it has room for, so that the last is in vain.
    while held.len() < 8 {
        let client = socket();
        let connected = client.connect_timeout(&address.into(), std::time::Duration::from_millis(200));
        held.push(client);
        if connected.is_err() {
            return held;
        }
    }
    panic!("a backlog of 0 takes no end of connections")
}

/// Else the last of them would wait for as many connect timeouts as there are others before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_one_dial_share_its_failure() {
    let stage = Stage::start();
    let address = stage.app(0);
    let _held = tokio::task::spawn_blocking(move || silent(address)).await.unwrap();
    stage.job("web", H2C, &[address]);
    let client = Http2::dial(stage.gateway.http()).await;
    let began = std::time::Instant::now();
    let asked = (0..40).map(|_| client.get("http://web.jobs/"));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.unwrap().status, 503);
    }
    // A connect timeout is 1 s, and each request has a few.
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// Echoes bodies; `/stall` is never answered to its end. When told, it takes its leave of all (RFC 9113, 6.8).
async fn leaver(address: SocketAddr, leave: Arc<Notify>) -> tokio::task::JoinHandle<()> {
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let leave = leave.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                loop {
                    let accepted = tokio::select! {
                        accepted = connection.accept() => accepted,
                        () = leave.notified() => {
                            connection.graceful_shutdown();
                            continue;
                        }
                    };
                    let Some(Ok((request, mut respond))) = accepted else { return };
                    tokio::spawn(async move {
                        let mut out = respond.send_response(Response::new(()), false).unwrap();
                        if request.uri().path() == "/stall" {
                            let _ = std::future::poll_fn(|cx| out.poll_reset(cx)).await;
                            return;
                        }
                        let body = drained(&mut request.into_body()).await.unwrap_or_default();
                        let _ = out.send_data(body.into(), true);
                    });
                }
            });
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_takes_its_leave_gets_what_is_new_on_another_connection() {
    let stage = Stage::start();
    let leave = Arc::new(Notify::new());
    let server = leaver(stage.app(0), leave.clone()).await;
    stage.job("web", H2C, &[stage.app(0)]);
    // One connection, and so one worker and what it keeps.
    let client = Http2::dial(stage.gateway.http()).await;
    for round in 0..5 {
        // As long as this is under way the old connection stays.
        let request = Request::get("http://web.jobs/stall").body(()).unwrap();
        let mut sender = client.sender.clone().ready().await.unwrap();
        let (response, _) = sender.send_request(request, true).unwrap();
        let stalled = timeout(LONG, response).await.expect("a head in time").unwrap();
        leave.notify_waiters();
        for n in 0..50 {
            let body = Bytes::from(format!("round {round}, call {n}"));
            let answer = client.post("http://web.jobs/", body.clone(), None).await.unwrap();
            assert_eq!((answer.status, answer.body), (200, body.to_vec()));
        }
        std::mem::forget(stalled);
    }
    server.abort();
}
