//! What a test's network has besides the gateway: an instance, and another host.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;

use roundhouse_tests::SOON;

/// Says `instance` and then echoes, over TCP and UDP, until the test ends.
pub(crate) struct Instance {
    pub(crate) tcp: SocketAddr,
    pub(crate) udp: SocketAddr,
}

impl Instance {
    pub(crate) fn start() -> Instance {
        let tcp = TcpListener::bind("127.0.0.2:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.2:0").unwrap();
        let instance = Instance { tcp: tcp.local_addr().unwrap(), udp: udp.local_addr().unwrap() };
        thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                thread::spawn(move || {
                    let mut all = b"instance ".to_vec();
                    stream.read_to_end(&mut all)?;
                    stream.write_all(&all)
                });
            }
        });
        thread::spawn(move || {
            let mut buffer = vec![0; 65_535];
            while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
                let answer = [b"instance ".as_slice(), &buffer[..length]].concat();
                // The largest is sent back as it came: nothing fits beside it.
                let answer = if length > 60_000 { &buffer[..length] } else { &answer };
                let _ = udp.send_to(answer, peer);
            }
        });
        instance
    }
}

/// What the instance answers to `word`, and as whom it sees the client.
#[track_caller]
pub(crate) fn asked(address: SocketAddr, word: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&address, SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(word.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A connected socket: it takes answers from the VIP's port alone.
pub(crate) fn client_of(vip: SocketAddr) -> UdpSocket {
    let any = if vip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(vip).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

/// What the instance answers to a datagram.
#[track_caller]
pub(crate) fn asked_by_datagram(vip: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let socket = client_of(vip);
    socket.send(bytes).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

/// A second host, joined by a cable, which has routes to the VIPs through this one.
pub(crate) struct OtherHost(Child);

impl OtherHost {
    pub(crate) fn new() -> OtherHost {
        let mut process = Command::new("unshare");
        process
            .args(["--net", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = process.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let pid = process.id();
        sh(&format!("ip link add here type veth peer name there netns {pid}"));
        sh("ip addr add 10.1.0.1/24 dev here; ip -6 addr add fd01::1/64 dev here nodad; ip link set here up");
        sh(&format!(
            "nsenter -t {pid} -n sh -ec 'ip addr add 10.1.0.2/24 dev there; ip -6 addr add fd01::2/64 dev there nodad
             ip link set there up; ip route add 10.77.0.0/16 via 10.1.0.1; ip route add fd99::/64 via fd01::1'"
        ));
        OtherHost(process)
    }

    /// A socket belongs to the network of the thread that has made it.
    pub(crate) fn does<T: Send + 'static>(&self, what: impl FnOnce() -> T + Send + 'static) -> T {
        let network = std::fs::File::open(format!("/proc/{}/ns/net", self.0.id())).unwrap();
        let there = thread::spawn(move || {
            let kind = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&network), Some(kind))
                .unwrap();
            what()
        });
        there.join().unwrap()
    }
}

impl Drop for OtherHost {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
pub(crate) fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn ruleset() -> String {
    sh("nft --stateless list ruleset")
}
