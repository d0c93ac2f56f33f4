//! The tokio driver of the relay: two directions, one task, no lock, and no buffer of its own.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Context as Poller, Poll, ready};

use rustix::pipe::{SpliceFlags, splice};

use super::pipes::{Pipe, Pipes};
use super::preface;
use super::relay::{Direction, MOST, Want};
use super::wire::{Brought, TcpWire, Wire};
use crate::plane::{Connection, Connections, Reason};

/// A direction yields after this many operations, so that one busy stream does not starve its worker,
const BUDGET: usize = 32;
/// and after this many bytes: a fraction of a millisecond, so that hundreds of bulk streams leave room for a quick one.
const BYTES: u64 = 1 << 20;

/// What all relays of a worker share.
pub(crate) struct Desk {
    /// Every read goes into it, and nothing stays.
    pub(crate) buffer: RefCell<Box<[u8]>>,
    pipes: RefCell<Pipes>,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk { buffer: RefCell::new(vec![0; MOST].into_boxed_slice()), pipes: RefCell::default() }
    }
}

/// How a relay came to its end.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Both sides have said that no more comes, and got everything.
    Complete,
    /// The gateway ended it.
    Because(Reason),
    /// One side failed, by a reset above all.
    Failed { by: Side, error: io::Error },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Instance,
}

/// What is known of the client's first bytes.
#[derive(Debug)]
pub(crate) enum Opening {
    /// They must not be a PROXY header, which the instance might believe.
    Guarded,
    /// These were read already, and so many of them are with the instance.
    Read { bytes: Vec<u8>, taken: usize },
}

/// One direction with what it holds on to.
pub(crate) struct Lane {
    direction: Direction,
    /// What the sink did not take.
    kept: Vec<u8>,
    /// Held only while bytes are in it, or about to be.
    pipe: Option<Pipe>,
    /// The sink has taken bytes that may not be on their way yet.
    unflushed: bool,
}

/// Until both directions have ended, one side fails, or the connection is told to end. What does not end in order is
/// reset on both sides: an orderly close would pass half a message off as a whole one.
pub(crate) fn relay<C: Wire, I: Wire>(
    desk: &Desk,
    connections: &Connections,
    connection: &Connection,
    (client, instance): (&C, &I),
    opening: Opening,
) -> impl Future<Output = Ended> {
    let may_splice = client.plain().is_some() && instance.plain().is_some();
    let (mut up, mut down) = (Lane::new(may_splice), Lane::new(may_splice));
    let mut guarded = matches!(opening, Opening::Guarded);
    if let Opening::Read { bytes, taken } = opening {
        up.begin_with(bytes, taken);
        connection.moved(connections.now(), up.direction.moved(), 0);
    }
    // From here on, so that what it began with is no part of what is kept.
    async move {
        let ended = poll_fn(|cx| {
            if let Poll::Ready(reason) = connection.poll_ended(cx) {
                return Poll::Ready(Ended::Because(reason));
            }
            let before = (up.direction.moved(), down.direction.moved());
            let up_done = match poll_guard(cx, client.plain(), &mut guarded) {
                Poll::Ready(Ok(())) => up.poll(cx, desk, (client, instance), down.direction.is_over()),
                Poll::Ready(Err(Some(reason))) => return Poll::Ready(Ended::Because(reason)),
                Poll::Ready(Err(None)) => {
                    Poll::Ready(Err((End::Source, io::ErrorKind::ConnectionReset.into())))
                }
                Poll::Pending => Poll::Pending,
            };
            let down_done = down.poll(cx, desk, (instance, client), up.direction.is_over());
            let after = (up.direction.moved(), down.direction.moved());
            if after != before {
                connection.moved(connections.now(), after.0 - before.0, after.1 - before.1);
            }
            match (up_done, down_done) {
                (Poll::Ready(Err((end, error))), _) => {
                    let by = if end == End::Source { Side::Client } else { Side::Instance };
                    Poll::Ready(Ended::Failed { by, error })
                }
                (_, Poll::Ready(Err((end, error)))) => {
                    let by = if end == End::Source { Side::Instance } else { Side::Client };
                    Poll::Ready(Ended::Failed { by, error })
                }
                (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ended::Complete),
                _ => Poll::Pending,
            }
        })
        .await;
        if !matches!(ended, Ended::Complete) {
            client.reset();
            instance.reset();
        }
        up.put_away(desk);
        down.put_away(desk);
        ended
    }
}

/// Lets the client's bytes through once they are known not to begin with a PROXY header. Nothing is waited for that the
/// client does not say by itself: the instance may be the one who speaks first.
fn poll_guard(
    cx: &mut Poller<'_>,
    client: Option<&TcpWire>,
    guarded: &mut bool,
) -> Poll<Result<(), Option<Reason>>> {
    while let (true, Some(client)) = (*guarded, client) {
        let Ok(stream) = client.watch() else { return Poll::Ready(Err(None)) };
        match ready!(preface::poll_start(cx, stream)) {
            Ok(preface::Start::Plain) => *guarded = false,
            Ok(preface::Start::Proxy) => return Poll::Ready(Err(Some(Reason::ProxyForged))),
            Err(_) => return Poll::Ready(Err(None)),
        }
    }
    Poll::Ready(Ok(()))
}

/// Which end of a lane failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Sink,
}

type Done = Poll<Result<(), (End, io::Error)>>;

/// Names the end in an operation's error, and leaves when it is not ready.
macro_rules! at {
    ($end:expr, $poll:expr) => {
        match $poll {
            Poll::Ready(Ok(value)) => value,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(($end, error))),
            Poll::Pending => return Poll::Pending,
        }
    };
}

impl Lane {
    fn new(may_splice: bool) -> Lane {
        Lane { direction: Direction::new(may_splice), kept: Vec::new(), pipe: None, unflushed: false }
    }

    /// For so many bytes of a source; both sides go on behind them.
    pub(crate) fn of(bytes: u64, may_splice: bool) -> Lane {
        let direction = Direction::of(bytes, may_splice);
        Lane { direction, kept: Vec::new(), pipe: None, unflushed: false }
    }

    /// Bytes that the sink took.
    pub(crate) fn moved(&self) -> u64 {
        self.direction.moved()
    }

    /// With bytes of the source that were read already, so many of which the sink has.
    fn begin_with(&mut self, bytes: Vec<u8>, taken: usize) {
        if !bytes.is_empty() {
            self.direction.filled(bytes.len());
            self.direction.written(taken);
        }
        if taken < bytes.len() {
            self.kept = bytes;
        }
    }

    /// `last`: the other direction is over, so that both sockets are closed when this one is.
    pub(crate) fn poll<S: Wire, D: Wire>(
        &mut self,
        cx: &mut Poller<'_>,
        desk: &Desk,
        (source, sink): (&S, &D),
        last: bool,
    ) -> Done {
        let until = self.direction.moved() + BYTES;
        for _ in 0..BUDGET {
            if self.direction.moved() >= until {
                break;
            }
            match self.direction.want() {
                Want::Read { most } => {
                    if self.unflushed {
                        // What was taken goes on while nothing new comes.
                        if let Poll::Ready(flushed) = sink.poll_flush(cx) {
                            flushed.map_err(|error| (End::Sink, error))?;
                            self.unflushed = false;
                        }
                    }
                    let mut buffer = desk.buffer.borrow_mut();
                    let n = at!(End::Source, source.poll_read(cx, &mut buffer[..most]));
                    self.direction.filled(n);
                    ready!(self.write_on(cx, sink, &buffer))?;
                }
                Want::Write { .. } => ready!(self.write_kept(cx, sink))?,
                Want::Fill { most } => match ready!(self.fill(cx, desk, source, most)) {
                    Ok(()) => {}
                    Err(error) => return Poll::Ready(Err((End::Source, error))),
                },
                Want::Drain { most } => at!(End::Sink, self.drain(cx, sink, most)),
                Want::Shutdown => {
                    at!(End::Sink, sink.poll_flush(cx));
                    // Nothing is unread then, and closing a socket says the same.
                    if !last || sink.plain().is_none() {
                        at!(End::Sink, sink.poll_shutdown(cx));
                    }
                    self.direction.shut();
                    self.put_away(desk);
                }
                Want::Done => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what was just read, and keeps what the sink does not take.
    fn write_on<D: Wire>(&mut self, cx: &mut Poller<'_>, sink: &D, buffer: &[u8]) -> Done {
        while let Want::Write { from, to } = self.direction.want() {
            match sink.poll_write(cx, &buffer[from..to]) {
                Poll::Ready(Ok(n)) => {
                    self.direction.written(n);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err((End::Sink, error))),
                Poll::Pending => {
                    self.kept = buffer[from..to].to_vec();
                    self.direction.kept();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn write_kept<D: Wire>(&mut self, cx: &mut Poller<'_>, sink: &D) -> Done {
        while let Want::Write { from, to } = self.direction.want() {
            let n = at!(End::Sink, sink.poll_write(cx, &self.kept[from..to]));
            self.direction.written(n);
            self.unflushed = true;
        }
        // Its memory goes at once: an idle connection has none.
        self.kept = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Moves what the source has into the pipe.
    fn fill<S: Wire>(
        &mut self,
        cx: &mut Poller<'_>,
        desk: &Desk,
        source: &S,
        most: usize,
    ) -> Poll<io::Result<()>> {
        let (Some(source), true) = (source.plain(), self.take_pipe(desk)) else {
            self.direction.no_pipe(false);
            return Poll::Ready(Ok(()));
        };
        let Some(pipe) = &self.pipe else { return Poll::Ready(Ok(())) };
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = source.poll_read_by(cx, |stream| {
            splice(stream, None, &pipe.writer, None, most, flags).map(Brought::Some)
        });
        match moved {
            Poll::Ready(Ok(n)) => self.direction.filled(n),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => {
                self.direction.no_pipe(true);
                self.put_away(desk);
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                // The wait may be long; the pipe is somebody else's meanwhile.
                self.direction.ran_dry();
                self.put_away(desk);
                if matches!(self.direction.want(), Want::Fill { .. }) {
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn drain<D: Wire>(&mut self, cx: &mut Poller<'_>, sink: &D, most: usize) -> Poll<io::Result<()>> {
        let (Some(sink), Some(pipe)) = (sink.plain(), &self.pipe) else {
            return Poll::Ready(Err(io::ErrorKind::Other.into()));
        };
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = sink.poll_write_by(cx, |socket| splice(&pipe.reader, None, socket, None, most, flags));
        self.direction.written(ready!(moved)?);
        Poll::Ready(Ok(()))
    }

    fn take_pipe(&mut self, desk: &Desk) -> bool {
        if self.pipe.is_none() {
            self.pipe = desk.pipes.borrow_mut().take();
        }
        self.pipe.is_some()
    }

    /// Gives the pipe back if it is empty; one with bytes in it is closed with them.
    pub(crate) fn put_away(&mut self, desk: &Desk) {
        let Some(pipe) = self.pipe.take() else { return };
        let mut pipes = desk.pipes.borrow_mut();
        match self.direction.is_empty() {
            true => pipes.give(pipe),
            false => pipes.lost(),
        }
    }
}
