//! IPv6 throughout: VIPs, entrypoints and instances, and clients of one family at instances of the other.
//!
//! VIPs of a ULA prefix (RFC 4193) are made local in a network of the test's own.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use roundhouse_tests::{Background, Gateway, SOON, Server, dial, eventually, inside};

use crate::echoes;

fn sh(script: &str) {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `test` in a network that has the ULA prefix; `true`: we are inside.
fn in_its_network(test: &str) -> bool {
    let Some(outside) = inside(test) else {
        sh("ip link set lo up && ip -6 route add local fd00:99::/64 dev lo");
        return true;
    };
    let test = Background::spawn(outside);
    let status = test.wait_exit(SOON * 6);
    assert!(status.success(), "{}\n{}", test.stdout(), test.stderr());
    false
}

/// A gateway with VIPs of IPv6.
fn gateway() -> Gateway {
    let mut gateway = Gateway::prepared("embedded", "");
    let config = std::fs::read_to_string(gateway.config()).unwrap();
    gateway.write(&config.replace(&gateway.net.vips(), "fd00:99::/64"));
    gateway.run();
    gateway
}

const V6: Ipv6Addr = Ipv6Addr::LOCALHOST;

#[test]
fn a_vip_of_ipv6_leads_to_instances_of_both_families() {
    if !in_its_network("ipv6::a_vip_of_ipv6_leads_to_instances_of_both_families") {
        return;
    }
    let gateway = gateway();
    let six = Server::named((V6, 7000).into(), "six");
    let four = Server::named(SocketAddr::new(gateway.net.app(0), 7000), "fou");
    let vip = gateway.tcp_job("app", 7000, "", &[six.address, four.address]);
    assert!(vip.is_ipv6(), "{vip}");
    let mut seen = [0, 0];
    for _ in 0..20 {
        let (mut client, mut name) = (dial(vip), [0; 3]);
        client.read_exact(&mut name).unwrap();
        assert!(echoes(&mut client, b"hello"));
        seen[usize::from(&name == b"six")] += 1;
    }
    assert_eq!(seen, [10, 10]);
}

#[test]
fn an_entrypoint_of_both_families_leads_anywhere() {
    if !in_its_network("ipv6::an_entrypoint_of_both_families_leads_anywhere") {
        return;
    }
    let gateway = gateway();
    let six = Server::echo((V6, 7000).into());
    let vip = gateway.tcp_job("app", 7000, "", &[six.address]);
    assert!(echoes(&mut dial(vip), b"hello"));
    for (name, listen, clients) in [
        ("all", ":7100", vec![SocketAddr::from((V6, 7100)), SocketAddr::new(gateway.net.gateway(), 7100)]),
        ("six", "[::1]:7101", vec![SocketAddr::from((V6, 7101))]),
    ] {
        let record = format!(r#"{{"listen":"{listen}","protocol":"tcp","job":"app"}}"#);
        assert_eq!(gateway.call("PUT", &format!("/v1/entrypoints/{name}"), &record).status, 201);
        for client in clients {
            // Which may be by a socket for all addresses.
            eventually(SOON, &format!("{client} listens"), || TcpStream::connect(client).is_ok());
            assert!(echoes(&mut dial(client), b"hello"), "{client}");
        }
    }
}

/// IPv4 is shown as such, also where an entrypoint was written in IPv6's form of it.
#[test]
fn an_entrypoint_written_ipv4_mapped_serves_ipv4() {
    let mut gateway = Gateway::prepared("embedded", "");
    let entrypoint = SocketAddr::new(gateway.net.gateway(), 7100);
    gateway.add(&format!(
        "[[entrypoint]]\nname = \"mapped\"\nlisten = \"[::ffff:{}]:7100\"\nprotocol = \"tcp\"\njob = \"app\"",
        entrypoint.ip()
    ));
    gateway.run();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    gateway.tcp_job("app", 7000, "", &[server.address]);
    let mut client = dial(entrypoint);
    assert!(echoes(&mut client, b"hello"));
    let open = gateway.connections("?job=app");
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["local"], entrypoint.to_string());
    assert_eq!(open[0]["client"], client.local_addr().unwrap().to_string());
}

/// Version 2 tells an IPv6 client as one; and an instance of IPv4 is told so too.
#[test]
fn a_proxy_header_names_an_ipv6_client() {
    if !in_its_network("ipv6::a_proxy_header_names_an_ipv6_client") {
        return;
    }
    let gateway = gateway();
    let (told, got) = std::sync::mpsc::channel();
    let server = Server::start(SocketAddr::new(gateway.net.app(0), 7000), move |mut stream| {
        let mut header = [0; 52];
        stream.read_exact(&mut header).unwrap();
        // Kept open: a close with the checksum unread would be a reset.
        told.send((header, stream)).unwrap();
    });
    gateway.write_job("raw", r#""port":7000,"proxy":"v2""#, "");
    gateway.register("raw", server.address);
    gateway.wait_up("raw", 1);
    let vip = gateway.listening_vip("raw", 7000);
    let client = dial(vip);
    let (header, _open) = got.recv_timeout(SOON).unwrap();
    let (SocketAddr::V6(own), SocketAddr::V6(to)) = (client.local_addr().unwrap(), vip) else {
        panic!("{vip}")
    };
    assert_eq!(header[12..14], [0x21, 0x21]);
    assert_eq!(header[16..32], own.ip().octets());
    assert_eq!(header[32..48], to.ip().octets());
    assert_eq!(header[48..52], [own.port().to_be_bytes(), to.port().to_be_bytes()].concat());
}

#[test]
fn datagrams_of_ipv6_are_answered_from_their_vip() {
    if !in_its_network("ipv6::datagrams_of_ipv6_are_answered_from_their_vip") {
        return;
    }
    let gateway = gateway();
    let instance = UdpSocket::bind((V6, 7000)).unwrap();
    gateway.write_job("udp", r#""port":7000,"protocol":"udp""#, "");
    gateway.register("udp", instance.local_addr().unwrap());
    gateway.wait_up("udp", 1);
    let vip = SocketAddr::new(gateway.vip("udp"), 7000);
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok((n, from)) = instance.recv_from(&mut bytes) {
            let _ = instance.send_to(&bytes[..n], from);
        }
    });
    let client = UdpSocket::bind((V6, 0)).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut back = [0; 64];
    // The registry knows the VIP a moment before its socket is there.
    let (n, from) = eventually(SOON, "a datagram is answered", || {
        client.send_to(b"hello", vip)?;
        client.recv_from(&mut back)
    });
    assert_eq!((&back[..n], from), (&b"hello"[..], vip));
}

#[test]
fn half_close_over_ipv6() {
    if !in_its_network("ipv6::half_close_over_ipv6") {
        return;
    }
    let gateway = gateway();
    let server = Server::echo((V6, 7000).into());
    let vip = gateway.tcp_job("app", 7000, "", &[server.address]);
    let mut client = dial(vip);
    client.write_all(&[b'x'; 100_000]).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let (back, end) = roundhouse_tests::read_to_its_end(&mut client);
    assert_eq!((back.len(), end), (100_000, roundhouse_tests::End::Closed));
}
