//! Clients that read slowly hold little memory, and nobody up.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use roundhouse_tests::{Gateway, Server, dial, eventually};
use socket2::SockRef;

use crate::echoes;

const CLIENTS: usize = 500;
/// What a relay may keep of a client that does not read, and what a gateway may grow by for reasons of its own.
const A_CLIENT: u64 = 64 << 10;
const OWN: u64 = 16 << 20;

/// Sends as fast as the gateway takes it.
fn flood(address: SocketAddr) -> Server {
    Server::start(address, |mut stream| while stream.write_all(&[b'x'; 64 << 10]).is_ok() {})
}

#[test]
fn five_hundred_slow_readers_hold_bounded_memory_and_nobody_up() {
    let gateway = Gateway::start();
    let flood = flood(SocketAddr::new(gateway.net.app(0), 7000));
    let echo = Server::echo(SocketAddr::new(gateway.net.app(1), 7001));
    let vip = gateway.tcp_job("flood", 7000, "", &[flood.address]);
    let good = gateway.tcp_job("echo", 7001, "", &[echo.address]);
    assert!(echoes(&mut dial(good), b"warm"));
    let before = gateway.resident();

    let mut clients: Vec<_> = (0..CLIENTS).map(|_| dial(vip)).collect();
    for client in &clients {
        SockRef::from(client).set_recv_buffer_size(8 << 10).unwrap();
    }
    // The bytes that went through stop growing once every buffer on the way is full; from then on each round of reads
    // at 1 KB/s is all that moves.
    let moved = || gateway.api("/v1/status").json()["totals"]["bytes_to_clients"].as_u64().unwrap_or(0);
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
    let mut most = 0;
    let began = Instant::now();
    let mut client = dial(good);
    while began.elapsed() < Duration::from_secs(5) {
        let asked = Instant::now();
        assert!(echoes(&mut client, &[b'g'; 1_000]));
        assert!(echoes(&mut dial(good), b"a new one"));
        assert!(asked.elapsed() < Duration::from_secs(1), "a good client waited {:?}", asked.elapsed());
        most = most.max(gateway.resident());
    }
    let grown = most.saturating_sub(before);
    let bound = CLIENTS as u64 * A_CLIENT + OWN;
    assert!(grown < bound, "{} KiB grown, {} KiB allowed", grown >> 10, bound >> 10);
    stop.store(true, Relaxed);
    drop(reading.join().unwrap());
    eventually(roundhouse_tests::SOON, "what they were sent is counted", || moved() > 0);
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
    let instances: Vec<_> =
        clients.iter().map(|_| held.recv_timeout(roundhouse_tests::SOON).unwrap()).collect();
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
