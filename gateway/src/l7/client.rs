//! The side that asked: where its request's body comes from, and how it is answered.

use std::io;
use std::task::{Context as Poller, Poll};

use bytes::Bytes;
use h2::server::SendResponse;

use super::Went;
use super::body::{H1Sink, H2Sink, Sink, Source};
use super::outgoing::{self, Fate};
use super::request::Request;
use super::response::Response;
use super::supplies::Supplies;
use crate::h1::{Encoder, Length, Version};
use crate::l4::{Stream, Wire};
use crate::plane::{Connection, Tick};

pub(super) struct Client<'c> {
    pub(super) source: Source<'c>,
    pub(super) reply: Reply<'c>,
    /// The answer's head is on its way.
    pub(super) begun: bool,
}

pub(super) enum Reply<'c> {
    H1(&'c Stream),
    H2(SendResponse<Bytes>),
}

/// How an answer was begun.
pub(super) struct Begun<'c> {
    pub(super) sink: Sink<'c>,
    /// Whether the client may ask again on this connection.
    pub(super) stays: bool,
}

impl<'c> Client<'c> {
    pub(super) fn new(source: Source<'c>, reply: Reply<'c>) -> Client<'c> {
        Client { source, reply, begun: false }
    }

    /// Ends an answer in its middle.
    pub(super) fn cut(&mut self) -> Went {
        if let Reply::H2(respond) = &mut self.reply {
            respond.send_reset(h2::Reason::CANCEL);
        }
        Went::Broken
    }

    /// Gives leave to send a body (RFC 9110, 10.1.1).
    pub(super) async fn allow(&mut self, supplies: &Supplies) -> io::Result<()> {
        let response = Response::of(100);
        match &mut self.reply {
            Reply::H1(stream) => {
                let mut out = supplies.text();
                outgoing::interim_h1(&mut out, &response);
                let written = write_all(stream, &out).await;
                supplies.give_text(out);
                written
            }
            Reply::H2(_) => Ok(()),
        }
    }
}

impl<'c> Reply<'c> {
    /// Ready when nobody waits for the answer any more.
    pub(super) fn poll_gone(
        &mut self,
        cx: &mut Poller<'_>,
        connection: &Connection,
        now: Tick,
        end_is_leaving: bool,
    ) -> Poll<()> {
        match self {
            // Most answers are there before that would have paid.
            Reply::H1(stream) if !stream.is_watched() && !connection.is_asked_again(now) => Poll::Pending,
            Reply::H1(stream) => {
                connection.settled();
                stream.poll_gone(cx, end_is_leaving)
            }
            // Once the head is sent this is not for the crate to ask here: the body's sink finds out.
            Reply::H2(respond) => match respond.poll_reset(cx) {
                Poll::Ready(Err(error)) if !error.is_io() && error.reason().is_none() => Poll::Pending,
                polled => polled.map(drop),
            },
        }
    }

    /// Passes an interim response on, to whoever knows of them.
    pub(super) async fn interim(
        &mut self,
        response: &Response,
        request: &Request,
        supplies: &Supplies,
    ) -> io::Result<()> {
        if !request.takes_interim() {
            return Ok(());
        }
        match self {
            Reply::H1(stream) => {
                let mut out = supplies.text();
                outgoing::interim_h1(&mut out, response);
                let written = write_all(stream, &out).await;
                supplies.give_text(out);
                written
            }
            Reply::H2(respond) => {
                respond.send_informational(outgoing::response_h2(response)).map_err(io::Error::other)
            }
        }
    }

    /// Begins the answer. `may_stay`: nothing but the answer's own framing is against going on.
    pub(super) fn begin(
        &mut self,
        response: &Response,
        request: &Request,
        may_stay: bool,
        supplies: &Supplies,
    ) -> io::Result<Begun<'c>> {
        match self {
            Reply::H1(stream) => {
                let old = request.line.version == Version::Http10;
                let length = match response.length {
                    known @ Length::Known(_) if !response.recoded => known,
                    _ if old => Length::UntilClose,
                    _ => Length::Chunked,
                };
                let stays = may_stay && length != Length::UntilClose;
                let fate = match stays {
                    _ if response.status == 101 => Fate::Upgrades,
                    true if old => Fate::StaysAsAsked,
                    true => Fate::Stays,
                    false => Fate::Closes,
                };
                let mut out = supplies.text();
                outgoing::response_h1(&mut out, response, response.said(length, request), fate);
                let sink = Sink::H1(H1Sink::new(stream, Encoder::new(length), out));
                let sink = if length == Length::UntilClose { sink.shutting() } else { sink };
                Ok(Begun { sink, stays })
            }
            Reply::H2(respond) => {
                let bodiless = response.length.is_none() || request.is_head();
                let stream = respond.send_response(outgoing::response_h2(response), bodiless);
                let stream = stream.map_err(io::Error::other)?;
                Ok(Begun { sink: Sink::H2(H2Sink::new((!bodiless).then_some(stream))), stays: true })
            }
        }
    }

    /// The whole of a short answer.
    pub(super) async fn say(
        &mut self,
        response: &Response,
        body: &[u8],
        fate: Fate,
        supplies: &Supplies,
    ) -> io::Result<()> {
        match self {
            Reply::H1(stream) => {
                let mut out = supplies.text();
                outgoing::response_h1(&mut out, response, None, fate);
                out.extend_from_slice(body);
                let written = write_all(stream, &out).await;
                supplies.give_text(out);
                written
            }
            Reply::H2(respond) => {
                let sent = respond.send_response(outgoing::response_h2(response), body.is_empty());
                let mut stream = sent.map_err(io::Error::other)?;
                if !body.is_empty() {
                    stream.send_data(Bytes::copy_from_slice(body), true).map_err(io::Error::other)?;
                }
                Ok(())
            }
        }
    }
}

async fn write_all(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::future::poll_fn(|cx| stream.poll_write(cx, bytes)).await?;
        bytes = bytes.get(n..).unwrap_or_default();
    }
    std::future::poll_fn(|cx| stream.poll_flush(cx)).await
}
