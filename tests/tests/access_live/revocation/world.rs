//! A gateway with jobs that speak TCP, HTTP and UDP, defended by rules to the subtree in which they are, and jobs whose
//! instances are its clients.

use std::net::{IpAddr, SocketAddr};

use roundhouse_tests::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::stage::{in_force, write};

/// A client's host in the gateway's network: an instance of `job.web`,
pub(crate) const WEB: u8 = 20;
/// and one of `job.other`, who stays whatever becomes of web.
pub(crate) const OTHER: u8 = 21;

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    /// VIPs of the jobs `db` (TCP), `live` (HTTP) and `dg` (UDP).
    pub(crate) tcp: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) udp: SocketAddr,
    ticks: watch::Sender<u32>,
    serving: Vec<JoinHandle<()>>,
}

impl World {
    /// More lines for the gateway's configuration.
    pub(crate) async fn start(more: &str) -> World {
        let mut gateway = Gateway::prepared("embedded", more);
        gateway.run();
        let ticks = watch::Sender::new(0);
        let at = |n: u8, port: u16| SocketAddr::new(gateway.net.app(n), port);
        let (tcp, http, udp) = (at(0, 7000), at(1, 7001), at(2, 7002));
        let serving = vec![
            serve(tcp, &ticks, |stream, ticks| speak(stream, ticks, Speaks::Plain)).await,
            serve(http, &ticks, answer).await,
            echo(udp).await,
        ];
        let mut vips = Vec::new();
        for (label, protocol, address) in [("db", "tcp", tcp), ("live", "http", http), ("dg", "udp", udp)] {
            let port = address.port();
            let record = format!(
                r#"{{"jobname":"job.{label}_cop.shop","check":null,
                    "ports":[{{"name":"main","port":{port},"protocol":"{protocol}"}}]}}"#
            );
            write(&gateway, "PUT", &format!("/v1/jobs/{label}"), &record);
            gateway.register(label, address);
            gateway.wait_up(label, 1);
            vips.push(match protocol {
                "udp" => SocketAddr::new(gateway.vip(label), port),
                _ => gateway.listening_vip(label, port),
            });
        }
        for label in ["web", "other", "evil"] {
            gateway.write_job(label, r#""port":9000"#, "");
        }
        World { gateway, tcp: vips[0], http: vips[1], udp: vips[2], ticks, serving }
    }

    pub(crate) fn address(&self, host: u8) -> IpAddr {
        self.gateway.net.address(host)
    }

    /// A rule to all three jobs; its revision.
    #[track_caller]
    pub(crate) fn rule(&self, id: &str, fields: &str) -> u64 {
        let record = format!(r#"{{"to":{{"jobname":"cop.shop"}},{fields}}}"#);
        write(&self.gateway, "PUT", &format!("/v1/rules/{id}"), &record)
    }

    /// `job.web` and `job.other` are let in, and thereby nobody else.
    #[track_caller]
    pub(crate) fn allow_both(&self) {
        self.rule("allow-web", r#""from":{"jobname":"job.web"},"action":"allow""#);
        let last = self.rule("allow-other", r#""from":{"jobname":"job.other"},"action":"allow""#);
        self.in_force(last);
    }

    #[track_caller]
    pub(crate) fn in_force(&self, revision: u64) {
        in_force(&self.gateway, "db", revision);
    }

    /// Every instance says something to each of its clients.
    pub(crate) fn tick(&self) {
        self.ticks.send_modify(|tick| *tick += 1);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

async fn serve<F>(
    address: SocketAddr,
    ticks: &watch::Sender<u32>,
    serve: fn(TcpStream, watch::Receiver<u32>) -> F,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of a socket");
    socket.bind(address).expect("the address is the test's own");
    let listener: TcpListener = socket.listen(1_024).expect("it listens");
    let ticks = ticks.subscribe();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, ticks.clone()));
        }
    })
}

#[derive(Clone, Copy)]
enum Speaks {
    Plain,
    /// A chunk each (RFC 9112, 7.1).
    Chunks,
    /// A text frame each (RFC 6455, 5.2).
    Frames,
}

/// One word at once and one at each tick, until the client goes.
async fn speak(mut stream: TcpStream, mut ticks: watch::Receiver<u32>, how: Speaks) {
    let word: &[u8] = match how {
        Speaks::Plain => b"tick",
        Speaks::Chunks => b"4\r\ntick\r\n",
        Speaks::Frames => b"\x81\x04tick",
    };
    ticks.mark_unchanged();
    if stream.write_all(word).await.is_err() {
        return;
    }
    let mut heard = [0; 64];
    loop {
        tokio::select! {
            ticked = ticks.changed() => if ticked.is_err() || stream.write_all(word).await.is_err() { return },
            read = stream.read(&mut heard) => if !matches!(read, Ok(1..)) { return },
        }
    }
}

/// Events without end, or a WebSocket to whoever asks for one.
async fn answer(mut stream: TcpStream, ticks: watch::Receiver<u32>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let upgrades = String::from_utf8_lossy(&head).to_lowercase().contains("\r\nupgrade: websocket\r\n");
    let (head, how) = match upgrades {
        true => ("101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket", Speaks::Frames),
        false => ("200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked", Speaks::Chunks),
    };
    if stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes()).await.is_ok() {
        speak(stream, ticks, how).await;
    }
}

/// Datagrams come back.
async fn echo(address: SocketAddr) -> JoinHandle<()> {
    let socket = UdpSocket::bind(address).await.expect("the address is the test's own");
    tokio::spawn(async move {
        let mut bytes = [0; 256];
        while let Ok((n, from)) = socket.recv_from(&mut bytes).await {
            let _ = socket.send_to(&bytes[..n], from).await;
        }
    })
}
