//! The tokio driver of the relay: two directions, one task, no lock.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::buffer::BufferPool;
use super::relay::{Direction, Want};

/// A direction yields after this many operations, so that one busy stream does not starve its worker.
const BUDGET: usize = 32;

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Moved {
    pub(super) to_instance: u64,
    pub(super) to_client: u64,
}

/// The idle clock looks this often within the timeout, so it is late by a quarter at the most and costs no clock read
/// per byte.
const LOOKS: u32 = 4;

struct Lane {
    direction: Direction,
    /// Held only while bytes wait in it.
    buffer: Option<Box<[u8]>>,
}

/// Until both directions have ended, one side resets, or nothing has moved for the idle timeout.
pub(super) async fn run(
    idle_timeout: Duration,
    buffers: &RefCell<BufferPool>,
    client: &TcpStream,
    instance: &TcpStream,
) -> Moved {
    let mut up = Lane::new();
    let mut down = Lane::new();
    let mut idle = Idle::new(idle_timeout);
    let ended = poll_fn(|cx| {
        let up_done = up.poll(cx, buffers, client, instance);
        let down_done = down.poll(cx, buffers, instance, client);
        match (up_done, down_done) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            _ => idle.poll(cx, up.direction.moved() + down.direction.moved()).map(Err),
        }
    })
    .await;
    if ended.is_err() {
        // A reset on one side is a reset on the other: an orderly close would pass half a message off as a whole one.
        let _ = client.set_zero_linger();
        let _ = instance.set_zero_linger();
    }
    up.give_back(buffers);
    down.give_back(buffers);
    Moved { to_instance: up.direction.moved(), to_client: down.direction.moved() }
}

impl Lane {
    fn new() -> Lane {
        Lane { direction: Direction::default(), buffer: None }
    }

    fn poll(
        &mut self,
        cx: &mut Poller<'_>,
        buffers: &RefCell<BufferPool>,
        source: &TcpStream,
        sink: &TcpStream,
    ) -> Poll<io::Result<()>> {
        for _ in 0..BUDGET {
            match self.direction.want() {
                Want::Read => {
                    ready!(source.poll_read_ready(cx))?;
                    let buffer = self.buffer.get_or_insert_with(|| buffers.borrow_mut().take());
                    match source.try_read(buffer) {
                        Ok(n) => self.direction.filled(n),
                        // The readiness was a false alarm; asking again registers for the next one.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            self.give_back(buffers);
                            continue;
                        }
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                Want::Write { from, to } => {
                    let Some(buffer) = &self.buffer else {
                        return Poll::Ready(Err(io::ErrorKind::Other.into()));
                    };
                    match sink.try_write(&buffer[from..to]) {
                        Ok(n) => self.direction.written(n),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            ready!(sink.poll_write_ready(cx))?;
                        }
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                Want::Shutdown => {
                    // ENOTCONN: the other side has reset already, which its own direction reports.
                    let _ = socket2::SockRef::from(sink).shutdown(Shutdown::Write);
                    self.direction.shut();
                }
                Want::Done => return Poll::Ready(Ok(())),
            }
            if self.direction.is_empty() {
                self.give_back(buffers);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn give_back(&mut self, buffers: &RefCell<BufferPool>) {
        if let Some(buffer) = self.buffer.take() {
            buffers.borrow_mut().give(buffer);
        }
    }
}

/// Fires when the count of moved bytes has stood still for the timeout.
struct Idle {
    look: Duration,
    timer: Pin<Box<Sleep>>,
    seen: u64,
    quiet: u32,
}

impl Idle {
    fn new(timeout: Duration) -> Idle {
        let look = timeout / LOOKS;
        Idle { look, timer: Box::pin(tokio::time::sleep(look)), seen: 0, quiet: 0 }
    }

    fn poll(&mut self, cx: &mut Poller<'_>, moved: u64) -> Poll<io::Error> {
        while self.timer.as_mut().poll(cx).is_ready() {
            self.quiet = if moved == self.seen { self.quiet + 1 } else { 0 };
            self.seen = moved;
            if self.quiet >= LOOKS {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "idle"));
            }
            self.timer.as_mut().reset(tokio::time::Instant::now() + self.look);
        }
        Poll::Pending
    }
}
