//! What a client sends up.

use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Towards the instance. An empty one may be sent again.
pub(super) enum Upload {
    Empty,
    Client(Box<FromClient>),
}

/// A client's body, given up when the client stops sending it.
pub(super) struct FromClient {
    body: Incoming,
    limit: Duration,
    idle: Pin<Box<Sleep>>,
}

impl Upload {
    pub(super) fn new(body: Incoming, limit: Duration) -> Upload {
        if body.is_end_stream() {
            return Upload::Empty;
        }
        Upload::Client(Box::new(FromClient { body, limit, idle: Box::pin(tokio::time::sleep(limit)) }))
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Upload::Empty)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Upload::Client(client) = self.get_mut() else { return Poll::Ready(None) };
        match Pin::new(&mut client.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                client.idle.as_mut().reset(tokio::time::Instant::now() + client.limit);
                Poll::Ready(frame.map(|frame| frame.map_err(Error::from)))
            }
            Poll::Pending => {
                ready!(client.idle.as_mut().poll(cx));
                Poll::Ready(Some(Err("the client sent nothing more of its body".into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Upload::Empty => true,
            Upload::Client(client) => client.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Upload::Empty => SizeHint::with_exact(0),
            Upload::Client(client) => client.body.size_hint(),
        }
    }
}
