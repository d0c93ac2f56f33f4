//! Piece by piece: where HTTP/2 has a hand in it, or content is changed on its way.

use std::task::{Context as Poller, Poll, ready};

use super::{BodyError, Broken, Moved, Stage, Transfer, chunked, grpc_status};
use crate::l7::supplies::Supplies;

impl Transfer<'_> {
    pub(super) fn poll_pieces(&mut self, cx: &mut Poller<'_>, supplies: &Supplies) -> Moved {
        let room = self.room();
        let Transfer { source, sink, piece, filter, moved, stage, grpc_status: said, .. } = self;
        if piece.is_none() {
            let Poll::Ready(taken) = source.poll_piece(cx, supplies) else {
                if sink.poll_gone(cx).is_ready() {
                    return Poll::Ready(Err(Broken::Sink(std::io::ErrorKind::BrokenPipe.into())));
                }
                ready!(sink.poll_idle(cx)).map_err(Broken::Sink)?;
                return Poll::Pending;
            };
            let mut taken = taken.map_err(Broken::Source)?;
            chunked::fits(taken.bytes.len(), room)?;
            if let Some(filter) = filter {
                let came = taken.bytes.len();
                let changed = filter.push(&taken.bytes, taken.last);
                taken.bytes = changed.map_err(|error| Broken::Source(BodyError::Failed(error)))?;
                source.gone_on(came);
            }
            if let Some(trailers) = &taken.trailers {
                *said = grpc_status(trailers.get("grpc-status").map(http::HeaderValue::as_bytes));
            }
            *piece = Some(taken);
        }
        let Some(held) = piece else { return Poll::Ready(Ok(())) };
        while !held.bytes.is_empty() {
            let n = ready!(sink.poll_take(cx, held)).map_err(Broken::Sink)?;
            *moved += n as u64;
            if filter.is_none() {
                source.gone_on(n);
            }
        }
        if held.last {
            ready!(sink.poll_end(cx, &mut held.trailers)).map_err(Broken::Sink)?;
            *stage = Stage::Flushing;
        }
        *piece = None;
        Poll::Ready(Ok(()))
    }
}
