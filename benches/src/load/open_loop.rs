//! Requests at a constant rate, whatever the answers do: a slow answer delays nobody's start, and the time is taken from
//! when a request was due, not from when a connection was free for it (the mistake called coordinated omission).

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::{KEPT_REQUEST, Ready};
use crate::Samples;

/// Of the beginning, in which connections and caches are new.
const WARMING: u32 = 10;
/// Nobody waits for the last answers for longer.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct OpenLoop {
    pub server: SocketAddr,
    pub connections: usize,
    /// Requests a second.
    pub rate: f64,
}

struct Connection {
    stream: TcpStream,
    /// When the request that is on its way was due.
    due: Instant,
    got: usize,
}

impl OpenLoop {
    /// Microseconds from when each request was due to the end of its answer.
    pub fn run(&self, time: Duration) -> io::Result<Samples> {
        let mut ready = Ready::new()?;
        let timer = Timer::new()?;
        ready.readable(&timer.0, self.connections)?;
        let began = Instant::now();
        let mut length = 0;
        let mut connections = Vec::with_capacity(self.connections);
        for id in 0..self.connections {
            let mut stream = TcpStream::connect(self.server)?;
            length = first_exchange(&mut stream)?;
            stream.set_nonblocking(true)?;
            ready.readable(&stream, id)?;
            connections.push(Connection { stream, due: began, got: 0 });
        }

        let mut free: Vec<usize> = (0..self.connections).collect();
        let mut waiting = VecDeque::new();
        let mut samples = Samples::default();
        let mut schedule = Schedule { began: Instant::now(), rate: self.rate, next: 0 };
        let (counted_from, end) = (schedule.began + time / WARMING, schedule.began + time);
        loop {
            let now = Instant::now();
            while schedule.due() <= now && schedule.due() < end {
                waiting.push_back(schedule.due());
                schedule.next += 1;
            }
            while let (Some(due), Some(id)) = (waiting.front(), free.last()) {
                let connection = &mut connections[*id];
                connection.due = *due;
                // A request is smaller than any socket's buffer.
                connection.stream.write_all(KEPT_REQUEST)?;
                waiting.pop_front();
                free.pop();
            }
            if now >= end && (free.len() == self.connections || now >= end + PATIENCE) {
                return Ok(samples);
            }
            let wake = if now < end { schedule.due() } else { now + PATIENCE };
            timer.set(wake.saturating_duration_since(Instant::now()))?;
            for id in ready.wait(PATIENCE)? {
                let Some(connection) = connections.get_mut(id) else {
                    timer.clear();
                    continue;
                };
                if connection.answered(length)? {
                    free.push(id);
                    if connection.due >= counted_from {
                        samples.push(connection.due.elapsed().as_secs_f64() * 1e6);
                    }
                }
            }
        }
    }
}

/// Request `next` is due at `next / rate`.
struct Schedule {
    began: Instant,
    rate: f64,
    next: u64,
}

impl Schedule {
    fn due(&self) -> Instant {
        self.began + Duration::from_secs_f64(self.next as f64 / self.rate)
    }
}

impl Connection {
    /// Whether the answer is whole; all have the same length.
    fn answered(&mut self, length: usize) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.got += count;
                let whole = self.got >= length;
                if whole {
                    self.got = 0;
                }
                Ok(whole)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The length of an answer: nothing in it varies but digits.
fn first_exchange(stream: &mut TcpStream) -> io::Result<usize> {
    stream.set_nodelay(true)?;
    stream.write_all(KEPT_REQUEST)?;
    let mut buffer = [0; 4096];
    // So small an answer comes in one piece.
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(count),
    }
}

/// Wakes to the microsecond, where epoll's own timeout counts milliseconds (timerfd_create(2)).
struct Timer(OwnedFd);

impl Timer {
    fn new() -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Timer(timerfd_create(TimerfdClockId::Monotonic, flags)?))
    }

    fn set(&self, after: Duration) -> io::Result<()> {
        // Zero would switch it off.
        let after = after.max(Duration::from_nanos(1));
        let it_value = Timespec::try_from(after).map_err(io::Error::other)?;
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value })?;
        Ok(())
    }

    fn clear(&self) {
        // EAGAIN when it was set again meanwhile.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_the_rate_and_do_not_drift() {
        let began = Instant::now();
        let due = |next| Schedule { began, rate: 3.0, next }.due() - began;
        assert_eq!(
            (due(0), due(3), due(3_000_000)),
            (Duration::ZERO, Duration::from_secs(1), Duration::from_secs(1_000_000))
        );
    }
}
