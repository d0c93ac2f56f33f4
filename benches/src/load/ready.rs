//! Sockets that are ready (epoll(7)), and the requests that they carry.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// Whose requests they are, for who routes by Host.
pub const HOST: &str = "served.example.com";
/// The server answers and closes.
pub const CLOSED_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: served.example.com\r\nConnection: close\r\n\r\n";
/// The connection is kept.
pub const KEPT_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: served.example.com\r\n\r\n";

/// Events taken at once.
const AT_ONCE: usize = 256;

pub struct Ready {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Ready {
    pub fn new() -> io::Result<Ready> {
        Ok(Ready { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(AT_ONCE) })
    }

    pub fn readable(&self, socket: &impl AsFd, id: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(id as u64), EventFlags::IN)?)
    }

    pub fn writable(&self, socket: &impl AsFd, id: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(id as u64), EventFlags::OUT)?)
    }

    /// From now on readable only.
    pub fn now_readable(&self, socket: &impl AsFd, id: usize) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(id as u64), EventFlags::IN)?)
    }

    /// Those that are, waiting so long at the most, which the kernel rounds up to a millisecond.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Vec<usize>> {
        self.events.clear();
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.events.drain(..).map(|event| event.data.u64() as usize).collect())
    }
}
