//! Bodies: what a client sends up, and what it gets down.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::pool::Upstream;
use crate::table::Endpoint;
use crate::worker::Context;

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

/// Towards the client.
pub(super) enum Download {
    Text(Option<Bytes>),
    Instance(Box<FromInstance>),
}

/// An instance's body and everything that waits for its end.
pub(super) struct FromInstance {
    body: Incoming,
    /// Back to the pool at the body's end; dropped, and with it closed, if the body was not read whole.
    upstream: Option<Upstream>,
    _work: Work,
    idle: Pin<Box<Sleep>>,
    /// A stream of events has no end of its own, so it ends when the gateway drains; its client connects again.
    ends_at_drain: Option<Pin<Box<dyn Future<Output = ()>>>>,
    context: Rc<Context>,
}

/// Counted at the endpoint for as long as it lasts.
pub(super) struct Work(Arc<Endpoint>);

impl Work {
    pub(super) fn begin(endpoint: Arc<Endpoint>) -> Work {
        endpoint.live.open.fetch_add(1, Relaxed);
        endpoint.live.served.fetch_add(1, Relaxed);
        Work(endpoint)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.live.open.fetch_sub(1, Relaxed);
    }
}

impl Download {
    pub(super) fn text(text: Bytes) -> Download {
        Download::Text(Some(text))
    }

    pub(super) fn from_instance(
        context: &Rc<Context>,
        body: Incoming,
        upstream: Upstream,
        work: Work,
        is_event_stream: bool,
    ) -> Download {
        let mut phase = context.phase();
        let ends_at_drain: Option<Pin<Box<dyn Future<Output = ()>>>> = is_event_stream.then(|| {
            let draining = async move {
                let _ = phase.wait_for(|phase| *phase == crate::run::Phase::Draining).await;
            };
            Box::pin(draining) as Pin<Box<dyn Future<Output = ()>>>
        });
        let mut upstream = Some(upstream);
        if body.is_end_stream()
            && let Some(upstream) = upstream.take()
        {
            context.pool.borrow_mut().give(upstream);
        }
        let idle = Box::pin(tokio::time::sleep(context.limits().body_idle));
        let context = context.clone();
        Download::Instance(Box::new(FromInstance { body, upstream, _work: work, idle, ends_at_drain, context }))
    }
}

impl FromInstance {
    fn poll_frame(&mut self, cx: &mut Poller<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(draining) = &mut self.ends_at_drain
            && draining.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            // An event stream may be quiet for as long as it likes.
            if self.ends_at_drain.is_none() {
                ready!(self.idle.as_mut().poll(cx));
                return Poll::Ready(Some(Err("the instance sent nothing more of its body".into())));
            }
            return Poll::Pending;
        };
        match frame {
            Some(Ok(frame)) => {
                let deadline = tokio::time::Instant::now() + self.context.limits().body_idle;
                self.idle.as_mut().reset(deadline);
                if let Some(data) = frame.data_ref() {
                    self.context.counters().bytes_to_clients.fetch_add(data.len() as u64, Relaxed);
                }
                if self.body.is_end_stream() {
                    self.give_back();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => {
                self.give_back();
                Poll::Ready(None)
            }
        }
    }

    fn give_back(&mut self) {
        if let Some(upstream) = self.upstream.take() {
            self.context.pool.borrow_mut().give(upstream);
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Download::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Download::Instance(instance) => instance.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Download::Text(text) => text.is_none(),
            Download::Instance(instance) => instance.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Download::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Download::Instance(instance) => instance.body.size_hint(),
        }
    }
}

