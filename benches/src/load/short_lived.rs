//! A connection for each request: open, ask, read to the end, again.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::{CLOSED_REQUEST, Ready, fast_open};

/// So many failures are no measurement any more.
const TOO_MANY: u64 = 1_000;
const LOOK: Duration = Duration::from_millis(10);

pub struct ShortLived {
    pub server: SocketAddr,
    pub at_once: usize,
    pub fast_open: bool,
}

#[derive(Debug, Default)]
pub struct Outcome {
    pub done: u64,
    pub failed: u64,
}

struct Connection {
    socket: Socket,
    asked: bool,
    got: usize,
}

impl ShortLived {
    pub fn run(&self, time: Duration) -> io::Result<Outcome> {
        let end = Instant::now() + time;
        let mut ready = Ready::new()?;
        let mut connections = Vec::with_capacity(self.at_once);
        for id in 0..self.at_once {
            connections.push(self.open(&ready, id)?);
        }
        let mut outcome = Outcome::default();
        while Instant::now() < end {
            for id in ready.wait(LOOK)? {
                match connections[id].go_on(&ready, id) {
                    Ok(false) => continue,
                    Ok(true) => outcome.done += 1,
                    Err(error) => {
                        outcome.failed += 1;
                        assert!(outcome.failed < TOO_MANY, "{TOO_MANY} requests failed; the last: {error}");
                    }
                }
                // The old one leaves epoll when it is closed.
                connections[id] = self.open(&ready, id)?;
            }
        }
        Ok(outcome)
    }

    fn open(&self, ready: &Ready, id: usize) -> io::Result<Connection> {
        let socket = Socket::new(Domain::for_address(self.server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if self.fast_open {
            fast_open::connect_with_first_bytes(&socket)?;
        }
        match socket.connect(&self.server.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        // With Fast Open and a cookie it is writable at once, and the first bytes go with the SYN.
        ready.writable(&socket, id)?;
        Ok(Connection { socket, asked: false, got: 0 })
    }
}

impl Connection {
    /// Whether it has come to its end.
    fn go_on(&mut self, ready: &Ready, id: usize) -> io::Result<bool> {
        if !self.asked {
            let sent = self.socket.write(CLOSED_REQUEST)?;
            if sent < CLOSED_REQUEST.len() {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.asked = true;
            ready.now_readable(&self.socket, id)?;
            return Ok(false);
        }
        let mut buffer = [0; 4096];
        match self.socket.read(&mut buffer) {
            Ok(0) if self.got == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => Ok(true),
            Ok(count) => {
                self.got += count;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}
