//! WebSocket: Python's `websockets` on both sides, and RFC 8441 by a client of the tests' own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request};
use roundhouse_tests::{Background, SOON, Signal, dial, eventually, read_to_its_end, seen};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::http2::{Http2, room};
use crate::origin::h2::Origin;
use crate::peers::{python, said};
use crate::stage::{DOMAIN, Stage};

const IDLE: &str = r#""timeouts":{"idle":"1s"}"#;

struct Served {
    stage: Stage,
    server: Background,
    vip: SocketAddr,
}

/// The job `web`, with fields of its own.
fn served(more: &str) -> Served {
    served_by("websocket/server.py", "", more)
}

fn served_by(script: &str, of_port: &str, more: &str) -> Served {
    let stage = Stage::with("[limits]\ndrain = \"1s\"");
    let address = stage.app(0);
    let mut command = python(script);
    command.args([address.ip().to_string(), address.port().to_string()]);
    let server = Background::spawn(command);
    server.wait_line(SOON * 3, "ready");
    let vip = stage.job_with("web", of_port, more, &[address]);
    stage.domain("web");
    Served { stage, server, vip }
}

fn client(check: &str, to: SocketAddr, name: &str) -> Command {
    let mut command = python("websocket/client.py");
    command.args([check, &to.ip().to_string(), &to.port().to_string(), name]);
    command
}

#[track_caller]
fn holds(mut command: Command) {
    let told = said(&mut command);
    assert!(told.contains("holds"), "{told}");
}

impl Served {
    fn everywhere(&self, check: &str) -> [Command; 3] {
        let mut in_tls = client(check, self.stage.https, DOMAIN);
        in_tls.arg(self.stage.authority.ca());
        let clear = client(check, self.stage.gateway.http(), "web.jobs");
        [clear, client(check, self.vip, "any.example"), in_tls]
    }
}

#[test]
fn messages_of_every_size_come_back_and_closing_has_its_code() {
    let served = served("");
    for command in served.everywhere("messages") {
        holds(command);
    }
    served.server.wait_line(SOON, "closed 4002 I go");
    for command in served.everywhere("leave") {
        holds(command);
    }
    served.stage.wait_quiet("web");
}

#[test]
fn a_server_that_refuses_is_heard() {
    for command in served("").everywhere("refuse") {
        holds(command);
    }
}

/// RFC 8441 towards the instance; the client upgrades a connection as ever, or has a stream of its own.
#[test]
fn it_goes_to_instances_that_speak_nothing_but_http_2() {
    let served = served_by("websocket/asgi.py", r#""http":"h2c""#, "");
    for check in ["messages", "refuse", "leave"] {
        for command in served.everywhere(check) {
            holds(command);
        }
    }
    served.server.wait_line(SOON, "over HTTP/2");
    served.stage.wait_quiet("web");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn but_not_where_they_do_not_take_it() {
    let stage = Stage::start();
    let origin = Origin::start(stage.app(0)).await;
    stage.job("web", r#""http":"h2c""#, &[stage.app(0)]);
    for _ in 0..2 {
        let mut client = asking(stage.gateway.http());
        let answer = String::from_utf8(read_to_its_end(&mut client).0).unwrap();
        assert!(answer.starts_with("HTTP/1.1 501 ") && answer.contains("RFC 8441"), "{answer}");
    }
    assert!(origin.connections.load(Relaxed) <= 2);
}

/// A client that upgrades its connection (RFC 6455, 4.1).
fn asking(server: SocketAddr) -> TcpStream {
    let mut client = dial(server);
    let asked = "GET /chat HTTP/1.1\r\nHost: web.jobs\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(asked.as_bytes()).unwrap();
    client
}

/// What it takes is not known before its SETTINGS. Who has waited for them in vain spoils nothing for the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_instance_that_is_slow_to_say_what_it_takes_is_waited_for() {
    let stage = Stage::with("[limits]\nhello_timeout = \"4s\"");
    let (speak, silent) = watch::channel(false);
    let listener = TcpListener::bind(stage.app(0)).await.unwrap();
    let origin = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut silent = silent.clone();
            tokio::spawn(async move {
                silent.wait_for(|speaks| *speaks).await.unwrap();
                let mut builder = h2::server::Builder::new();
                let shaken = builder.enable_connect_protocol().handshake::<_, Bytes>(stream).await;
                let Ok(mut connection) = shaken else { return };
                let mut open = Vec::new();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    open.push(respond.send_response(http::Response::new(()), false));
                }
            });
        }
    });
    let vip = stage.job("web", r#""http":"h2c""#, &[stage.app(0)]);
    // A VIP's clients are handed round: each worker has one.
    let all_ask = || {
        let clients = [asking(vip), asking(vip)];
        eventually(SOON, "both ask the instance", || {
            seen(stage.gateway.connections("?job=web"), |open| open.len() == clients.len())
        });
        clients
    };
    for mut client in all_ask() {
        let answer = String::from_utf8(read_to_its_end(&mut client).0).unwrap();
        assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    }
    stage.wait_quiet("web");
    let clients = all_ask();
    speak.send_replace(true);
    for mut client in clients {
        let mut answer = [0; 13];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(std::str::from_utf8(&answer), Ok("HTTP/1.1 101 "));
    }
    origin.abort();
}

#[test]
fn a_quiet_one_is_closed_when_its_job_says_so() {
    let served = served(IDLE);
    let began = Instant::now();
    for command in served.everywhere("wait") {
        holds(command);
    }
    assert!(began.elapsed() > Duration::from_secs(3), "{:?}", began.elapsed());
    served.server.wait_line(SOON, "closed 1006");
}

#[test]
fn a_gateway_that_stops_lets_go_of_them_at_its_deadline() {
    let mut served = served("");
    let clients: Vec<Background> = served.everywhere("wait").into_iter().map(Background::spawn).collect();
    for client in &clients {
        client.wait_line(SOON * 2, "waits");
    }
    served.stage.gateway.process().signal(Signal::TERM);
    served.stage.gateway.stopped();
    for client in &clients {
        client.wait_line(SOON, "holds");
    }
}

/// RFC 8441: a stream that carries what a connection would.
struct Tunnel {
    status: u16,
    up: SendStream<Bytes>,
    down: RecvStream,
    unread: Vec<u8>,
}

impl Tunnel {
    async fn open(client: &Http2, url: &str) -> Tunnel {
        let mut request = Request::builder().method(Method::CONNECT).uri(url).body(()).unwrap();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
        let mut sender = client.sender.clone().ready().await.unwrap();
        let (response, up) = sender.send_request(request, false).unwrap();
        let response = timeout(SOON, response).await.expect("an answer in time").unwrap();
        let status = response.status().as_u16();
        Tunnel { status, up, down: response.into_body(), unread: Vec::new() }
    }

    /// A frame of a client (RFC 6455, 5.2), masked by nothing.
    async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut bytes = vec![0x80 | opcode];
        match payload.len() {
            n if n < 126 => bytes.push(0x80 | n as u8),
            n => bytes.extend([&[0x80 | 127][..], &(n as u64).to_be_bytes()].concat()),
        }
        bytes.extend([0; 4]);
        bytes.extend_from_slice(payload);
        let mut bytes = Bytes::from(bytes);
        while !bytes.is_empty() {
            let n = room(&mut self.up, bytes.len()).await.unwrap();
            self.up.send_data(bytes.split_to(n), false).unwrap();
        }
    }

    /// So many bytes, or as many as come until the end.
    async fn bytes(&mut self, n: usize) -> Vec<u8> {
        while self.unread.len() < n {
            match timeout(SOON, self.down.data()).await.expect("in time") {
                Some(Ok(bytes)) => {
                    self.down.flow_control().release_capacity(bytes.len()).unwrap();
                    self.unread.extend_from_slice(&bytes);
                }
                Some(Err(_)) | None => break,
            }
        }
        let n = n.min(self.unread.len());
        self.unread.drain(..n).collect()
    }

    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.bytes(2).await;
        let length = match head.get(1).copied() {
            None => return (0, Vec::new()),
            Some(126) => u64::from(u16::from_be_bytes(self.bytes(2).await.try_into().unwrap())),
            Some(127) => u64::from_be_bytes(self.bytes(8).await.try_into().unwrap()),
            Some(length) => length.into(),
        };
        (head[0] & 0xf, self.bytes(length as usize).await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_share_a_connection_of_http_2() {
    let served = served("");
    let stage = &served.stage;
    let clear = Http2::dial(stage.gateway.http()).await;
    // Its settings have come once it has answered something.
    clear.get("http://web.jobs/").await.unwrap();
    assert!(clear.sender.is_extended_connect_protocol_enabled());
    let secret = Http2::dial_tls(stage, DOMAIN).await;
    secret.get(&format!("https://{DOMAIN}/")).await.unwrap();
    let large = vec![b'x'; 2_000_000];
    for (client, url) in [(&clear, "http://web.jobs/".to_owned()), (&secret, format!("https://{DOMAIN}/"))] {
        let mut tunnels = Vec::new();
        for _ in 0..5 {
            tunnels.push(Tunnel::open(client, &url).await);
        }
        for (n, tunnel) in tunnels.iter_mut().enumerate() {
            assert_eq!(tunnel.status, 200);
            let text = format!("hello {n}");
            tunnel.send(1, text.as_bytes()).await;
            assert_eq!(tunnel.frame().await, (1, text.into_bytes()));
            tunnel.send(9, b"ping").await;
            assert_eq!(tunnel.frame().await, (10, b"ping".to_vec()));
        }
        let mut tunnel = tunnels.pop().unwrap();
        tunnel.send(2, &large).await;
        assert!(tunnel.frame().await == (2, large.clone()));
        // 4003, and it is said back; then the stream ends in order.
        tunnel.send(8, &4003_u16.to_be_bytes()).await;
        assert_eq!(tunnel.frame().await, (8, 4003_u16.to_be_bytes().to_vec()));
        assert!(tunnel.bytes(1).await.is_empty() && tunnel.down.is_end_stream());
        // RFC 8441, 5: the end of a stream is that of a connection.
        tunnel.up.send_data(Bytes::new(), true).unwrap();
        served.server.wait_line(SOON, "closed 4003");
    }
    let refused = Tunnel::open(&clear, "http://web.jobs/refuse").await;
    assert_eq!(refused.status, 403);
    let left = Tunnel::open(&clear, "http://web.jobs/leave").await;
    assert_eq!(left.status, 200);
    drop((left, clear, secret));
    stage.wait_quiet("web");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_stream_is_closed_and_its_connection_goes_on() {
    let served = served(IDLE);
    let client = Http2::dial(served.stage.gateway.http()).await;
    client.get("http://web.jobs/").await.unwrap();
    let mut tunnel = Tunnel::open(&client, "http://web.jobs/").await;
    tunnel.send(1, b"once").await;
    assert_eq!(tunnel.frame().await, (1, b"once".to_vec()));
    assert!(tunnel.bytes(1).await.is_empty());
    served.server.wait_line(SOON, "closed 1006");
    let mut tunnel = Tunnel::open(&client, "http://web.jobs/").await;
    tunnel.send(1, b"again").await;
    assert_eq!(tunnel.frame().await, (1, b"again".to_vec()));
}
