//! Where a body goes.

use std::io;
use std::task::{Context as Poller, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;

use super::source::Piece;
use super::trailers;
use crate::h1::{Encoder, Malformed};
use crate::l4::{Stream, Wire};
use crate::l7::supplies::Supplies;

pub(in crate::l7) enum Sink<'a> {
    H1(H1Sink<'a>),
    H2(H2Sink),
}

pub(in crate::l7) struct H1Sink<'a> {
    pub(in crate::l7) stream: &'a Stream,
    pub(in crate::l7) encoder: Encoder,
    /// What goes before anything else: a head, or what the wire did not take.
    pub(in crate::l7) out: Vec<u8>,
    /// It holds what the wire did not take.
    pub(super) blocked: bool,
    /// The framing's end is written.
    pub(super) ended: bool,
    /// A body's end is told by the end of sending.
    pub(in crate::l7) shuts: bool,
}

pub(in crate::l7) struct H2Sink {
    stream: Option<h2::SendStream<Bytes>>,
}

impl<'a> H1Sink<'a> {
    pub(in crate::l7) fn new(stream: &'a Stream, encoder: Encoder, out: Vec<u8>) -> H1Sink<'a> {
        H1Sink { stream, encoder, out, blocked: false, ended: false, shuts: false }
    }

    /// The framing's end, once.
    pub(super) fn end(&mut self, trailers: &[u8]) -> Result<(), Malformed> {
        if !std::mem::replace(&mut self.ended, true) {
            match trailers {
                [] => self.encoder.end(&[], &mut self.out),
                lines => self.encoder.end(&trailers::lines(lines)?, &mut self.out),
            }
        }
        Ok(())
    }
}

impl H2Sink {
    /// `None`: the stream has ended with its head.
    pub(in crate::l7) fn new(stream: Option<h2::SendStream<Bytes>>) -> H2Sink {
        H2Sink { stream }
    }

    /// Says that nothing more comes, and why.
    pub(in crate::l7) fn reset(&mut self, reason: h2::Reason) {
        if let Some(stream) = &mut self.stream {
            stream.send_reset(reason);
        }
    }

    /// As much of it as the receiver has room for; the room is asked for only when there is something to fill it, since
    /// all streams of a connection share one.
    fn poll_take(&mut self, cx: &mut Poller<'_>, piece: &mut Piece) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(piece.bytes.split_off(0).len())) };
        if piece.bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        stream.reserve_capacity(piece.bytes.len());
        while stream.capacity() == 0 {
            match ready!(stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let bytes = piece.bytes.split_to(stream.capacity().min(piece.bytes.len()));
        let (n, last) = (bytes.len(), piece.bytes.is_empty() && piece.last && piece.trailers.is_none());
        stream.send_data(bytes, last).map_err(io::Error::other)?;
        if last {
            self.stream = None;
        }
        Poll::Ready(Ok(n))
    }

    fn end(&mut self, trailers: Option<Box<HeaderMap>>) -> io::Result<()> {
        match (self.stream.take(), trailers) {
            (None, _) => Ok(()),
            (Some(mut stream), Some(trailers)) => stream.send_trailers(*trailers).map_err(io::Error::other),
            (Some(mut stream), None) => stream.send_data(Bytes::new(), true).map_err(io::Error::other),
        }
    }

    fn poll_gone(&mut self, cx: &mut Poller<'_>) -> Poll<()> {
        match &mut self.stream {
            Some(stream) => stream.poll_reset(cx).map(drop),
            None => Poll::Pending,
        }
    }
}

impl<'a> Sink<'a> {
    /// Its end is told by the end of sending.
    pub(in crate::l7) fn shutting(mut self) -> Sink<'a> {
        if let Sink::H1(sink) = &mut self {
            sink.shuts = true;
        }
        self
    }
}

impl Sink<'_> {
    /// Ends the body in order, if what it was announced as allows that.
    pub(super) fn finish(&mut self) -> bool {
        match self {
            Sink::H1(sink) => sink.encoder == Encoder::Chunked && sink.end(&[]).is_ok(),
            Sink::H2(sink) => sink.end(None).is_ok(),
        }
    }

    /// Takes some of a piece; how much.
    pub(super) fn poll_take(&mut self, cx: &mut Poller<'_>, piece: &mut Piece) -> Poll<io::Result<usize>> {
        match self {
            Sink::H2(sink) => sink.poll_take(cx, piece),
            Sink::H1(sink) => {
                ready!(sink.poll_blocked(cx))?;
                let bytes = std::mem::take(&mut piece.bytes);
                let last = piece.last && piece.trailers.is_none();
                sink.encoder.before(bytes.len(), &mut sink.out);
                let after = sink.encoder.after(bytes.len(), last);
                sink.ended |= last;
                match sink.poll_write_all(cx, &bytes, after) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
                }
            }
        }
    }

    pub(super) fn poll_end(
        &mut self,
        cx: &mut Poller<'_>,
        trailers: &mut Option<Box<HeaderMap>>,
    ) -> Poll<io::Result<()>> {
        match self {
            Sink::H2(sink) => Poll::Ready(sink.end(trailers.take())),
            Sink::H1(sink) => {
                let lines = trailers.take().map(|map| trailers::text(&map)).unwrap_or_default();
                // What came as fields is written as fields.
                sink.end(&lines).map_err(|error| io::Error::other(error.sentence))?;
                sink.poll_out(cx)
            }
        }
    }

    /// For a message without a body: its head, if that is not written yet.
    pub(super) fn poll_nothing(&mut self, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        match self {
            Sink::H1(sink) => sink.poll_out(cx),
            Sink::H2(_) => Poll::Ready(Ok(())),
        }
    }

    /// Ready when whoever reads there has gone.
    pub(super) fn poll_gone(&mut self, cx: &mut Poller<'_>) -> Poll<()> {
        match self {
            Sink::H1(_) => Poll::Pending,
            Sink::H2(sink) => sink.poll_gone(cx),
        }
    }

    /// Nothing comes for now, so what was said goes out; pending means that it cannot yet.
    pub(super) fn poll_idle(&mut self, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        let Sink::H1(sink) = self else { return Poll::Ready(Ok(())) };
        ready!(sink.poll_out(cx))?;
        sink.stream.poll_flush(cx)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        match self {
            Sink::H1(sink) if sink.shuts => sink.stream.poll_shutdown(cx),
            Sink::H1(sink) => sink.stream.poll_flush(cx),
            Sink::H2(_) => Poll::Ready(Ok(())),
        }
    }

    /// Nothing more is said here.
    pub(super) fn put_away(&mut self, supplies: &Supplies) {
        if let Sink::H1(sink) = self
            && sink.out.capacity() > 0
        {
            supplies.give_text(std::mem::take(&mut sink.out));
        }
    }
}
