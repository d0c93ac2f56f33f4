//! PROXY headers (proxy-protocol.txt of HAProxy): who may send one, what of it is believed, and what instances get.
//!
//! Headers are made and read here by hand, byte for byte, so that a mistake of the gateway's codec is not made twice.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};

use roundhouse_tests::{End, Gateway, SOON, Server, dial_from, http, read_to_its_end};

pub(crate) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Hosts of the gateway's network: `.50` may speak for others, and `.60` may not.
pub(crate) const TRUSTED: u8 = 50;
pub(crate) const STRANGER: u8 = 60;

/// A gateway with a tcp entrypoint `:7100` to the job `raw`, whose instance keeps what it gets.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) entrypoint: SocketAddr,
    pub(crate) got: Receiver<Vec<u8>>,
    pub(crate) server: Server,
}

impl Stage {
    /// `port`: more fields of the job's port.
    pub(crate) fn set(port: &str) -> Stage {
        Stage::with("", port)
    }

    /// The same with more settings of the gateway.
    pub(crate) fn with(settings: &str, port: &str) -> Stage {
        let settings = format!("[limits]\nhello_timeout = \"1s\"\n{settings}");
        let mut gateway = Gateway::prepared("embedded", &settings);
        let entrypoint = SocketAddr::new(gateway.net.gateway(), 7100);
        gateway.add(&format!(
            "[[entrypoint]]\nname = \"raw\"\nlisten = \"{entrypoint}\"\nprotocol = \"tcp\"\njob = \"raw\"\n\
             trust_proxy = [\"{}/32\"]",
            gateway.net.address(TRUSTED)
        ));
        gateway.run();
        let (told, got) = mpsc::channel();
        let server = Server::start(SocketAddr::new(gateway.net.app(0), 7000), move |mut stream| {
            let (bytes, _) = read_to_its_end(&mut stream);
            let _ = stream.write_all(b"got it");
            let _ = told.send(bytes);
        });
        gateway.write_job("raw", &format!("\"port\":7000{port}"), "");
        gateway.register("raw", server.address);
        gateway.wait_up("raw", 1);
        Stage { gateway, entrypoint, got, server }
    }

    pub(crate) fn dial(&self, host: u8) -> TcpStream {
        dial_from(self.gateway.net.address(host), self.entrypoint)
    }

    /// Sends it whole and its end; what the instance got.
    #[track_caller]
    fn through(&self, host: u8, bytes: &[u8]) -> Vec<u8> {
        let mut client = self.dial(host);
        client.write_all(bytes).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_its_end(&mut client), (b"got it".to_vec(), End::Closed));
        self.got.recv_timeout(SOON).unwrap()
    }

    #[track_caller]
    fn refused(&self, host: u8, bytes: &[u8]) {
        let mut client = self.dial(host);
        client.write_all(bytes).unwrap();
        assert_eq!(read_to_its_end(&mut client), (Vec::new(), End::Reset));
    }
}

/// Version 2, PROXY, TCP over IPv4, from 192.0.2.7:4321 to 203.0.113.9:443, with these TLVs.
pub(crate) fn v2(tlvs: &[u8]) -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 203, 0, 113, 9, 0x10, 0xe1, 0x01, 0xbb];
    let length = (addresses.len() + tlvs.len()) as u16;
    [SIGNATURE, &[0x21, 0x11], &length.to_be_bytes(), &addresses, tlvs].concat()
}

/// CRC-32C (RFC 9260, appendix A), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg());
        }
        sum
    })
}

/// The same header with its sum in a TLV of type 3.
fn summed(wrong: u32) -> Vec<u8> {
    let mut header = v2(&[3, 0, 4, 0, 0, 0, 0]);
    let sum = crc32c(&header) ^ wrong;
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 203.0.113.9 4321 443\r\n";

#[test]
fn a_header_of_either_version_is_taken_off_and_the_rest_goes_through() {
    let stage = Stage::set("");
    for header in [V1.to_vec(), b"PROXY UNKNOWN\r\n".to_vec(), v2(&[]), summed(0)] {
        assert_eq!(stage.through(TRUSTED, &[&header[..], b"hello"].concat()), b"hello");
    }
    // Nobody but a trusted peer may send one, and nobody else has to.
    assert_eq!(stage.through(STRANGER, b"hello"), b"hello");
}

#[test]
fn a_header_in_pieces_is_the_same_header() {
    let stage = Stage::set("");
    for header in [V1.to_vec(), v2(&[4, 0, 3, 0, 0, 0])] {
        let mut client = stage.dial(TRUSTED);
        for byte in &header {
            client.write_all(&[*byte]).unwrap();
        }
        client.write_all(b"hello").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        read_to_its_end(&mut client);
        assert_eq!(stage.got.recv_timeout(SOON).unwrap(), b"hello");
    }
}

#[test]
fn an_instance_gets_the_client_s_address_and_the_job_s_name_in_version_2() {
    let stage = Stage::set(r#","proxy":"v2""#);
    let name = b"job.web_service.web_cop.coding";
    let tlvs = [&[0xe4, 0, name.len() as u8][..], name].concat();
    let bytes = stage.through(TRUSTED, &[&v2(&tlvs)[..], b"hello"].concat());
    let (header, rest) = bytes.split_at(bytes.len() - 5);
    assert_eq!(rest, b"hello");
    assert!(header.starts_with(SIGNATURE) && header[12..14] == [0x21, 0x11], "{header:?}");
    assert_eq!(usize::from(u16::from_be_bytes([header[14], header[15]])), header.len() - 16);
    assert_eq!(header[16..28], [192, 0, 2, 7, 203, 0, 113, 9, 0x10, 0xe1, 0x01, 0xbb]);
    let mut tlvs = &header[28..];
    let mut seen = Vec::new();
    while let [kind, high, low, rest @ ..] = tlvs {
        let (value, more) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        seen.push((*kind, value.to_vec()));
        tlvs = more;
    }
    let of = |kind: u8| seen.iter().find(|(found, _)| *found == kind).map(|(_, value)| value.clone());
    assert_eq!(of(0xe4).as_deref(), Some(&name[..]));
    let sum = of(3).expect("the header has its sum");
    let at = header.windows(7).position(|part| part[..3] == [3, 0, 4] && part[3..] == sum).unwrap() + 3;
    let mut zeroed = header.to_vec();
    zeroed[at..at + 4].fill(0);
    assert_eq!(sum, crc32c(&zeroed).to_be_bytes());
}

#[test]
fn an_instance_gets_the_client_s_address_in_version_1() {
    let stage = Stage::set(r#","proxy":"v1""#);
    assert_eq!(stage.through(TRUSTED, &v2(&[])), V1);
    // Of a stranger: who really connected.
    let mut client = stage.dial(STRANGER);
    let peer = client.local_addr().unwrap();
    client.write_all(b"hello").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    read_to_its_end(&mut client);
    let (ip, to) = (peer.ip(), stage.entrypoint.ip());
    let expected = format!("PROXY TCP4 {ip} {to} {} 7100\r\nhello", peer.port());
    assert_eq!(String::from_utf8_lossy(&stage.got.recv_timeout(SOON).unwrap()), expected);
}

#[test]
fn local_says_nothing_of_anybody() {
    let stage = Stage::set(r#","proxy":"v1""#);
    let header = [SIGNATURE, &[0x20, 0x00, 0, 0]].concat();
    let bytes = stage.through(TRUSTED, &[&header[..], b"hello"].concat());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let trusted: IpAddr = stage.gateway.net.address(TRUSTED);
    assert!(text.starts_with(&format!("PROXY TCP4 {trusted} ")) && text.ends_with("hello"), "{text}");
}

#[test]
fn what_a_trusted_peer_may_not_send_is_reset_and_counted() {
    let stage = Stage::set("");
    stage.refused(TRUSTED, b"GET / HTTP/1.1\r\n\r\n");
    stage.refused(TRUSTED, b"hello, I have no header at all");
    let mut wrong = v2(&[]);
    wrong[12] = 0x31;
    for bytes in [
        summed(1),
        wrong,
        v2(&[4, 0xff, 0xff]),
        b"PROXY TCP4 192.0.2.7 203.0.113.9 4321 99999\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::1 203.0.113.9 4321 443\r\n".to_vec(),
        [&b"PROXY TCP4 "[..], &[b'1'; 120]].concat(),
    ] {
        stage.refused(TRUSTED, &bytes);
    }
    assert_eq!(stage.server.accepted(), 0);
    stage.gateway.wait_reason("proxy_missing", 2);
    stage.gateway.wait_reason("proxy_invalid", 6);
}

#[test]
fn a_header_that_does_not_end_in_time_is_reset() {
    let stage = Stage::set("");
    let mut client = stage.dial(TRUSTED);
    client.write_all(&V1[..20]).unwrap();
    assert_eq!(read_to_its_end(&mut client).1, End::Reset);
    stage.gateway.wait_reason("hello_timeout", 1);
}

/// curl --haproxy-protocol sends version 1, as a load balancer in front would.
#[test]
fn curl_tells_whom_it_speaks_for() {
    let stage = Stage::set("");
    let own = stage.gateway.net.address(TRUSTED).to_string();
    let web = Server::heads(SocketAddr::new(stage.gateway.net.app(1), 7001));
    stage.gateway.write_job("web", r#""port":7001,"protocol":"http""#, "");
    stage.gateway.register("web", web.address);
    stage.gateway.wait_up("web", 1);
    let trust = format!(r#""protocol":"http","trust_proxy":["{own}/32"]"#);
    let http = stage.gateway.put_entrypoint("proxied", 7200, &trust);
    stage.gateway.wait_listening(http);
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-s", "--max-time", "5", "--interface", &own, "-H", "host: web.jobs"]).args(more);
        command.arg(format!("http://{http}/")).output().unwrap()
    };
    let answer = curl(&["--haproxy-protocol"]);
    let head = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(answer.status.success() && head.starts_with("GET / HTTP/1.1"), "{answer:?}");
    // The header's source, which is curl's own address: 127.x.y.50.
    assert!(head.to_lowercase().contains(&format!("x-forwarded-for: {own}")), "{head}");
    // The same peer without one; curl(1): 56, failure with receiving; 52, nothing was returned.
    assert!(matches!(curl(&[]).status.code(), Some(52 | 56)));
    assert_eq!(
        http::get(http, "web.jobs", "/").unwrap().status,
        200,
        "a peer that is not trusted sends none"
    );
}
