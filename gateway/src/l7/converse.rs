//! One instance's part of an exchange: the request's body goes up, its answer comes down, at once if need be.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use super::body::grpc_status;
use super::body::{BodyError, Broken, Filter, H1Sink, H1Source, Sink, Source, Transfer};
use super::client::{Client, Reply};
use super::coding::coder;
use super::edit::Changes;
use super::exchange::{Exchange, dress};
use super::instance::{Answering, NoAnswer};
use super::request::Request;
use super::response::Response;
use super::route::Routed;
use super::{Engine, Visit, Went};
use crate::access_log::End;
use crate::h1::{Decoder, Encoder, Length, Malformed, Name};
use crate::plane::Reason;
use crate::policy::{Accepted, Answer, Choice, weakened};
use crate::table::Endpoint;

/// From the request's end to the head of the answer. Long polls are answered within minutes; what takes longer is stuck.
const ANSWER: Duration = Duration::from_secs(600);
/// Interim answers to one request; early hints and progress are a few.
const INTERIMS: u32 = 32;

/// Why there is no answer to give back.
#[derive(Debug)]
pub(super) enum Failed {
    Instance(NoAnswer),
    /// The request never left.
    Unsent,
    /// There is no way to say it in HTTP/2.
    Unspeakable(http::Error),
    /// It took the request and was silent for too long.
    Silent,
    /// It speaks HTTP/2, and the client wants WebSocket.
    NotOverH2,
    /// The request's body did not come as it should.
    Client(BodyError),
    ClientSlow,
    ClientGone,
    /// The gateway ends it.
    Ended(Reason),
}

/// What became of the client's connection, and whether the instance's may carry another exchange.
type Conversed = Result<(Went, bool), Failed>;

pub(super) async fn converse(
    exchange: Exchange<'_>,
    routed: &Routed,
    endpoint: &Arc<Endpoint>,
    client: &mut Client<'_>,
    mut upload: Transfer<'_>,
    mut answering: Answering<'_>,
) -> Conversed {
    let Exchange { engine, visit, request, record, .. } = exchange;
    let supplies = &engine.supplies;
    let patience = routed.head_timeout().unwrap_or(ANSWER);
    let mut interims = 0;
    let mut response = loop {
        let response =
            answer(engine, visit, &mut client.reply, &mut upload, &mut answering, patience).await?;
        if !response.is_interim() {
            break response;
        }
        interims += 1;
        if interims > INTERIMS {
            let endless = Malformed::syntax("it sent more than 32 interim answers and no last one");
            return Err(Failed::Instance(NoAnswer::Malformed(endless)));
        }
        let passed = client.reply.interim(&response, request, supplies);
        let passed = tokio::time::timeout(engine.context.limits().body_idle, passed).await;
        if !matches!(passed, Ok(Ok(()))) {
            return Err(Failed::ClientGone);
        }
        response.put_away(supplies);
    };
    if response.status == 101 {
        upload.put_away(&engine.desk, supplies);
        return tunnel(exchange, routed, client, response, answering).await;
    }
    let filter = change(engine, request, routed, endpoint, &mut response);
    let reusable = answering.is_persistent();
    // A body that is not wanted need not come: whoever is refused in the middle of it is not asked for the rest.
    let wanted = upload.is_done() || response.status < 400;
    let may_stay = request.line.persistent && wanted && !engine.context.is_draining();
    let begun = client.reply.begin(&response, request, may_stay, supplies).map_err(|_| Failed::ClientGone)?;
    client.begun = true;
    record.status.set(Some(response.status));
    record.to_head.set(record.elapsed());
    let pace = match () {
        () if response.is_event_stream() => Pace::Endless,
        () if request.is_grpc() => Pace::Quiet,
        () => Pace::Steady(engine.context.limits().body_idle),
    };
    let grpc_status = grpc_status(response.head.named("grpc-status").next());
    let mut download = Transfer::new(answering.into_source(response.length), begun.sink).through(filter);
    response.put_away(supplies);
    let flowed =
        both(engine, visit, &mut client.reply, &mut upload, &mut download, pace, Until::Answered).await;
    let read = upload.is_done();
    record.bytes.set((upload.moved(), download.moved()));
    record.grpc_status.set(download.grpc_status().or(grpc_status));
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
    upload.put_away(&engine.desk, supplies);
    Ok((went, reusable && read && whole))
}

/// The head of the answer, while the request's body goes up.
async fn answer(
    engine: &Engine,
    visit: Visit<'_>,
    reply: &mut Reply<'_>,
    upload: &mut Transfer<'_>,
    answering: &mut Answering<'_>,
    patience: Duration,
) -> Result<Response, Failed> {
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
                Reason::Idle if uploading => Failed::ClientSlow,
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
        if !uploading && reply.poll_gone(cx, false).is_ready() {
            return Poll::Ready(Err(Failed::ClientGone));
        }
        Poll::Pending
    })
    .await
}

/// Until when bodies flow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The answer is whole: what is left of the request is of no use.
    Answered,
    /// Both sides have ended.
    BothEnded,
}

/// How long a body may stand still.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Steady(Duration),
    /// As long as it likes; somebody watches.
    Quiet,
    /// The same, and it never ends.
    Endless,
}

#[derive(Debug)]
enum Cut {
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
    fn end(&self) -> End {
        match self {
            Cut::Broken(Broken::Source(_)) => End::InstanceFailed,
            Cut::Broken(Broken::Sink(_)) | Cut::ClientGone => End::ClientGone,
            Cut::Ended(Reason::Idle) => End::Timeout,
            Cut::Ended(reason) => End::Closed(*reason),
        }
    }
}

async fn both(
    engine: &Engine,
    visit: Visit<'_>,
    reply: &mut Reply<'_>,
    upload: &mut Transfer<'_>,
    download: &mut Transfer<'_>,
    pace: Pace,
    until: Until,
) -> Result<(), Cut> {
    let (context, connection) = (&engine.context, visit.connection);
    let wait = || match pace {
        Pace::Steady(idle) => connection.within(context.connections().now(), idle),
        Pace::Quiet => connection.unhurried(),
        Pace::Endless => connection.endless(),
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
            Poll::Pending if !uploading && reply.poll_gone(cx, pace == Pace::Endless).is_ready() => {
                Poll::Ready(Err(Cut::ClientGone))
            }
            _ => Poll::Pending,
        }
    });
    let flowed = flowed.await;
    let counters = context.counters();
    counters.bytes_to_instances.fetch_add(upload.moved(), std::sync::atomic::Ordering::Relaxed);
    counters.bytes_to_clients.fetch_add(download.moved(), std::sync::atomic::Ordering::Relaxed);
    flowed
}

/// What the route says of the answer: its head is changed, and its content perhaps.
fn change(
    engine: &Engine,
    request: &Request,
    routed: &Routed,
    endpoint: &Endpoint,
    response: &mut Response,
) -> Option<Box<dyn Filter>> {
    let route = routed.route.as_deref()?;
    let mut changes = Changes::of(&route.policy.response_headers);
    dress(&mut changes, routed.domain.as_deref(), route, request);
    if let Some(sticky) = &route.policy.sticky
        && sticky.instance(request.head.named("cookie")) != Some(endpoint.id)
    {
        changes.add("set-cookie", sticky.set_cookie(endpoint.id, request.tls));
    }
    let mut filter = None;
    let choice = match &route.policy.compress {
        Some(compress) if !request.is_head() => {
            compress.choose(&Accepted::new(request.head.all(Name::AcceptEncoding)), &answered(response))
        }
        _ => Choice::Never,
    };
    if choice != Choice::Never {
        changes.add("vary", "accept-encoding");
    }
    if let Choice::Coded(coding) = choice {
        filter = coder(coding);
    }
    if let (Choice::Coded(coding), true) = (choice, filter.is_some()) {
        changes.set("content-encoding", coding.as_str());
        changes.remove("accept-ranges");
        let etag = response.head.named("etag").next().and_then(|etag| std::str::from_utf8(etag).ok());
        if let Some(etag) = etag.and_then(weakened) {
            changes.set("etag", etag);
        }
        response.recoded = true;
    }
    changes.in_response(response, &engine.supplies);
    filter
}

fn answered(response: &Response) -> Answer<'_> {
    Answer {
        status: response.status,
        content_type: response.head.first(Name::ContentType),
        content_length: match response.length {
            Length::Known(length) => Some(length),
            Length::Chunked | Length::UntilClose => None,
        },
        content_encoding: response.head.first(Name::ContentEncoding),
        cache_control: response.head.named("cache-control").next(),
    }
}

/// Both ways as they are, from the 101 on (RFC 9110, 15.2.2; RFC 8441, 5 for a client of HTTP/2).
async fn tunnel(
    exchange: Exchange<'_>,
    routed: &Routed,
    client: &mut Client<'_>,
    mut response: Response,
    answering: Answering<'_>,
) -> Conversed {
    let Exchange { engine, visit, request, record, .. } = exchange;
    let Answering::H1 { stream, inbound, .. } = answering else {
        return Err(Failed::Instance(NoAnswer::Reset(h2::Reason::PROTOCOL_ERROR)));
    };
    if !request.line.websocket {
        let unasked = Malformed::syntax("it changed the protocol, and nobody had asked for that");
        return Err(Failed::Instance(NoAnswer::Malformed(unasked)));
    }
    if matches!(client.reply, Reply::H2(_)) {
        response.status = 200;
        response.length = Length::UntilClose;
        let mut changes = Changes::default();
        changes.remove("sec-websocket-accept");
        changes.in_response(&mut response, &engine.supplies);
    }
    let begun =
        client.reply.begin(&response, request, true, &engine.supplies).map_err(|_| Failed::ClientGone)?;
    client.begun = true;
    record.status.set(Some(response.status));
    record.to_head.set(record.elapsed());
    response.put_away(&engine.supplies);
    let mut down = Transfer::new(
        Source::H1(H1Source { stream, inbound, decoder: Decoder::new(Length::UntilClose) }),
        begun.sink.shutting(),
    );
    let mut up = Transfer::new(
        std::mem::replace(&mut client.source, Source::Nothing),
        Sink::H1(H1Sink::new(stream, Encoder::Plain, engine.supplies.text())).shutting(),
    );
    let pace = Pace::Steady(routed.job.idle_timeout(engine.context.limits()));
    let flowed = both(engine, visit, &mut client.reply, &mut up, &mut down, pace, Until::BothEnded).await;
    record.bytes.set((up.moved(), down.moved()));
    let went = match flowed {
        Ok(()) => Went::Closes,
        Err(cut) => {
            tracing::debug!(job = %routed.job.label, %cut, "tunnel cut");
            record.ended(cut.end());
            down.cut()
        }
    };
    record.ended(End::Complete);
    up.put_away(&engine.desk, &engine.supplies);
    down.put_away(&engine.desk, &engine.supplies);
    Ok((went, false))
}
