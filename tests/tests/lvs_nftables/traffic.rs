//! Clients of VIPs: one connection that is kept, and many that are not.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use roundhouse_tests::SOON;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::network::{Host, asynchronous};

/// At once: enough to keep two cores busy.
const CLIENTS: usize = 32;

/// A TCP connection, and who answers on it.
pub(crate) struct Connection {
    stream: TcpStream,
    pub(crate) server: u8,
    /// Whom the server takes for its client.
    pub(crate) seen_as: IpAddr,
}

impl Connection {
    pub(crate) fn open(vip: SocketAddr) -> io::Result<Connection> {
        let mut stream = TcpStream::connect_timeout(&vip, SOON)?;
        stream.set_read_timeout(Some(SOON))?;
        let (mut server, mut line) = ([0], Vec::new());
        stream.read_exact(&mut server)?;
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        let seen_as = String::from_utf8(line).unwrap().trim().parse().unwrap();
        Ok(Connection { stream, server: server[0], seen_as })
    }

    pub(crate) fn asks(&mut self) -> io::Result<()> {
        self.stream.write_all(b"?")?;
        let mut answer = [0];
        self.stream.read_exact(&mut answer)
    }
}

/// One UDP client, which never changes its port.
pub(crate) struct Datagrams(UdpSocket);

impl Datagrams {
    pub(crate) fn to(vip: SocketAddr) -> Datagrams {
        let any = if vip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect(vip).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Datagrams(socket)
    }

    pub(crate) fn server(&self) -> io::Result<u8> {
        self.0.send(b"?")?;
        let mut server = [0];
        self.0.recv(&mut server)?;
        Ok(server[0])
    }
}

/// How many connections each server has had.
pub(crate) type Shares = BTreeMap<u8, usize>;

/// So many connections, one after the other by each of a few clients.
pub(crate) fn connections(client: &Host, vip: SocketAddr, count: usize) -> Shares {
    let left = Arc::new(AtomicUsize::new(count));
    let more =
        move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    let (shares, lost) = client.does(move || asynchronous(all(vip, Arc::new(more))));
    assert_eq!(lost, [] as [String; 0]);
    shares
}

/// Clients that connect until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    clients: std::thread::JoinHandle<(Shares, Vec<String>)>,
}

impl Load {
    pub(crate) fn begin(client: &Host, vip: SocketAddr) -> Load {
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let more = {
            let (stop, made) = (stop.clone(), made.clone());
            move || {
                made.fetch_add(1, Ordering::Relaxed);
                !stop.load(Ordering::Relaxed)
            }
        };
        let clients = client.begins(move || asynchronous(all(vip, Arc::new(more))));
        Load { stop, made, clients }
    }

    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// What each server had, and what went wrong.
    pub(crate) fn end(self) -> (Shares, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join().unwrap()
    }
}

async fn all(vip: SocketAddr, more: Arc<impl Fn() -> bool + Send + Sync + 'static>) -> (Shares, Vec<String>) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let more = more.clone();
            tokio::spawn(async move {
                let (mut shares, mut lost) = (Shares::new(), Vec::new());
                while more() {
                    match tokio::time::timeout(SOON, one(vip)).await {
                        Ok(Ok(server)) => *shares.entry(server).or_default() += 1,
                        Ok(Err(error)) => lost.push(error.to_string()),
                        Err(_) => lost.push("no answer".into()),
                    }
                }
                (shares, lost)
            })
        })
        .collect();
    let (mut shares, mut lost) = (Shares::new(), Vec::new());
    for client in clients {
        let (had, went_wrong) = client.await.unwrap();
        had.into_iter().for_each(|(server, count)| *shares.entry(server).or_default() += count);
        lost.extend(went_wrong);
    }
    (shares, lost)
}

/// A question and its answer, by whom. Ended by a reset, so that no port has to wait (RFC 9293, 3.6.1).
async fn one(vip: SocketAddr) -> io::Result<u8> {
    let mut stream = tokio::net::TcpStream::connect(vip).await?;
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    let server = stream.read_u8().await?;
    stream.write_all(b"?").await?;
    while stream.read_u8().await? != b'?' {}
    Ok(server)
}
