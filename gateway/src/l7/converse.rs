//! One instance's part of an exchange: the request's body goes up, its answer comes down, at once if need be.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::Went;
use super::body::{BodyError, Broken, Transfer, grpc_status};
use super::client::{Client, Reply};
use super::dress::change;
use super::exchange::Exchange;
use super::flow::{Pace, Until, both};
use super::instance::{Answering, NoAnswer};
use super::request::Request;
use super::response::Response;
use super::route::Routed;
use super::tunnel::tunnel;
use crate::access_log::End;
use crate::h1::Malformed;
use crate::l4::is_our_shortage;
use crate::plane::Reason;
use crate::table::Endpoint;

/// From the request's end to the head of the answer. Long polls are answered within minutes; what takes longer is stuck.
const ANSWER: Duration = Duration::from_secs(600);
/// Interim answers to one request; early hints and progress are a few.
const INTERIMS: u32 = 32;

/// Why there is no answer to give back.
#[derive(Debug)]
pub(super) enum Failed {
    /// There is no connection to it.
    Dialling(io::Error),
    Instance(NoAnswer),
    /// The request never left.
    Unsent,
    /// There is no way to say it in HTTP/2.
    Unspeakable(http::Error),
    /// It took the request and was silent for too long.
    Silent,
    /// It speaks HTTP/2 and does not take WebSocket over it, which the client wants.
    NotOverH2,
    /// The request's body did not come as it should.
    Client(BodyError),
    ClientSlow,
    ClientGone,
    /// The gateway ends it.
    Ended(Reason),
}

impl Failed {
    /// Nobody is left to whom another instance's answer could be given.
    pub(super) fn is_over(&self) -> Option<End> {
        match self {
            Failed::ClientGone => Some(End::ClientGone),
            Failed::Ended(reason) => Some(End::Closed(*reason)),
            _ => None,
        }
    }

    /// Whether another instance may get the request. A body goes once, and what may not be done twice is not sent again
    /// where it may have arrived.
    pub(super) fn may_be_tried_again(&self, request: &Request) -> bool {
        match self {
            // Every instance would be dialled from this same host.
            Failed::Dialling(error) => !is_our_shortage(error),
            Failed::Unsent => true,
            Failed::Instance(NoAnswer::Refused) => !request.has_body(),
            Failed::Instance(NoAnswer::Nothing(_) | NoAnswer::Cut | NoAnswer::Reset(_)) => {
                request.is_repeatable()
            }
            _ => false,
        }
    }
}

/// What became of the client's connection, and whether the instance's may carry another exchange.
pub(super) type Conversed = Result<(Went, bool), Failed>;

pub(super) async fn converse(
    exchange: &Exchange<'_>,
    routed: &Routed,
    endpoint: &Arc<Endpoint>,
    client: &mut Client<'_>,
    upload: &mut Transfer<'_>,
    mut answering: Answering<'_>,
) -> Conversed {
    let Exchange { engine, visit, request, record, .. } = *exchange;
    let supplies = &engine.supplies;
    let patience = routed.head_timeout().unwrap_or(ANSWER);
    let mut interims = 0;
    let mut response = loop {
        let response = answer(exchange, &mut client.reply, upload, &mut answering, patience).await?;
        if !response.is_interim() {
            break response;
        }
        interims += 1;
        if interims > INTERIMS {
            let endless = Malformed::syntax("it sent more than 32 interim answers and no last one");
            return Err(Failed::Instance(NoAnswer::Malformed(endless)));
        }
        let passed = client.reply.interim(&response, request, supplies);
        let passed = Box::pin(tokio::time::timeout(engine.context.limits().body_idle, passed)).await;
        if !matches!(passed, Ok(Ok(()))) {
            return Err(Failed::ClientGone);
        }
        response.put_away(supplies);
    };
    if response.status == 101 || answering.opens(response.status) {
        upload.put_away(&engine.desk, supplies);
        return Box::pin(tunnel(exchange, routed, client, response, answering)).await;
    }
    let filter = change(exchange, routed, endpoint, &mut response);
    let reusable = answering.is_persistent();
    // A body that is not wanted need not come: whoever is refused in the middle of it is not asked for the rest.
    let wanted = upload.is_done() || response.status < 400;
    let may_stay = request.line.persistent && wanted && !engine.context.is_draining();
    let begun = client.reply.begin(&response, request, may_stay, supplies).map_err(|_| Failed::ClientGone)?;
    client.begun = true;
    record.begins(response.status);
    let pace = match () {
        () if response.is_event_stream() => Pace::Endless,
        () if request.is_grpc() => Pace::Quiet,
        () => Pace::Steady(engine.context.limits().body_idle),
    };
    let grpc_status = grpc_status(response.head.named("grpc-status").next());
    let mut download = Transfer::new(answering.into_source(response.length), begun.sink).through(filter);
    response.put_away(supplies);
    let flowed =
        both(engine, visit.connection, &mut client.reply, upload, &mut download, pace, Until::Answered).await;
    let read = upload.is_done();
    record.moved(upload.moved(), download.moved());
    record.grpc(download.grpc_status().or(grpc_status));
    let whole = flowed.is_ok();
    let went = match flowed {
        Ok(()) if begun.stays && read => Went::On,
        Ok(()) => Went::Closes,
        Err(cut) => {
            tracing::debug!(job = %routed.job.label, address = %endpoint.address, %cut, "exchange cut");
            record.ended(cut.end());
            download.cut()
        }
    };
    record.ended(End::Complete);
    download.put_away(&engine.desk, supplies);
    Ok((went, reusable && read && whole))
}

/// The head of the answer, while the request's body goes up.
async fn answer(
    exchange: &Exchange<'_>,
    reply: &mut Reply<'_>,
    upload: &mut Transfer<'_>,
    answering: &mut Answering<'_>,
    patience: Duration,
) -> Result<Response, Failed> {
    let Exchange { engine, visit, request, .. } = *exchange;
    let (context, connection) = (&engine.context, visit.connection);
    let limits = context.limits();
    let most = usize::try_from(limits.head.0).unwrap_or(usize::MAX);
    let now = || context.connections().now();
    connection.within(now(), if upload.is_done() { patience } else { limits.body_idle });
    // What it does not read it may still answer.
    let mut uploading = !upload.is_done();
    poll_fn(|cx| {
        if let Poll::Ready(reason) = connection.poll_ended(cx) {
            return Poll::Ready(Err(match reason {
                // Without a body it is the instance that takes nothing.
                Reason::Idle if uploading && request.has_body() => Failed::ClientSlow,
                Reason::Idle => Failed::Silent,
                reason => Failed::Ended(reason),
            }));
        }
        if uploading {
            let before = upload.moved();
            let polled = upload.poll(cx, &engine.desk, &engine.supplies);
            let moved = upload.moved() - before;
            if moved > 0 {
                connection.moved(now(), moved, 0);
                connection.within(now(), limits.body_idle);
            }
            match polled {
                Poll::Ready(Err(Broken::Source(error))) => return Poll::Ready(Err(Failed::Client(error))),
                Poll::Ready(_) => {
                    uploading = false;
                    connection.within(now(), patience);
                }
                Poll::Pending => {}
            }
        }
        if let Poll::Ready(answered) = answering.poll(cx, &engine.supplies, most) {
            return Poll::Ready(answered.map_err(Failed::Instance));
        }
        if !uploading && reply.poll_gone(cx, connection, now(), false).is_ready() {
            return Poll::Ready(Err(Failed::ClientGone));
        }
        Poll::Pending
    })
    .await
}
