//! What a client gets down.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as Poller, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::Engine;
use super::pool::Upstream;
use crate::phase::Phase;
use crate::table::Work;

pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

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
    engine: Rc<Engine>,
}

impl Download {
    pub(super) fn text(text: Bytes) -> Download {
        Download::Text(Some(text))
    }

    pub(super) fn from_instance(
        engine: &Rc<Engine>,
        body: Incoming,
        upstream: Upstream,
        work: Work,
        is_event_stream: bool,
    ) -> Download {
        let mut phase = engine.context.phase();
        let ends_at_drain: Option<Pin<Box<dyn Future<Output = ()>>>> = is_event_stream.then(|| {
            let draining = async move {
                let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
            };
            Box::pin(draining) as Pin<Box<dyn Future<Output = ()>>>
        });
        let mut upstream = Some(upstream);
        if body.is_end_stream()
            && let Some(upstream) = upstream.take()
        {
            engine.pool.borrow_mut().give(upstream);
        }
        let idle = Box::pin(tokio::time::sleep(engine.context.limits().body_idle));
        let engine = engine.clone();
        Download::Instance(Box::new(FromInstance {
            body,
            upstream,
            _work: work,
            idle,
            ends_at_drain,
            engine,
        }))
    }
}

impl Download {
    /// Without an end of its own, and quiet for as long as it likes.
    pub(super) fn is_event_stream(&self) -> bool {
        matches!(self, Download::Instance(instance) if instance.ends_at_drain.is_some())
    }
}

impl FromInstance {
    fn poll_frame(&mut self, cx: &mut Poller<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
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
                let deadline = tokio::time::Instant::now() + self.engine.context.limits().body_idle;
                self.idle.as_mut().reset(deadline);
                if let Some(data) = frame.data_ref() {
                    self.engine.context.counters().bytes_to_clients.fetch_add(data.len() as u64, Relaxed);
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
            self.engine.pool.borrow_mut().give(upstream);
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
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
