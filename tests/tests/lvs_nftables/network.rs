//! A director with hosts around it, each in a network of its own behind a cable: a client, and servers that say who they
//! are.
//!
//! ```text
//! client 10.0.0.2 ─── director 10.<n>.0.1 ─┬─ server 1: 10.1.0.2
//!                     VIPs 203.0.113.0/24  └─ server 2: 10.2.0.2 …    the same in fd00:<n>::/64, VIPs 2001:db8::/64
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

pub(crate) const PORT: u16 = 8080;

/// A process holds the network, so that it is gone with the test.
pub(crate) struct Host {
    process: Child,
    number: u8,
}

impl Host {
    pub(crate) fn client() -> Host {
        sh("ip link set lo up; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        sh("ip addr add 203.0.113.10/32 dev lo; ip addr add 2001:db8::10/128 dev lo nodad");
        Host::new(0)
    }

    /// Servers 1 to `count`.
    pub(crate) fn servers(count: u8) -> Vec<Host> {
        let servers: Vec<Host> = (1..=count).map(Host::new).collect();
        servers.iter().for_each(Host::serve);
        servers
    }

    fn new(number: u8) -> Host {
        let mut process = Command::new("unshare");
        process
            .args(["--net", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = process.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let pid = process.id();
        sh(&format!(
            "ip link add to{number} type veth peer name there netns {pid}
             ip addr add 10.{number}.0.1/24 dev to{number}
             ip addr add fd00:{number}::1/64 dev to{number} nodad
             ip link set to{number} up
             nsenter -t {pid} -n sh -ec 'ip link set lo up
                 ip addr add 10.{number}.0.2/24 dev there; ip addr add fd00:{number}::2/64 dev there nodad
                 ip link set there up
                 ip route add default via 10.{number}.0.1; ip route add default via fd00:{number}::1'"
        ));
        Host { process, number }
    }

    pub(crate) fn v4(&self) -> SocketAddr {
        SocketAddr::from(([10, self.number, 0, 2], PORT))
    }

    pub(crate) fn v6(&self) -> SocketAddr {
        SocketAddr::from(([0xfd00, self.number.into(), 0, 0, 0, 0, 0, 2], PORT))
    }

    /// A socket belongs to the network of the thread that has made it.
    pub(crate) fn does<T: Send + 'static>(&self, what: impl FnOnce() -> T + Send + 'static) -> T {
        self.begins(what).join().unwrap()
    }

    pub(crate) fn begins<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let network = File::open(format!("/proc/{}/ns/net", self.process.id())).unwrap();
        thread::spawn(move || {
            let kind = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(network.as_fd(), Some(kind)).unwrap();
            what()
        })
    }

    /// On both protocols: its number and the client's address, and then what it is sent.
    fn serve(&self) {
        let number = self.number;
        let (listening, listens) = mpsc::channel();
        self.begins(move || {
            asynchronous(async move {
                let tcp = TcpListener::bind(("::", PORT)).await.unwrap();
                let udp = UdpSocket::bind(("::", PORT)).await.unwrap();
                listening.send(()).unwrap();
                tokio::spawn(echo_datagrams(number, udp));
                loop {
                    let (stream, peer) = tcp.accept().await.unwrap();
                    tokio::spawn(echo(number, stream, peer));
                }
            });
        });
        listens.recv().unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn echo(number: u8, mut stream: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
    stream.write_all(&[number]).await?;
    stream.write_all(said(peer).as_bytes()).await?;
    let mut buffer = [0; 64];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length]).await?,
        }
    }
}

async fn echo_datagrams(number: u8, socket: UdpSocket) {
    let mut buffer = [0; 64];
    loop {
        let (_, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let _ = socket.send_to(&[number], peer).await;
    }
}

/// An address in a line of its own.
fn said(peer: SocketAddr) -> String {
    format!("{}\n", peer.ip().to_canonical())
}

pub(crate) fn asynchronous<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

#[track_caller]
pub(crate) fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
