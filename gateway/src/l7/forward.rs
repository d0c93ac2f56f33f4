//! Pick an instance, send the request, give back its answer; try another where that is safe.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use roundhouse_config::JobName;

use super::body::{BodyError, H1Sink, H2Sink, Sink, Source, Transfer};
use super::client::Client;
use super::converse::{Failed, converse};
use super::edit::Changes;
use super::exchange::Exchange;
use super::instance::{Answering, H1Instance, Instance, NoAnswer, Shared, To};
use super::outgoing::{Terms, request_h1, request_h2};
use super::reply::{Reason, Refusal};
use super::request::Request;
use super::route::Routed;
use super::{Engine, Went};
use crate::client_address::{Forwarding, Scheme};
use crate::h1::{Encoder, Length};
use crate::l4::{Attempts, ConnectError, is_our_shortage};
use crate::plane::{Context, count};
use crate::table::Endpoint;

pub(super) async fn forward(
    exchange: &Exchange<'_>,
    routed: &Routed,
    identity: Option<&JobName>,
    client: &mut Client<'_>,
) -> Result<Went, Refusal> {
    let Exchange { engine, request, record, .. } = *exchange;
    let context = &*engine.context;
    fits(routed, request)?;
    let words = Words::of(exchange, routed, identity);
    let mut wanted = routed.kept_instance(request);
    let mut attempts = Attempts::default();
    let (mut last, mut excuse) = (None, true);
    let outcome = loop {
        let Some(endpoint) = attempts.next_or(wanted.take(), context, &routed.port) else {
            break Err(last.unwrap_or_else(|| no_backend(context, routed, &ConnectError::Nobody)));
        };
        let Missed { failed, reused } = match attempt(exchange, &words, routed, &endpoint, client).await {
            Ok(went) => break Ok(went),
            Err(missed) => missed,
        };
        if let Some(end) = failed.is_over() {
            record.ended(end);
            break Ok(client.cut());
        }
        // An instance that closes a kept connection just now is at no fault, once.
        let stale = matches!(failed, Failed::Unsent | Failed::Instance(NoAnswer::Nothing(_)));
        match &failed {
            _ if reused && stale && std::mem::replace(&mut excuse, false) => {}
            Failed::Dialling(error) => attempts.failed(&endpoint, error),
            _ => attempts.unanswered(&endpoint),
        }
        let again = failed.may_be_tried_again(request);
        let refusal = refusal(context, routed, attempts.count(), endpoint.address, failed);
        if !again {
            break Err(refusal);
        }
        last = Some(refusal);
        count(&context.counters().retries, 1);
    };
    words.put_away(engine);
    outcome
}

fn fits(routed: &Routed, request: &Request) -> Result<(), Refusal> {
    match (routed.max_body(), request.line.length) {
        (Some(most), Length::Known(length)) if length > most => Err(Refusal::new(
            Reason::BodyTooLarge,
            format!("the body has {length} bytes, and the domain's route takes {most} (max_body)"),
        )),
        _ => Ok(()),
    }
}

/// What a route changes in a request, and what the gateway adds to it.
struct Words<'a> {
    edited: Option<Box<Request>>,
    target: Option<String>,
    host: Option<Cow<'a, str>>,
    jobname: Option<Box<str>>,
}

impl<'a> Words<'a> {
    /// `identity`: who the client is, where somebody had to find out.
    fn of(exchange: &Exchange<'_>, routed: &'a Routed, identity: Option<&JobName>) -> Words<'a> {
        let Exchange { engine, request, visit, .. } = *exchange;
        let policy = routed.route.as_ref().map(|route| &route.policy);
        let edits = policy.map(|policy| Changes::of(&policy.request_headers)).unwrap_or_default();
        let rewrite = policy.and_then(|policy| policy.rewrite.as_ref());
        let rewritten = rewrite.and_then(|rewrite| rewrite.host.as_deref()).map(Cow::Borrowed);
        let zone = || engine.context.look(|table| table.zone.clone());
        Words {
            edited: (!edits.is_empty()).then(|| Box::new(edits.in_request(request, &engine.supplies))),
            target: rewrite.and_then(|rewrite| rewrite.target(request.path())),
            host: rewritten.or_else(|| routed.host_of_old_clients(zone, request).map(Cow::Owned)),
            jobname: identity.map(|name| name.as_str().into()).or_else(|| visit.connection.jobname()),
        }
    }

    /// The request as an instance gets it,
    fn request<'t>(&'t self, exchange: &Exchange<'t>) -> &'t Request {
        self.edited.as_deref().unwrap_or(exchange.request)
    }

    /// and what it is told beside.
    fn terms<'t>(&'t self, exchange: &Exchange<'t>) -> Terms<'t> {
        let Exchange { request, visit, trace, .. } = *exchange;
        let peer = visit.connection.client().ip();
        let forwarding = Forwarding {
            peer,
            trusted: visit.trusts(peer),
            scheme: if request.tls { Scheme::Https } else { Scheme::Http },
            host: request.line.authority.map_or(b"", |authority| request.head.bytes(authority)),
        };
        Terms {
            forwarding,
            jobname: self.jobname.as_deref(),
            trace,
            host: self.host.as_deref(),
            path: self.target.as_deref(),
        }
    }

    fn put_away(self, engine: &Engine) {
        if let Some(edited) = self.edited {
            edited.put_away(&engine.supplies);
        }
    }
}

/// An attempt that came to nothing.
struct Missed {
    failed: Failed,
    /// On a connection that had carried a request before.
    reused: bool,
}

async fn attempt(
    exchange: &Exchange<'_>,
    words: &Words<'_>,
    routed: &Routed,
    endpoint: &Arc<Endpoint>,
    client: &mut Client<'_>,
) -> Result<Went, Missed> {
    let Exchange { engine, request, record, visit, .. } = *exchange;
    let before = record.tries(endpoint);
    let way = To::of(engine, endpoint, routed, request);
    let way = way.map_err(|error| Missed { failed: Failed::Dialling(error), reused: false })?;
    let instance = match way.at_hand(engine, request) {
        Some(instance) => instance,
        None => Box::pin(way.open(engine, endpoint, &routed.job))
            .await
            .map_err(|error| Missed { failed: Failed::Dialling(error), reused: false })?,
    };
    let reused = instance.is_reused();
    record.asks(endpoint, matches!(instance, Instance::H2(_)), before.filter(|_| !reused));
    visit.connection.serve_at(endpoint.clone());
    let talked = match instance {
        Instance::H1(kept) => talk_h1(exchange, words, routed, endpoint, client, kept).await,
        Instance::H2(shared) => Box::pin(talk_h2(exchange, words, routed, endpoint, client, shared)).await,
    };
    visit.connection.done_there();
    talked.map_err(|failed| Missed { failed, reused })
}

/// The body that goes up at once. Nothing is forwarded to an upgraded instance before its 101.
fn body<'c>(client: &mut Client<'c>, request: &Request) -> Source<'c> {
    match request.line.websocket {
        true => Source::Nothing,
        false => std::mem::replace(&mut client.source, Source::Nothing),
    }
}

async fn talk_h1(
    exchange: &Exchange<'_>,
    words: &Words<'_>,
    routed: &Routed,
    endpoint: &Arc<Endpoint>,
    client: &mut Client<'_>,
    mut kept: Box<H1Instance>,
) -> Result<Went, Failed> {
    let Exchange { engine, request, .. } = *exchange;
    let mut text = engine.supplies.text();
    request_h1(&mut text, words.request(exchange), &words.terms(exchange));
    let H1Instance { stream, inbound, .. } = &mut *kept;
    let sink = Sink::H1(H1Sink::new(stream, Encoder::new(request.line.length), text));
    let answering = Answering::H1 { stream, inbound, to_head: request.is_head(), persistent: false };
    let mut upload = Transfer::new(body(client, request), sink).at_most(routed.max_body());
    let talked = converse(exchange, routed, endpoint, client, &mut upload, answering).await;
    upload.put_away(&engine.desk, &engine.supplies);
    match talked {
        Ok((went, true)) => {
            engine.pool.borrow_mut().give(kept, engine.context.connections().now());
            Ok(went)
        }
        Ok((went, false)) => Ok(went),
        Err(failed) => {
            if kept.is_reused() {
                // Its others are as old.
                engine.pool.borrow_mut().forget(&kept);
            }
            Err(failed)
        }
    }
}

async fn talk_h2(
    exchange: &Exchange<'_>,
    words: &Words<'_>,
    routed: &Routed,
    endpoint: &Arc<Endpoint>,
    client: &mut Client<'_>,
    shared: Shared,
) -> Result<Went, Failed> {
    let Exchange { engine, request, .. } = *exchange;
    let https = routed.port.port.tls.is_some();
    let head = request_h2(words.request(exchange), &words.terms(exchange), https);
    let head = head.map_err(Failed::Unspeakable)?;
    let websocket = request.line.websocket;
    if websocket && !shared.takes_websocket(engine.context.limits().hello_timeout).await {
        return Err(Failed::NotOverH2);
    }
    let place = shared.place;
    place.touch(engine.context.connections().now());
    let mut sender = shared.sender.ready().await.map_err(|_| Failed::Unsent)?;
    let sent = sender.send_request(head, !request.has_body() && !websocket);
    let (response, stream) = sent.map_err(|_| Failed::Unsent)?;
    if request.line.expects {
        client.allow(&engine.supplies).await.map_err(|_| Failed::ClientGone)?;
    }
    let (up, stream) = if websocket { (Some(stream), None) } else { (None, Some(stream)) };
    let sink = Sink::H2(H2Sink::new(stream.filter(|_| request.has_body())));
    let mut upload = Transfer::new(body(client, request), sink).at_most(routed.max_body());
    let answering = Answering::H2 { response: Box::new(response), body: None, up };
    let talked = converse(exchange, routed, endpoint, client, &mut upload, answering).await;
    upload.put_away(&engine.desk, &engine.supplies);
    talked.map(|(went, _)| went)
}

fn no_backend(context: &Context, routed: &Routed, error: &ConnectError) -> Refusal {
    let (job, port) = (&routed.job.label, routed.port.name());
    // Not louder: a dead job may be asked for ten thousand times a second. It is counted, and health is logged.
    tracing::debug!(%job, %port, %error, "no backend");
    let sentence = format!("job `{job}` is known and cannot be reached: {error}");
    Refusal::new(Reason::NoBackend, sentence).at(context.look(|table| table.revision))
}

fn refusal(context: &Context, routed: &Routed, tried: usize, address: SocketAddr, failed: Failed) -> Refusal {
    let job = &routed.job.label;
    tracing::debug!(%job, %address, ?failed, "no answer");
    match failed {
        Failed::Dialling(error) if is_our_shortage(&error) => {
            no_backend(context, routed, &ConnectError::Exhausted(error))
        }
        Failed::Dialling(error) => {
            no_backend(context, routed, &ConnectError::Failed { tried, address, error })
        }
        Failed::Instance(why) => {
            Refusal::new(Reason::BadGateway, format!("job `{job}` at {address} gave no answer: {why}"))
        }
        Failed::Unsent => Refusal::new(
            Reason::BadGateway,
            format!("job `{job}` at {address} took no request: its connections are ending"),
        ),
        Failed::Silent => Refusal::new(
            Reason::Timeout,
            format!("job `{job}` at {address} took the request and did not answer"),
        ),
        Failed::NotOverH2 => Refusal::new(
            Reason::NotImplemented,
            format!(
                "the instances of job `{job}` speak HTTP/2 and do not take WebSocket over it (RFC 8441); give the port \"http\":\"auto\" if they speak HTTP/1.1 too"
            ),
        ),
        Failed::Unspeakable(error) => Refusal::bad(format!(
            "the instances of job `{job}` speak HTTP/2, in which this request cannot be said: {error}; percent-encode its path"
        )),
        Failed::Client(BodyError::TooLarge) => Refusal::new(
            Reason::BodyTooLarge,
            "the body is larger than the domain's route takes (max_body); send less".to_owned(),
        ),
        Failed::Client(BodyError::Malformed(malformed)) => malformed.into(),
        Failed::Client(error) => Refusal::bad(format!("the request's body did not come whole: {error}")),
        Failed::ClientGone | Failed::Ended(_) => Refusal::bad("the client has gone"),
        Failed::ClientSlow => Refusal::new(
            Reason::RequestTimeout,
            "nothing more of the request's body came (limits.body_idle); send it without pauses",
        ),
    }
}
