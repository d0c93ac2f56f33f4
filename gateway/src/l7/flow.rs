//! Both bodies of an exchange at once, until the answer is whole, or one of them breaks, or stands still for too long.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use super::Engine;
use super::body::{Broken, Transfer};
use super::client::Reply;
use crate::access_log::End;
use crate::plane::{Connection, Reason, count};

/// Until when bodies flow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The answer is whole: what is left of the request is of no use.
    Answered,
    /// Both sides have ended.
    BothEnded,
}

/// How long a body may stand still.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Steady(Duration),
    /// As long as it likes; somebody watches.
    Quiet,
    /// The same, and it never ends.
    Endless,
}

#[derive(Debug)]
pub(super) enum Cut {
    Broken(Broken),
    Ended(Reason),
    ClientGone,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Broken(broken) => broken.fmt(f),
            Cut::Ended(reason) => reason.fmt(f),
            Cut::ClientGone => f.write_str("the client has gone"),
        }
    }
}

impl Cut {
    pub(super) fn end(&self) -> End {
        match self {
            Cut::Broken(Broken::Source(_)) => End::InstanceFailed,
            Cut::Broken(Broken::Sink(_)) | Cut::ClientGone => End::ClientGone,
            Cut::Ended(Reason::Idle) => End::Timeout,
            Cut::Ended(reason) => End::Closed(*reason),
        }
    }
}

pub(super) async fn both(
    engine: &Engine,
    connection: &Connection,
    reply: &mut Reply<'_>,
    upload: &mut Transfer<'_>,
    download: &mut Transfer<'_>,
    pace: Pace,
    until: Until,
) -> Result<(), Cut> {
    let context = &engine.context;
    let wait = || match pace {
        Pace::Steady(idle) => connection.within(context.connections().now(), idle),
        Pace::Quiet => connection.unhurried(),
        Pace::Endless => connection.endless(),
    };
    let gone = |cx: &mut Poller<'_>, reply: &mut Reply<'_>| {
        reply.poll_gone(cx, connection, context.connections().now(), pace == Pace::Endless)
    };
    wait();
    let mut uploading = !upload.is_done();
    let flowed = poll_fn(|cx: &mut Poller<'_>| {
        if let Poll::Ready(reason) = connection.poll_ended(cx) {
            if reason == Reason::Stopping && pace == Pace::Endless && download.finish() {
                // A stream of events has no end of its own: it ends in order, and its client connects again.
                return download.poll(cx, &engine.desk, &engine.supplies).map_err(Cut::Broken);
            }
            return Poll::Ready(Err(Cut::Ended(reason)));
        }
        let before = (upload.moved(), download.moved());
        if uploading {
            match upload.poll(cx, &engine.desk, &engine.supplies) {
                Poll::Ready(Err(broken @ Broken::Source(_))) => return Poll::Ready(Err(Cut::Broken(broken))),
                Poll::Ready(Err(broken)) if until == Until::BothEnded => {
                    return Poll::Ready(Err(Cut::Broken(broken)));
                }
                Poll::Ready(_) => uploading = false,
                Poll::Pending => {}
            }
        }
        let downloaded = download.poll(cx, &engine.desk, &engine.supplies);
        let moved = (upload.moved() - before.0, download.moved() - before.1);
        if moved != (0, 0) {
            connection.moved(context.connections().now(), moved.0, moved.1);
            wait();
        }
        match downloaded {
            Poll::Ready(Err(broken)) => Poll::Ready(Err(Cut::Broken(broken))),
            Poll::Ready(Ok(())) if until == Until::Answered || !uploading => Poll::Ready(Ok(())),
            // A quiet stream would never find out by writing that nobody reads it.
            Poll::Pending if !uploading && gone(cx, reply).is_ready() => Poll::Ready(Err(Cut::ClientGone)),
            _ => Poll::Pending,
        }
    });
    let flowed = flowed.await;
    let counters = context.counters();
    count(&counters.bytes_to_instances, upload.moved());
    count(&counters.bytes_to_clients, download.moved());
    flowed
}
