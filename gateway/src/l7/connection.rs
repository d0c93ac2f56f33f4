//! One client connection over hyper: requests in turn, until it ends, the gateway drains, or the client is too slow.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use roundhouse_config::Limits;
use tokio::time::Instant;

use super::download::{BodyError, Download};
use super::exchange::exchange;
use super::socket::{Socket, Turn};
use super::{Engine, Scope, reply};
use crate::l4::Wire;
use crate::phase::Phase;

/// A head with more fields than this is an attack or a loop.
const MAX_FIELDS: usize = 100;
/// A client that asks again within this time gets its answer from a draining gateway.
const LAST_CALL: Duration = Duration::from_secs(1);
/// hyper's own least.
const LEAST_BUFFER: usize = 8 << 10;

impl Engine {
    /// Serves one client to its end.
    pub(crate) async fn serve(self: &Rc<Self>, wire: impl Wire + 'static, peer: SocketAddr, scope: Scope) {
        let limits = self.context.limits();
        let socket = Socket::new(wire, limits.body_idle);
        let service = service_fn(|request| {
            socket.request_complete();
            let (engine, socket) = (self.clone(), socket.clone());
            async move {
                let mut response = tokio::select! {
                    biased;
                    response = exchange(&engine, peer, scope, request) => response,
                    () = std::future::poll_fn(|cx| socket.poll_gone(cx, false)) => {
                        return Err(io::Error::from(io::ErrorKind::ConnectionReset));
                    }
                };
                if engine.context.is_draining() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(response.map(|body| Answer { body, socket }))
            }
        });
        let connection = http1::Builder::new()
            .max_buf_size(usize::try_from(limits.head.0).unwrap_or(usize::MAX).max(LEAST_BUFFER))
            .max_headers(MAX_FIELDS)
            .half_close(true)
            // Its clocks count from the answer before; ours from the head's first byte.
            .header_read_timeout(None)
            .serve_connection(socket.clone(), service);
        let mut connection = pin!(connection);
        // A client may be about to send on a connection that is idle now. Its next answer says that it is the last, and
        // only a connection that stays quiet is closed from our side.
        let mut phase = self.context.phase();
        let mut last_call = pin!(async {
            let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
            tokio::time::sleep(LAST_CALL).await;
        });
        let mut told = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break Some(ended),
                () = too_slow(&socket, limits) => break None,
                () = last_call.as_mut(), if !told => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        if let Some(Err(error)) = &ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
        if let Turn::Head { bytes, .. } = socket.turn() {
            let unfinished = match &ended {
                None => Some(reply::Unfinished::TimedOut(limits.header_timeout)),
                Some(Err(error)) if error.is_incomplete_message() => Some(reply::Unfinished::Ended),
                Some(_) => None,
            };
            if let Some(unfinished) = unfinished {
                socket.last_words(&reply::unfinished_head(&unfinished, bytes));
            }
        }
        socket.linger().await;
    }
}

/// Until the client has had its turn for too long: with half a head, or with nothing at all.
async fn too_slow(socket: &Socket, limits: &Limits) {
    // Looked at now and then: exactness is not worth a timer for each head.
    let look = (limits.header_timeout.min(limits.keep_alive) / 4)
        .clamp(Duration::from_millis(20), Duration::from_secs(2));
    loop {
        let end = match socket.turn() {
            Turn::Idle { since } => Some(since + limits.keep_alive),
            Turn::Head { since, .. } => Some(since + limits.header_timeout),
            Turn::Exchange => None,
        };
        if end.is_some_and(|end| Instant::now() >= end) {
            return;
        }
        tokio::time::sleep(look).await;
    }
}

/// A body on its way to the client. Its end, whatever it is, gives the client its turn.
struct Answer {
    body: Download,
    socket: Socket,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.socket.answered();
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // A quiet stream of events would never find out by writing that nobody reads it.
        if frame.is_pending() && self.socket.poll_gone(cx, self.body.is_event_stream()).is_ready() {
            return Poll::Ready(Some(Err("the client is gone".into())));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
