//! A message's body on its way from one side to the other, whatever each side speaks.
//!
//! ```text
//! HTTP/1.1 -> HTTP/1.1: what came with the head goes with the head (one write); then the relay's lane, which copies
//!                       through the worker's one buffer or splices; chunks through that buffer too, framed anew in place
//! anything with HTTP/2: piece by piece; the next is taken when the sink has taken the last, so a slow reader slows its
//!                       writer, and one piece a body is all that is kept
//! ```

mod chunked;
mod error;
mod pieces;
mod sink;
mod source;
mod trailers;

use std::task::{Context as Poller, Poll, ready};

pub(super) use self::error::{BodyError, Broken};
pub(super) use self::sink::{H1Sink, H2Sink, Sink};
use self::source::Piece;
pub(super) use self::source::{H1Source, H2Source, Source};
use super::Went;
use super::supplies::Supplies;
use crate::h1::Encoder;
use crate::l4::{Desk, End, Lane, Stream, Wire};

/// Steps of one turn: a busy body does not starve its worker.
const TURN: usize = 32;

pub(super) struct Transfer<'a> {
    source: Source<'a>,
    sink: Sink<'a>,
    /// Taken from the source, and not by the sink.
    piece: Option<Piece>,
    lane: Option<Box<Lane>>,
    stage: Stage,
    moved: u64,
    filter: Option<Box<dyn Filter>>,
    /// Bytes that it may have.
    most: u64,
    grpc_status: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Moving,
    /// All is written; what a wire keeps back goes on.
    Flushing,
    Done,
}

/// Changes content on its way.
pub(super) trait Filter {
    fn push(&mut self, bytes: &[u8], last: bool) -> std::io::Result<bytes::Bytes>;
}

type Moved = Poll<Result<(), Broken>>;

impl<'a> Transfer<'a> {
    pub(super) fn new(source: Source<'a>, sink: Sink<'a>) -> Transfer<'a> {
        Transfer {
            source,
            sink,
            piece: None,
            lane: None,
            stage: Stage::Moving,
            moved: 0,
            filter: None,
            most: u64::MAX,
            grpc_status: None,
        }
    }

    pub(super) fn through(self, filter: Option<Box<dyn Filter>>) -> Transfer<'a> {
        Transfer { filter, ..self }
    }

    pub(super) fn at_most(self, bytes: Option<u64>) -> Transfer<'a> {
        Transfer { most: bytes.unwrap_or(u64::MAX), ..self }
    }

    /// Ends it here, in order, as if the source had ended; false if the framing does not allow that.
    pub(super) fn finish(&mut self) -> bool {
        if !self.sink.finish() {
            return false;
        }
        self.source = Source::Nothing;
        (self.piece, self.lane) = (None, None);
        true
    }

    /// What becomes of the connection of a client whose answer ends in its middle: where the framing tells, closing is
    /// enough; where the end of sending is the end of the body, it would pass half of it off as the whole.
    pub(super) fn cut(&mut self) -> Went {
        match &mut self.sink {
            Sink::H1(sink) if sink.shuts => Went::Broken,
            Sink::H1(_) => Went::Closes,
            Sink::H2(sink) => {
                sink.reset(h2::Reason::INTERNAL_ERROR);
                Went::On
            }
        }
    }

    /// That its trailers said.
    pub(super) fn grpc_status(&self) -> Option<u32> {
        self.grpc_status
    }

    /// Bytes of content that the sink took.
    pub(super) fn moved(&self) -> u64 {
        self.moved + self.lane.as_ref().map_or(0, |lane| lane.moved())
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Bytes that may still come. What is more is not written: with its end it would be a whole body to the reader.
    fn room(&self) -> u64 {
        self.most.saturating_sub(self.moved)
    }

    pub(super) fn poll(&mut self, cx: &mut Poller<'_>, desk: &Desk, supplies: &Supplies) -> Moved {
        for _ in 0..TURN {
            match self.stage {
                Stage::Moving => ready!(self.poll_moving(cx, desk, supplies))?,
                Stage::Flushing => {
                    ready!(self.sink.poll_flush(cx)).map_err(Broken::Sink)?;
                    self.stage = Stage::Done;
                }
                Stage::Done => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What it ends with, and what of it goes back.
    pub(super) fn put_away(&mut self, desk: &Desk, supplies: &Supplies) {
        if let Some(lane) = &mut self.lane {
            lane.put_away(desk);
        }
        self.sink.put_away(supplies);
    }

    /// One step; the stage says whether there is another.
    fn poll_moving(&mut self, cx: &mut Poller<'_>, desk: &Desk, supplies: &Supplies) -> Moved {
        let Transfer { source, sink, .. } = self;
        match (source, sink) {
            (Source::Nothing, sink) => {
                ready!(sink.poll_nothing(cx)).map_err(Broken::Sink)?;
                self.stage = Stage::Flushing;
                Poll::Ready(Ok(()))
            }
            (Source::H1(_), Sink::H1(_)) if self.filter.is_none() => self.poll_h1(cx, desk, supplies),
            _ => self.poll_pieces(cx, supplies),
        }
    }

    fn poll_h1(&mut self, cx: &mut Poller<'_>, desk: &Desk, supplies: &Supplies) -> Moved {
        let room = self.room();
        let Transfer { source: Source::H1(source), sink: Sink::H1(sink), lane, moved, stage, .. } = self
        else {
            return Poll::Ready(Ok(()));
        };
        if let Some(running) = lane {
            let polled = running.poll(cx, desk, (source.stream, sink.stream), false);
            let ended = ready!(polled).map_err(|(end, error)| match end {
                End::Source => Broken::Source(BodyError::Failed(error)),
                End::Sink => Broken::Sink(error),
            });
            let passed = running.moved();
            source.decoder.passed(passed);
            *moved += passed;
            running.put_away(desk);
            *lane = None;
            ended?;
            if !source.decoder.is_done() && !source.decoder.end() {
                return Poll::Ready(Err(Broken::Source(BodyError::Cut)));
            }
            *stage = Stage::Flushing;
            return Poll::Ready(Ok(()));
        }
        ready!(sink.poll_blocked(cx)).map_err(Broken::Sink)?;
        if !source.inbound.is_empty() && !source.decoder.is_done() {
            *moved += ready!(chunked::poll_at_hand(cx, source, sink, supplies, room))?;
        } else if source.decoder.is_done() {
            sink.end(source.decoder.trailers())
                .map_err(|error| Broken::Source(BodyError::Malformed(error)))?;
            ready!(sink.poll_out(cx)).map_err(Broken::Sink)?;
            *stage = Stage::Flushing;
        } else {
            // What is written waits for nobody while nothing comes.
            ready!(sink.poll_out(cx)).map_err(Broken::Sink)?;
            match (sink.encoder, source.decoder.plain()) {
                (Encoder::Plain, Some(left)) => {
                    let may_splice = is_plain(source.stream) && is_plain(sink.stream);
                    *lane = Some(Box::new(Lane::of(left, may_splice)));
                }
                _ => *moved += ready!(chunked::poll_through(cx, desk, source, sink, room))?,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A `grpc-status`, in digits.
pub(super) fn grpc_status(value: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(value?).ok()?.parse().ok()
}

fn is_plain(stream: &Stream) -> bool {
    stream.plain().is_some()
}
