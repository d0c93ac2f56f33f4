//! Clients that read slowly hold little memory, and nobody up.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use roundhouse_tests::{Gateway, SOON, Server, dial, eventually, seen};
use socket2::{Domain, SockRef, Socket, Type};

use crate::echoes;

/// More fill what the kernel has for all of TCP (tcp(7), tcp_mem: 500 took 2.2 GiB of it), it throws away what has come, and
/// connections of other tests stand still as well.
const CLIENTS: usize = 200;
/// Of the sockets that are the test's own.
const BUFFER: usize = 16 << 10;
/// What a relay may keep of a client that does not read, and what a gateway may grow by for reasons of its own.
const A_CLIENT: u64 = 64 << 10;
const OWN: u64 = 6 << 20;

/// Sends as fast as the gateway takes it; how much that was.
fn flood(address: SocketAddr) -> (Server, Arc<AtomicU64>) {
    let sent = Arc::<AtomicU64>::default();
    let count = sent.clone();
    let server = Server::start(address, move |mut stream| {
        SockRef::from(&stream).set_send_buffer_size(BUFFER).unwrap();
        while let Ok(n @ 1..) = stream.write(&[b'x'; 64 << 10]) {
            count.fetch_add(n as u64, Relaxed);
        }
    });
    (server, sent)
}

/// A client whose window is small from its SYN on: what is sent to it grows with what it takes.
fn small(vip: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(BUFFER).unwrap();
    socket.connect(&vip.into()).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket.into()
}

/// Until nothing is sent any more: every buffer on the way is full.
fn until_full(sent: &AtomicU64) {
    let (mut before, mut since) = (0, Instant::now());
    eventually(SOON * 6, "every buffer is full", || {
        let now = sent.load(Relaxed);
        if now != before {
            (before, since) = (now, Instant::now());
        }
        seen(now, |now| *now > 0 && since.elapsed() > Duration::from_millis(500))
    });
}

#[test]
fn hundreds_of_slow_readers_hold_bounded_memory_and_nobody_up() {
    let gateway = Gateway::start();
    let (flood, sent) = flood(SocketAddr::new(gateway.net.app(0), 7000));
    let echo = Server::echo(SocketAddr::new(gateway.net.app(1), 7001));
    let vip = gateway.tcp_job("flood", 7000, "", &[flood.address]);
    let good = gateway.tcp_job("echo", 7001, "", &[echo.address]);
    assert!(echoes(&mut dial(good), b"warm"));
    let before = gateway.resident();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| small(vip)).collect();
    // Served meanwhile, if not at once: two cores fill a thousand sockets.
    assert!(echoes(&mut dial(good), b"while they fill"));
    until_full(&sent);

    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let reading = std::thread::spawn(move || {
        let mut part = [0; 1 << 10];
        while !stopped.load(Relaxed) {
            let round = Instant::now();
            for client in &mut clients {
                client.read_exact(&mut part).expect("the flood goes on");
            }
            // The pace that is tested, not a wait for anything.
            std::thread::sleep(Duration::from_secs(1).saturating_sub(round.elapsed()));
        }
        clients
    });
    let (mut most, mut slowest) = (gateway.resident(), Duration::ZERO);
    let (began, mut client) = (Instant::now(), dial(good));
    while began.elapsed() < Duration::from_secs(5) {
        let asked = Instant::now();
        assert!(echoes(&mut client, &[b'g'; 1_000]));
        assert!(echoes(&mut dial(good), b"a new one"));
        slowest = slowest.max(asked.elapsed());
        most = most.max(gateway.resident());
    }
    stop.store(true, Relaxed);
    drop(reading.join().unwrap());
    assert!(slowest < Duration::from_secs(1), "a good client waited {slowest:?}");
    let grown = most.saturating_sub(before);
    let bound = CLIENTS as u64 * A_CLIENT + OWN;
    assert!(grown < bound, "{} KiB grown, {} KiB allowed", grown >> 10, bound >> 10);
    println!("{} KiB grown, {} KiB allowed; the slowest answer took {slowest:?}", grown >> 10, bound >> 10);
}

#[test]
fn an_upload_to_an_instance_that_does_not_read_stops_in_the_client() {
    let gateway = Gateway::start();
    let (hold, held) = std::sync::mpsc::channel();
    let deaf = Server::start(SocketAddr::new(gateway.net.app(0), 7000), move |stream| {
        SockRef::from(&stream).set_recv_buffer_size(8 << 10).unwrap();
        hold.send(stream).unwrap();
    });
    let vip = gateway.tcp_job("deaf", 7000, "", &[deaf.address]);
    let before = gateway.resident();
    let mut clients: Vec<_> = (0..50).map(|_| dial(vip)).collect();
    for client in &mut clients {
        client.set_nonblocking(true).unwrap();
    }
    let instances: Vec<_> = clients.iter().map(|_| held.recv_timeout(SOON).unwrap()).collect();
    // Whatever fits into the sockets goes; the clients are at their end when none takes a byte for a while.
    let mut quiet = Instant::now();
    while quiet.elapsed() < Duration::from_millis(500) {
        for client in &mut clients {
            if client.write(&[b'x'; 64 << 10]).is_ok() {
                quiet = Instant::now();
            }
        }
    }
    let grown = gateway.resident().saturating_sub(before);
    let bound = clients.len() as u64 * A_CLIENT + OWN;
    assert!(grown < bound, "{} KiB grown, {} KiB allowed", grown >> 10, bound >> 10);
    drop(instances);
}
