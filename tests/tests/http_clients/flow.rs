//! Whoever reads slowly slows the one that writes, through the gateway and whatever is spoken: only windows and buffers
//! lie between them.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{Request, Response};
use roundhouse_tests::{SOON, Server, dial, eventually};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::http2::{Http2, room};
use crate::origin::BLOCK;
use crate::origin::h1::read_head;
use crate::stage::Stage;

const LARGE: u64 = 200 << 20;
/// What may lie between two ends: two pairs of sockets, as large as the machine lets them grow (tcp(7), tcp_rmem and
/// tcp_wmem), and beside them the gateway's own, of which a pipe of 1 MiB is the largest.
fn between() -> u64 {
    let most = |name: &str| -> u64 {
        let said = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).expect("this is Linux");
        said.split_whitespace().last().and_then(|most| most.parse().ok()).expect("three numbers")
    };
    2 * (most("tcp_rmem") + most("tcp_wmem")) + (4 << 20)
}

/// How much has gone, once no more does.
#[track_caller]
fn settled(moved: &AtomicU64) -> u64 {
    let mut last = (0, Instant::now());
    eventually(SOON * 3, "it stands still", || {
        let now = moved.load(Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
        (now > 0 && last.1.elapsed() > Duration::from_millis(700)).then_some(())
    });
    last.0
}

/// An HTTP/1.1 instance that writes as fast as it can, and counts; what it is sent it reads only when told.
fn h1(address: SocketAddr, moved: &Arc<AtomicU64>) -> Server {
    let moved = moved.clone();
    Server::start(address, move |stream| {
        let mut stream = BufReader::new(stream);
        let Ok(Some(head)) = read_head(&mut stream) else { return };
        if head[0].starts_with("POST") {
            // Until the gateway gives up.
            std::thread::park_timeout(Duration::from_secs(60));
            return;
        }
        let out = stream.get_mut();
        let _ = write!(out, "HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
        let mut left = LARGE;
        while left > 0 && out.write_all(&BLOCK).is_ok() {
            left -= BLOCK.len() as u64;
            moved.fetch_add(BLOCK.len() as u64, Relaxed);
        }
    })
}

/// The same over HTTP/2, with windows as wide as it is given them.
struct OverH2(JoinHandle<()>);

impl OverH2 {
    async fn start(address: SocketAddr, moved: &Arc<AtomicU64>) -> OverH2 {
        let listener = TcpListener::bind(address).await.unwrap();
        let moved = moved.clone();
        OverH2(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let moved = moved.clone();
                // As servers do: else the last segment of a window waits for the delayed acknowledgement of the others.
                stream.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(answer(request, respond, moved.clone()));
                    }
                });
            }
        }))
    }
}

impl Drop for OverH2 {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn answer(request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>, moved: Arc<AtomicU64>) {
    if request.method() == http::Method::POST {
        // Nothing of it is read, until the client goes.
        let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
        return;
    }
    let response = Response::builder().header("content-length", LARGE).body(()).unwrap();
    let Ok(mut out) = respond.send_response(response, false) else { return };
    let mut left = LARGE as usize;
    while left > 0 {
        let Ok(n) = room(&mut out, BLOCK.len().min(left)).await else { return };
        left -= n;
        if out.send_data(Bytes::from_static(&BLOCK[..n]), left == 0).is_err() {
            return;
        }
        moved.fetch_add(n as u64, Relaxed);
    }
}

struct Flow {
    stage: Stage,
    moved: Arc<AtomicU64>,
    _instance: (Option<Server>, Option<OverH2>),
}

impl Flow {
    async fn to(http: &str) -> Flow {
        let stage = Stage::start();
        let moved = Arc::<AtomicU64>::default();
        let instance = match http {
            "h1" => (Some(h1(stage.app(0), &moved)), None),
            _ => (None, Some(OverH2::start(stage.app(0), &moved).await)),
        };
        stage.job("web", &format!(r#""http":"{http}""#), &[stage.app(0)]);
        Flow { stage, moved, _instance: instance }
    }

    /// A client that has asked and reads nothing.
    fn stuck_h1(&self) -> TcpStream {
        let mut client = dial(self.stage.gateway.http());
        client.write_all(b"GET / HTTP/1.1\r\nhost: web.jobs\r\n\r\n").unwrap();
        client
    }
}

async fn ask(client: &Http2) -> h2::RecvStream {
    let request = Request::get("http://web.jobs/").body(()).unwrap();
    let (response, _) = client.sender.clone().ready().await.unwrap().send_request(request, true).unwrap();
    response.await.unwrap().into_body()
}

async fn a_slow_reader(http: &str) {
    let flow = Flow::to(http).await;
    let client = Http2::dial(flow.stage.gateway.http()).await;
    let mut body = ask(&client).await;
    let sent = settled(&flow.moved);
    assert!(sent < between(), "{} MiB lie between h2 and {http}", sent >> 20);
    // All of it comes once it is read.
    let mut read = 0;
    while let Some(bytes) = body.data().await {
        let bytes = bytes.unwrap();
        body.flow_control().release_capacity(bytes.len()).unwrap();
        read += bytes.len() as u64;
    }
    assert_eq!(read, LARGE);

    flow.moved.store(0, Relaxed);
    let mut client = flow.stuck_h1();
    let sent = settled(&flow.moved);
    assert!(sent < between(), "{} MiB lie between h1 and {http}", sent >> 20);
    let (mut read, mut part) = (0, vec![0; 1 << 20]);
    while read < LARGE {
        let n = client.read(&mut part).unwrap();
        assert!(n > 0, "it ends after {read} bytes");
        read += n as u64;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_slows_an_instance_of_http_1() {
    a_slow_reader("h1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_slows_an_instance_of_http_2() {
    a_slow_reader("h2c").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_slow_readers_take_little_memory() {
    for http in ["h1", "h2c"] {
        let flow = Flow::to(http).await;
        let before = flow.stage.gateway.resident();
        let client = Http2::dial(flow.stage.gateway.http()).await;
        let mut stuck = Vec::new();
        for _ in 0..60 {
            stuck.push(ask(&client).await);
        }
        let slow: Vec<TcpStream> = (0..60).map(|_| flow.stuck_h1()).collect();
        settled(&flow.moved);
        let grown = flow.stage.gateway.resident().saturating_sub(before);
        // Half a MiB for each at most, and something to begin with.
        assert!(grown < 64 << 20, "{http}: {} MiB", grown >> 20);
        drop((stuck, slow));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_does_not_read_slows_its_clients() {
    for http in ["h1", "h2c"] {
        let flow = Flow::to(http).await;
        let before = flow.stage.gateway.resident();
        let (by_h2, by_h1) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let client = Http2::dial(flow.stage.gateway.http()).await;
        for _ in 0..10 {
            let request = Request::post("http://web.jobs/").body(()).unwrap();
            let (response, mut up) =
                client.sender.clone().ready().await.unwrap().send_request(request, false).unwrap();
            let sent = by_h2.clone();
            tokio::spawn(async move {
                let _response = response;
                while let Ok(n) = room(&mut up, BLOCK.len()).await {
                    if up.send_data(Bytes::from_static(&BLOCK[..n]), false).is_err() {
                        return;
                    }
                    sent.fetch_add(n as u64, Relaxed);
                }
            });
        }
        let mut stuck = dial(flow.stage.gateway.http());
        let sent = by_h1.clone();
        std::thread::spawn(move || {
            let _ = write!(stuck, "POST / HTTP/1.1\r\nhost: web.jobs\r\ncontent-length: {LARGE}\r\n\r\n");
            while stuck.write_all(&BLOCK).is_ok() {
                sent.fetch_add(BLOCK.len() as u64, Relaxed);
            }
        });
        let (h2, h1) = (settled(&by_h2), settled(&by_h1));
        // A stream is given 64 KiB, and what its instance's socket takes.
        assert!(h2 < between() * 5, "{} MiB from h2 to {http}", h2 >> 20);
        assert!(h1 < between(), "{} MiB from h1 to {http}", h1 >> 20);
        let grown = flow.stage.gateway.resident().saturating_sub(before);
        assert!(grown < 64 << 20, "{http}: {} MiB", grown >> 20);
    }
}
