//! What instances and clients see of it.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver};

use roundhouse_tests::{SOON, Server, dial, free_port};

use crate::stage::{Stage, service};

/// Version 2 (proxy-protocol.txt, 2.2), and of it the command PROXY: a check says LOCAL.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21";

/// Tells what came first of each connection that is for somebody.
fn heads(address: SocketAddr) -> (Server, Receiver<Vec<u8>>) {
    let (told, got) = mpsc::channel();
    let server = Server::start(address, move |mut stream| {
        let mut head = [0; 28];
        if stream.read_exact(&mut head).is_ok() && head[12] == 0x21 {
            let _ = told.send(head.to_vec());
            let _ = stream.write_all(b"got it");
        }
    });
    (server, got)
}

#[test]
fn instances_are_told_who_the_client_is() {
    let mut stage = Stage::set();
    let (key, vip) = (stage.key(80), stage.vip(80));
    let (old, old_got) = heads(stage.app(0));
    let (new, new_got) = heads(stage.app(1));
    // One that comes with the process, and one that comes while it runs.
    let mut pool = service("wrr", &[(old.address, 1)]);
    pool.settings.send_proxy = Some(2);
    stage.make(&[(key.clone(), pool.clone())].into());
    pool.destinations.extend(service("wrr", &[(new.address, 1)]).destinations);
    stage.make(&[(key.clone(), pool.clone())].into());
    let ask = || -> TcpStream {
        let mut client = dial(vip);
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"got it");
        client
    };
    let mut clients: Vec<String> =
        [ask(), ask()].map(|client| client.local_addr().unwrap().to_string()).into();
    let mut heard: Vec<String> = [old_got, new_got]
        .map(|got| {
            let head = got.recv_timeout(SOON).unwrap();
            assert_eq!(&head[..13], SIGNATURE);
            let port = u16::from_be_bytes([head[24], head[25]]);
            assert_eq!(head[20..24], [127, vip_byte(vip, 1), vip_byte(vip, 2), 1]);
            SocketAddr::new([head[16], head[17], head[18], head[19]].into(), port).to_string()
        })
        .into();
    clients.sort();
    heard.sort();
    assert_eq!(heard, clients);
    // Version 1 is another name, and a reload.
    pool.settings.send_proxy = Some(1);
    stage.make(&[(key.clone(), pool.clone())].into());
    pool.settings.send_proxy = None;
    stage.make(&[(key, pool)].into());
}

fn vip_byte(vip: SocketAddr, at: usize) -> u8 {
    match vip {
        SocketAddr::V4(vip) => vip.ip().octets()[at],
        SocketAddr::V6(vip) => vip.ip().octets()[at],
    }
}

#[test]
fn a_vip_of_ipv6_leads_to_instances_of_both_families() {
    let mut stage = Stage::set();
    let vip = SocketAddr::from((Ipv6Addr::LOCALHOST, free_port()));
    let six = Server::named((Ipv6Addr::LOCALHOST, 0).into(), "six");
    let four = Server::named(stage.app(0), "fou");
    let wanted = |weights: [u32; 2]| {
        let destinations = [(six.address, weights[0]), (four.address, weights[1])];
        [(format!("tcp/{vip}").parse().unwrap(), service("wrr", &destinations))].into()
    };
    stage.make(&[(format!("tcp/{vip}").parse().unwrap(), service("wrr", &[(four.address, 1)]))].into());
    stage.make(&wanted([1, 1]));
    let greeted = || {
        let (mut stream, mut name) = (dial(vip), [0; 3]);
        stream.read_exact(&mut name).unwrap();
        name
    };
    let names: Vec<[u8; 3]> = (0..10).map(|_| greeted()).collect();
    assert_eq!(names.iter().filter(|name| *name == b"six").count(), 5);
    stage.make(&wanted([2, 0]));
    stage.reload();
    assert_eq!(stage.services(), wanted([2, 0]));
    assert_eq!(greeted(), *b"six");
    stage.make(&[].into());
}
