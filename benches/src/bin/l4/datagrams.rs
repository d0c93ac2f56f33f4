//! Small datagrams: so many sockets, each with one on its way; and somebody who sends them back.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use roundhouse_benches::load::Ready;

/// As small as a question of DNS.
const SIZE: usize = 32;
/// One that is not back by then is lost, and another is sent.
const LOST: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// There and back.
    pub(crate) done: u64,
    pub(crate) lost: u64,
}

/// Sends back what comes, until the process ends.
pub(crate) fn echo(at: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(at)?;
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        loop {
            // An ICMP error of an answer that nobody wanted is no reason to stop.
            if let Ok((count, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..count], from);
            }
        }
    });
    Ok(())
}

/// Clients keep their sockets over many runs: to a proxy they are the same sessions.
pub(crate) struct Clients {
    ready: Ready,
    sockets: Vec<UdpSocket>,
}

impl Clients {
    pub(crate) fn new(server: SocketAddr, count: usize) -> io::Result<Clients> {
        let ready = Ready::new()?;
        let mut sockets = Vec::with_capacity(count);
        for id in 0..count {
            let socket = UdpSocket::bind(("127.0.0.1", 0))?;
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            ready.readable(&socket, id)?;
            sockets.push(socket);
        }
        Ok(Clients { ready, sockets })
    }

    pub(crate) fn run(&mut self, time: Duration) -> io::Result<Outcome> {
        let began = Instant::now();
        let (end, mut outcome) = (began + time, Outcome::default());
        let mut sent = vec![began; self.sockets.len()];
        for socket in &self.sockets {
            let _ = socket.send(&[7; SIZE]);
        }
        let mut buffer = [0; 2048];
        let mut look = began + LOST;
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(outcome);
            }
            for id in self.ready.wait(LOST)? {
                while self.sockets[id].recv(&mut buffer).is_ok() {
                    // One of the run before may still come; two are then on their way.
                    outcome.done += 1;
                    sent[id] = now;
                    let _ = self.sockets[id].send(&[7; SIZE]);
                }
            }
            if now >= look {
                look = now + LOST;
                for (socket, sent) in self.sockets.iter().zip(&mut sent) {
                    if now.saturating_duration_since(*sent) >= LOST {
                        outcome.lost += 1;
                        *sent = now;
                        let _ = socket.send(&[7; SIZE]);
                    }
                }
            }
        }
    }
}
