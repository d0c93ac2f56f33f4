//! One client connection of HTTP/1.1: requests in turn, until it ends, the gateway drains, or the client is too slow.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;

use super::body::{H1Source, Source};
use super::client::{Client, Reply};
use super::exchange::exchange;
use super::inbound::{Inbound, NoHead};
use super::outgoing::{Fate, response_h1};
use super::reply::{Reason as Refused, Refusal};
use super::request::Request;
use super::supplies::Supplies;
use super::{Engine, Scope, Visit, Went};
use crate::entrypoint::Entrypoint;
use crate::h1::{Decoder, Length, read_request};
use crate::l4::{Stream, Wire};
use crate::plane::{Connection, Entered, Reason};

/// A peer that still sends when we close is listened to for this long: a reset would destroy the answer that it has not
/// read yet (RFC 9112, 9.6).
const LINGER: Duration = Duration::from_secs(2);
/// The head of HTTP/2's preface (RFC 9113, 3.4), which reads as a request's.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// What a client said next.
enum Next {
    Request(Request),
    /// It goes on in HTTP/2.
    Http2,
    /// It said what is no request.
    Refused(Refusal),
    /// Nothing more, in order.
    Over,
    Ended(Reason),
    Failed,
}

impl Engine {
    /// Serves one client to its end; why, if that was not the client's own.
    pub(crate) async fn serve(
        self: &Rc<Self>,
        entered: &Entered,
        stream: Stream,
        entrypoint: Option<&Arc<Entrypoint>>,
        scope: Scope,
    ) -> Option<Reason> {
        let tls = stream.tls();
        let visit = Visit { connection: entered, scope, entrypoint, tls: tls.as_deref() };
        if stream.is_h2() {
            return Box::pin(self.serve_h2(visit, entered, stream, Bytes::new())).await;
        }
        let mut inbound = Inbound::default();
        loop {
            let request = match self.next(entered, &stream, &mut inbound, visit.tls.is_some()).await {
                Next::Request(request) => request,
                Next::Http2 => {
                    let early = Bytes::copy_from_slice(inbound.unread());
                    inbound.consume(early.len(), &self.supplies);
                    return Box::pin(self.serve_h2(visit, entered, stream, early)).await;
                }
                Next::Refused(refusal) => {
                    self.last_words(&stream, &refusal).await;
                    break;
                }
                Next::Over => break,
                Next::Ended(reason) => {
                    // Between two requests nobody waits for anything.
                    if reason != Reason::Idle && reason != Reason::Stopping {
                        stream.reset();
                    }
                    return (reason != Reason::Idle).then_some(reason);
                }
                Next::Failed => return None,
            };
            // Boxed, so that a quiet connection does not have an exchange's size.
            let went = Box::pin(self.request(visit, &stream, &mut inbound, &request)).await;
            request.put_away(&self.supplies);
            match went {
                Went::On => {}
                Went::Closes => break,
                Went::Broken => {
                    stream.reset();
                    return entered.ending();
                }
            }
        }
        entered.within(self.context.connections().now(), LINGER);
        let _ = tokio::time::timeout(LINGER, linger(&stream, &self.supplies)).await;
        None
    }

    async fn request(
        &self,
        visit: Visit<'_>,
        stream: &Stream,
        inbound: &mut Inbound,
        request: &Request,
    ) -> Went {
        let source = match request.line.length {
            _ if request.line.websocket => {
                Source::H1(H1Source { stream, inbound, decoder: Decoder::new(Length::UntilClose) })
            }
            Length::Known(0) => Source::Nothing,
            length => Source::H1(H1Source { stream, inbound, decoder: Decoder::new(length) }),
        };
        exchange(self, visit, request, Client::new(source, Reply::H1(stream))).await
    }

    async fn next(&self, connection: &Connection, stream: &Stream, inbound: &mut Inbound, tls: bool) -> Next {
        let (context, limits) = (&self.context, self.context.limits());
        let now = || context.connections().now();
        let most = usize::try_from(limits.head.0).unwrap_or(usize::MAX);
        connection.rest(now(), limits.keep_alive);
        let mut heading = false;
        let found = poll_fn(|cx| {
            let found = inbound.poll_head(cx, stream, &self.supplies, most);
            if found.is_pending() {
                if !heading && !inbound.is_empty() {
                    heading = true;
                    connection.within(now(), limits.header_timeout);
                }
                if let Poll::Ready(reason) = connection.poll_ended(cx) {
                    return Poll::Ready(Err(Err(reason)));
                }
            }
            found.map_err(Ok)
        });
        let (from, to) = match found.await {
            Ok(found) => found,
            Err(Ok(NoHead::Ended(0))) => return Next::Over,
            Err(Ok(no_head)) => return no_request(&no_head),
            Err(Err(Reason::Idle)) if heading => {
                return Next::Refused(Refusal::new(
                    Refused::RequestTimeout,
                    format!(
                        "{} bytes of a request head came, and no end of it within {:?}; end it with an empty line",
                        inbound.pending(),
                        limits.header_timeout
                    ),
                ));
            }
            Err(Err(reason)) => return Next::Ended(reason),
        };
        let head = &inbound.unread()[from..to];
        if head == PREFACE {
            return Next::Http2;
        }
        let mut kept = self.supplies.head();
        let read = read_request(head, &mut kept);
        inbound.consume(to, &self.supplies);
        match read {
            Ok(line) => Next::Request(Request { head: kept, line, tls }),
            Err(malformed) => Next::Refused(malformed.into()),
        }
    }

    /// To whoever did not say anything that can be answered in its own terms. Best effort: the client may be gone, and a
    /// full socket buffer is not waited for.
    async fn last_words(&self, stream: &Stream, refusal: &Refusal) {
        if let Some(count) = self.context.counters().answers.get(usize::from(refusal.reason.status() / 100)) {
            count.fetch_add(1, Relaxed);
        }
        let (response, text) = refusal.response();
        let mut out = self.supplies.text();
        response_h1(&mut out, &response, None, Fate::Closes);
        out.extend_from_slice(text.as_bytes());
        let write = async {
            poll_fn(|cx| stream.poll_write(cx, &out)).await?;
            poll_fn(|cx| stream.poll_flush(cx)).await
        };
        let _ = tokio::time::timeout(LINGER, write).await;
        self.supplies.give_text(out);
    }
}

fn no_request(no_head: &NoHead) -> Next {
    match no_head {
        NoHead::Ended(received) => Next::Refused(Refusal::bad(format!(
            "the connection ended after {received} bytes of a request head; end it with an empty line"
        ))),
        NoHead::Malformed(malformed) => Next::Refused((*malformed).into()),
        NoHead::Failed(_) => Next::Failed,
    }
}

/// Says that nothing more comes, and waits for the peer to be done.
async fn linger(stream: &Stream, supplies: &Supplies) -> io::Result<()> {
    poll_fn(|cx| stream.poll_shutdown(cx)).await?;
    let mut inbound = Inbound::default();
    while poll_fn(|cx| inbound.poll_fill(cx, stream, supplies)).await? > 0 {
        inbound.consume(usize::MAX, supplies);
    }
    Ok(())
}

impl Visit<'_> {
    /// A connection is for the names of the certificate that it was opened with (RFC 9110, 7.4): another's request on it
    /// would go around whatever is asked of that one's clients.
    pub(super) fn covers(&self, context: &crate::plane::Context, request: &Request) -> Result<(), Refusal> {
        let shaken = self.tls.and_then(|tls| tls.server_name.as_deref());
        let (Some(shaken), Some(host)) = (shaken, request.authority()) else { return Ok(()) };
        let Ok(host) = crate::table::host_name(host) else { return Ok(()) };
        if *host == *shaken || context.certificates().is_one_for(shaken, &host) {
            return Ok(());
        }
        let sentence = format!(
            "this connection was opened for `{shaken}`, whose certificate is not for `{host}`; open another"
        );
        Err(Refusal::new(Refused::Misdirected, sentence))
    }
}
