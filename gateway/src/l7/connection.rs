//! One client connection of HTTP/1.1: requests in turn, until it ends, the gateway drains, or the client is too slow.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};
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
use crate::plane::{Connection, Entered, Reason, count};

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

/// Whoever is served, on one connection.
pub(crate) struct Guest {
    pub(crate) entered: Entered,
    pub(crate) stream: Stream,
    pub(crate) scope: Scope,
    /// Where it came in by one.
    pub(crate) entrypoint: Option<Arc<Entrypoint>>,
}

/// How HTTP/1.1 on a connection came to its end.
enum Over {
    /// Why, if that was not the client's own.
    Ended(Option<Reason>),
    /// With an HTTP/2 preface, of which these bytes have come.
    Http2(Bytes),
}

impl Engine {
    /// Serves one client to its end. `held`: what it holds until then. No `async fn`, which would have room for its
    /// arguments twice, in each of ten thousand connections that are at rest.
    pub(crate) fn serve<H>(self: Rc<Self>, guest: Guest, held: H) -> impl Future<Output = ()> {
        let tls = guest.stream.tls();
        async move {
            let _ = &held;
            let visit = Visit {
                connection: &guest.entered,
                scope: guest.scope,
                entrypoint: guest.entrypoint.as_ref(),
                tls: tls.as_deref(),
            };
            let over = match guest.stream.is_h2() {
                true => Over::Http2(Bytes::new()),
                false => self.serve_h1(&visit, &guest.stream).await,
            };
            let reason = match over {
                Over::Ended(reason) => reason,
                Over::Http2(early) => {
                    Box::pin(self.serve_h2(&visit, &guest.entered, guest.stream, early)).await
                }
            };
            if let Some(reason) = reason {
                self.context.counters().reasons.add(reason);
                let (client, local) = (guest.entered.client(), guest.entered.local.get());
                tracing::debug!(%client, %local, %reason, "ended");
            }
        }
    }

    async fn serve_h1(&self, visit: &Visit<'_>, stream: &Stream) -> Over {
        let mut inbound = Inbound::default();
        // Nothing but what it waits with is held across the waiting.
        let refused = loop {
            let request = match self.next(visit, stream, &mut inbound).await {
                Next::Request(request) => request,
                Next::Http2 => {
                    let early = Bytes::copy_from_slice(inbound.unread());
                    inbound.consume(early.len(), &self.supplies);
                    return Over::Http2(early);
                }
                Next::Refused(refusal) => break Some(refusal),
                Next::Over => break None,
                Next::Ended(reason) => {
                    // Between two requests nobody waits for anything.
                    if reason != Reason::Idle && reason != Reason::Stopping {
                        stream.reset();
                    }
                    return Over::Ended((reason != Reason::Idle).then_some(reason));
                }
                Next::Failed => return Over::Ended(None),
            };
            // Whoever has said that he sends nothing more (RFC 9112, 9.6) sends nothing that would make a reset of the end.
            let silent = !request.line.persistent && !request.has_body() && !request.line.websocket;
            // Boxed, so that a quiet connection does not have an exchange's size.
            match Box::pin(self.request(visit, stream, &mut inbound, request)).await {
                Went::On => {}
                Went::Closes if silent && inbound.is_empty() && leaves(stream) => return Over::Ended(None),
                Went::Closes => break None,
                Went::Broken => {
                    stream.reset();
                    return Over::Ended(visit.connection.ending());
                }
            }
        };
        Box::pin(self.part(visit.connection, stream, refused)).await;
        Over::Ended(None)
    }

    async fn request(
        &self,
        visit: &Visit<'_>,
        stream: &Stream,
        inbound: &mut Inbound,
        request: Request,
    ) -> Went {
        let source = match request.line.length {
            _ if request.line.websocket => {
                Source::H1(H1Source { stream, inbound, decoder: Decoder::new(Length::UntilClose) })
            }
            Length::Known(0) => Source::Nothing,
            length => Source::H1(H1Source { stream, inbound, decoder: Decoder::new(length) }),
        };
        let went = exchange(self, visit, &request, &mut Client::new(source, Reply::H1(stream))).await;
        request.put_away(&self.supplies);
        went
    }

    /// The end in order, with a last word to whoever said what is no request.
    async fn part(&self, connection: &Connection, stream: &Stream, refused: Option<Refusal>) {
        if let Some(refusal) = refused {
            self.last_words(stream, &refusal).await;
        }
        self.linger(connection, stream).await;
    }

    /// Says that nothing more comes, and listens until the peer is done too, or for [`LINGER`].
    pub(super) async fn linger(&self, connection: &Connection, stream: &Stream) {
        connection.within(self.context.connections().now(), LINGER);
        let _ = tokio::time::timeout(LINGER, heard_out(stream, &self.supplies)).await;
    }

    async fn next(&self, visit: &Visit<'_>, stream: &Stream, inbound: &mut Inbound) -> Next {
        let now = || self.context.connections().now();
        visit.connection.rest(now(), self.context.limits().keep_alive);
        let mut heading = false;
        let found = poll_fn(|cx| {
            let (limits, connection) = (self.context.limits(), visit.connection);
            let most = usize::try_from(limits.head.0).unwrap_or(usize::MAX);
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
                        self.context.limits().header_timeout
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
            Ok(line) => Next::Request(Request { head: kept, line, tls: visit.tls.is_some() }),
            Err(malformed) => Next::Refused(malformed.into()),
        }
    }

    /// To whoever did not say anything that can be answered in its own terms. Best effort: the client may be gone, and a
    /// full socket buffer is not waited for.
    async fn last_words(&self, stream: &Stream, refusal: &Refusal) {
        if let Some(counter) = self.context.counters().answers.get(usize::from(refusal.reason.status() / 100))
        {
            count(counter, 1);
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

/// Says that nothing more comes, if that can be done and left at once.
fn leaves(stream: &Stream) -> bool {
    let said = match stream {
        // Closing says it.
        Stream::Plain(_) => true,
        Stream::Tls(_) => stream.poll_shutdown(&mut Poller::from_waker(Waker::noop())).is_ready(),
    };
    said && stream.is_quiet(false)
}

async fn heard_out(stream: &Stream, supplies: &Supplies) -> io::Result<()> {
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
        if host.eq_ignore_ascii_case(shaken) {
            return Ok(());
        }
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
