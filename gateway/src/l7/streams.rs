//! One client connection of HTTP/2 (RFC 9113): a task for each stream, each with an exchange of its own.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::SendResponse;
use http::Method;
use http::request::Parts;

use super::body::{H2Source, Source};
use super::client::{Client, Reply};
use super::exchange::exchange;
use super::h2_io::{H2Io, Talk};
use super::outgoing::Fate;
use super::reply::Refusal;
use super::request::Request;
use super::supplies::Supplies;
use super::{Engine, Scope, Visit};
use crate::entrypoint::Entrypoint;
use crate::h1::{Head, Length, Malformed, Name, RequestLine, Span, Version};
use crate::l4::{Stream, TlsFacts};
use crate::phase::Phase;
use crate::plane::{Connection, Entered, Reason};

/// Streams of one client at once; browsers open a hundred at most.
const STREAMS: u32 = 100;
/// What a client may send ahead of its instance's reading, a stream and in all (RFC 9113, 6.9.2).
const STREAM_WINDOW: u32 = 64 << 10;
const WINDOW: u32 = 1 << 20;
/// What waits to be sent on one stream.
const SEND_BUFFER: usize = 64 << 10;
/// A client that has been told to go elsewhere is given this long to open no more streams.
const LAST_CALL: Duration = Duration::from_secs(1);

impl Engine {
    pub(super) async fn serve_h2(
        self: &Rc<Self>,
        visit: &Visit<'_>,
        entered: &Entered,
        stream: Stream,
        early: Bytes,
    ) -> Option<Reason> {
        let limits = self.context.limits();
        let connections = self.context.connections().clone();
        let client = Rc::new(OfAll {
            tls: visit.tls.cloned(),
            entrypoint: visit.entrypoint.cloned(),
            scope: visit.scope,
            carrier: entered.connection.clone(),
            open: Cell::new(0),
        });
        let talk = Talk::default();
        let stream = Rc::new(stream);
        let io = H2Io::of_client(stream.clone(), early, talk.clone());
        let head = u32::try_from(limits.head.0).unwrap_or(u32::MAX);
        entered.within(connections.now(), limits.header_timeout);
        let shaking = h2::server::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(head)
            .max_send_buffer_size(SEND_BUFFER)
            .enable_connect_protocol()
            .handshake::<_, Bytes>(io);
        let shaken = tokio::select! {
            shaken = shaking => shaken,
            reason = entered.ended() => return Some(reason),
        };
        let mut connection = shaken.ok()?;
        let mut phase = self.context.phase();
        let mut stopping = pin!(async move { drop(phase.wait_for(|phase| *phase == Phase::Draining).await) });
        let mut draining = false;
        entered.rest(connections.now(), limits.keep_alive);
        let reason = loop {
            let accepted = std::future::poll_fn(|cx| {
                let accepted = connection.poll_accept(cx);
                if talk.is_too_much() {
                    return Poll::Ready(Err(Over::Talk));
                }
                if let Poll::Ready(reason) = entered.poll_ended(cx) {
                    return Poll::Ready(Err(Over::Ended(reason)));
                }
                accepted.map(Ok)
            });
            let accepted = tokio::select! {
                biased;
                accepted = accepted => accepted,
                () = stopping.as_mut(), if !draining => {
                    // Those that are open go on; a client that hears of it opens others elsewhere.
                    draining = true;
                    connection.graceful_shutdown();
                    continue;
                }
            };
            let over = match accepted {
                Ok(Some(Ok((request, respond)))) => {
                    self.stream(&client, request, respond);
                    continue;
                }
                Ok(Some(Err(error))) => {
                    // Whoever broke the protocol, or floods, is not listened to any more.
                    tracing::debug!(client = %entered.client(), %error, "HTTP/2 connection ended");
                    return None;
                }
                Ok(None) => break None,
                Err(over) => over,
            };
            let reason = match over {
                Over::Talk => {
                    connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
                    Some(Reason::Flood)
                }
                Over::Ended(reason) => {
                    connection.graceful_shutdown();
                    (reason != Reason::Idle).then_some(reason)
                }
            };
            let closing = std::future::poll_fn(|cx| connection.poll_closed(cx));
            if tokio::time::timeout(LAST_CALL, closing).await.is_err() {
                // It had its time.
                return reason;
            }
            break reason;
        };
        drop(connection);
        if reason.is_none() {
            // Its GOAWAY and its answers to ours may still be under way.
            Box::pin(self.linger(entered, &stream)).await;
        }
        reason
    }

    /// Serves one stream, as a task of its own.
    fn stream(
        self: &Rc<Self>,
        client: &Rc<OfAll>,
        request: http::Request<h2::RecvStream>,
        respond: SendResponse<Bytes>,
    ) {
        let (engine, of_all) = (self.clone(), client.clone());
        let (parts, body) = request.into_parts();
        let read = read(&self.supplies, &parts, body.is_end_stream(), of_all.tls.is_some());
        let open = Open::new(of_all.clone(), engine.clone());
        // Boxed: the runtime moves what it is given several times before it is at rest.
        tokio::task::spawn_local(Box::pin(async move {
            let request = match read {
                Ok(request) => request,
                Err(malformed) => {
                    // RFC 9113, 8.1.1: a malformed request is a stream error, and a client may be told why before.
                    let (response, text) = Refusal::from(malformed).response();
                    let mut reply = Reply::H2(respond);
                    let said = reply.say(&response, text.as_bytes(), Fate::Stays, &engine.supplies).await;
                    return drop(said);
                }
            };
            let entered = engine.context.connections().enter_within(&of_all.carrier);
            let visit = Visit {
                connection: &entered,
                scope: of_all.scope,
                entrypoint: of_all.entrypoint.as_ref(),
                tls: of_all.tls.as_ref(),
            };
            let source = match request.has_body() || request.line.websocket {
                true => Source::H2(H2Source::new(body)),
                false => Source::Nothing,
            };
            let mut client = Client::new(source, Reply::H2(respond));
            exchange(&engine, &visit, &request, &mut client).await;
            request.put_away(&engine.supplies);
            drop(open);
        }));
    }
}

enum Over {
    Talk,
    Ended(Reason),
}

/// What the streams of a connection have in common.
struct OfAll {
    tls: Option<TlsFacts>,
    entrypoint: Option<Arc<Entrypoint>>,
    scope: Scope,
    carrier: Rc<Connection>,
    open: Cell<u32>,
}

/// A stream that is open: its connection is not at rest.
struct Open {
    client: Rc<OfAll>,
    engine: Rc<Engine>,
}

impl Open {
    fn new(client: Rc<OfAll>, engine: Rc<Engine>) -> Open {
        client.open.set(client.open.get() + 1);
        client.carrier.unhurried();
        Open { client, engine }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let left = self.client.open.get() - 1;
        self.client.open.set(left);
        if left == 0 {
            let context = &self.engine.context;
            self.client.carrier.rest(context.connections().now(), context.limits().keep_alive);
        }
    }
}

/// A request's head as HTTP/1.1 would have it (RFC 9113, 8.3.1).
fn read(supplies: &Supplies, parts: &Parts, ends: bool, tls: bool) -> Result<Request, Malformed> {
    let mut head = supplies.head();
    let websocket = match (&parts.method, parts.extensions.get::<Protocol>()) {
        (&Method::CONNECT, Some(protocol)) if protocol.as_str() == "websocket" => true,
        (&Method::CONNECT, _) => {
            return Err(Malformed::unserved("CONNECT is served for `websocket` alone (RFC 8441)"));
        }
        _ => false,
    };
    let method = head.push(if websocket { b"GET" } else { parts.method.as_str().as_bytes() });
    let path = match parts.uri.path_and_query() {
        // `OPTIONS *` (RFC 9113, 8.3.1).
        Some(path) if path.as_str() == "*" => head.push(b"*"),
        Some(path) => head.push(path.as_str().as_bytes()),
        None => head.push(b"/"),
    };
    let said = parts.uri.authority().map(|authority| head.push(authority.as_str().as_bytes()));
    for (name, value) in &parts.headers {
        if name != http::header::COOKIE {
            head.push_field(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    // RFC 9113, 8.2.3: they are one field to whoever knows no crumbs.
    let crumbs: Vec<&[u8]> =
        parts.headers.get_all(http::header::COOKIE).iter().map(http::HeaderValue::as_bytes).collect();
    if !crumbs.is_empty() {
        head.push_field(b"cookie", &crumbs.join(&b"; "[..]));
    }
    if websocket {
        head.push_field(b"sec-websocket-key", BASE64_STANDARD.encode(rand::random::<[u8; 16]>()).as_bytes());
    }
    let authority = authority(&head, said)?;
    let length = match (websocket || ends, head.first(Name::ContentLength)) {
        (true, None) => Length::NONE,
        // The h2 crate holds a body to what was said of it (RFC 9113, 8.1.1).
        (true, Some(_)) if !websocket => Length::NONE,
        (_, None) => Length::Chunked,
        (_, Some(said)) => {
            let length = std::str::from_utf8(said).ok().and_then(|said| said.parse().ok());
            Length::Known(length.ok_or(Malformed::syntax("Content-Length is no number of bytes"))?)
        }
    };
    let expects = head.first(Name::Expect).is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
    let line = RequestLine {
        method,
        path,
        authority,
        version: Version::Http2,
        length: if websocket { Length::NONE } else { length },
        persistent: true,
        expects,
        websocket,
    };
    Ok(Request { head, line, tls })
}

/// `Host` may say what `:authority` says, or stand in its place; two that differ have two readers.
fn authority(head: &Head, said: Option<Span>) -> Result<Option<Span>, Malformed> {
    let mut hosts = head.fields.iter().filter(|field| field.name == Name::Host);
    let host = hosts.next().map(|field| field.value);
    if hosts.next().is_some() {
        return Err(Malformed::syntax("the request has more than one Host; send one"));
    }
    match (said, host) {
        (Some(said), Some(host)) if !head.bytes(said).eq_ignore_ascii_case(head.bytes(host)) => {
            Err(Malformed::syntax("`:authority` and Host differ; send one of them"))
        }
        (None, None) => {
            Err(Malformed::syntax("the request has no `:authority`; send the name of a job or a domain"))
        }
        (said, host) => Ok(said.or(host)),
    }
}
