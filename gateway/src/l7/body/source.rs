//! Where a body comes from.

use std::task::{Context as Poller, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;

use super::BodyError;
use super::trailers;
use crate::h1::Decoder;
use crate::l4::Stream;
use crate::l7::inbound::Inbound;
use crate::l7::supplies::Supplies;

pub(in crate::l7) enum Source<'a> {
    Nothing,
    H1(H1Source<'a>),
    H2(H2Source),
}

pub(in crate::l7) struct H1Source<'a> {
    pub(in crate::l7) stream: &'a Stream,
    pub(in crate::l7) inbound: &'a mut Inbound,
    pub(in crate::l7) decoder: Decoder,
}

pub(in crate::l7) struct H2Source {
    stream: h2::RecvStream,
    /// Bytes that are no longer held here, which the sender may replace (RFC 9113, 5.2).
    taken: usize,
}

/// Some content, and whether it is the last.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) last: bool,
    /// Few have any, and every body has a place for a piece.
    pub(super) trailers: Option<Box<HeaderMap>>,
}

impl Source<'_> {
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Poller<'_>,
        supplies: &Supplies,
    ) -> Poll<Result<Piece, BodyError>> {
        match self {
            Source::Nothing => Poll::Ready(Ok(Piece { last: true, ..Piece::default() })),
            Source::H1(source) => source.poll_piece(cx, supplies),
            Source::H2(source) => source.poll_piece(cx),
        }
    }

    /// So many bytes of the last piece have gone on.
    pub(super) fn gone_on(&mut self, bytes: usize) {
        if let Source::H2(source) = self {
            source.release(bytes);
        }
    }
}

impl H1Source<'_> {
    fn poll_piece(&mut self, cx: &mut Poller<'_>, supplies: &Supplies) -> Poll<Result<Piece, BodyError>> {
        loop {
            if self.decoder.is_done() {
                let trailers =
                    trailers::map(self.decoder.trailers()).map_err(BodyError::Malformed)?.map(Box::new);
                return Poll::Ready(Ok(Piece { bytes: Bytes::new(), last: true, trailers }));
            }
            if self.inbound.is_empty() {
                match ready!(self.inbound.poll_fill(cx, self.stream, supplies)) {
                    Ok(0) if self.decoder.end() => continue,
                    Ok(0) => return Poll::Ready(Err(BodyError::Cut)),
                    Ok(_) => {}
                    Err(error) => return Poll::Ready(Err(BodyError::Failed(error))),
                }
            }
            let unread = self.inbound.unread_mut();
            let decoded = self.decoder.take(unread).map_err(BodyError::Malformed)?;
            let bytes = Bytes::copy_from_slice(&unread[..decoded.content]);
            self.inbound.consume(decoded.taken, supplies);
            let last = self.decoder.is_done() && self.decoder.trailers().is_empty();
            if !bytes.is_empty() || last {
                return Poll::Ready(Ok(Piece { bytes, last, trailers: None }));
            }
        }
    }
}

impl H2Source {
    pub(in crate::l7) fn new(stream: h2::RecvStream) -> H2Source {
        H2Source { stream, taken: 0 }
    }

    fn poll_piece(&mut self, cx: &mut Poller<'_>) -> Poll<Result<Piece, BodyError>> {
        match ready!(self.stream.poll_data(cx)) {
            Some(Ok(bytes)) => {
                self.taken += bytes.len();
                let last = self.stream.is_end_stream();
                Poll::Ready(Ok(Piece { bytes, last, trailers: None }))
            }
            Some(Err(error)) => Poll::Ready(Err(error.into())),
            None => {
                let trailers = ready!(self.stream.poll_trailers(cx))?;
                let trailers = trailers.map(trailers::without_hop_by_hop).map(Box::new);
                Poll::Ready(Ok(Piece { bytes: Bytes::new(), last: true, trailers }))
            }
        }
    }

    fn release(&mut self, bytes: usize) {
        let bytes = bytes.min(self.taken);
        self.taken -= bytes;
        // It fails only for a stream that is gone.
        let _ = self.stream.flow_control().release_capacity(bytes);
    }
}
