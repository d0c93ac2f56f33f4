//! Waiting for an instance's answer.

use std::io;
use std::task::{Context as Poller, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;

use super::super::body::{H1Source, H2Source, Source};
use super::super::inbound::{Inbound, NoHead};
use super::super::response::Response;
use super::super::supplies::Supplies;
use crate::h1::{Decoder, Length, Malformed, Name, StatusLine, read_response};
use crate::l4::Stream;

/// Where an answer comes from.
pub(in crate::l7) enum Answering<'i> {
    H1 {
        stream: &'i Stream,
        inbound: &'i mut Inbound,
        /// The request was a HEAD.
        to_head: bool,
        persistent: bool,
    },
    H2 {
        response: Box<ResponseFuture>,
        body: Option<h2::RecvStream>,
        /// What goes up once a WebSocket is open.
        up: Option<h2::SendStream<Bytes>>,
    },
}

/// Why there is none.
#[derive(Debug)]
pub(in crate::l7) enum NoAnswer {
    /// The connection ended, or failed, before a byte of it.
    Nothing(io::Error),
    /// It began and did not end.
    Cut,
    Malformed(Malformed),
    /// The stream was refused before anything was done with it (RFC 9113, 8.7).
    Refused,
    Reset(h2::Reason),
}

impl<'i> Answering<'i> {
    /// The next head: an interim one, or the last.
    pub(in crate::l7) fn poll(
        &mut self,
        cx: &mut Poller<'_>,
        supplies: &Supplies,
        most: usize,
    ) -> Poll<Result<Response, NoAnswer>> {
        match self {
            Answering::H1 { stream, inbound, to_head, persistent } => {
                let (from, to) = ready!(inbound.poll_head(cx, stream, supplies, most)).map_err(no_head)?;
                let mut head = supplies.head();
                let read = read_response(&inbound.unread()[from..to], *to_head, &mut head);
                inbound.consume(to, supplies);
                let line: StatusLine = read.map_err(NoAnswer::Malformed)?;
                // What has come with the head: once that is passed on there is no other answer any more.
                line.length.fits(inbound.unread()).map_err(NoAnswer::Malformed)?;
                *persistent = line.persistent;
                Poll::Ready(Ok(Response::new(head, line.status, line.reason, line.length)))
            }
            Answering::H2 { response, body, .. } => {
                if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
                    return Poll::Ready(
                        interim.map(|interim| converted(supplies, &interim, Length::NONE)).map_err(failed),
                    );
                }
                let answer = ready!(std::pin::Pin::new(response).poll(cx)).map_err(failed)?;
                let (parts, stream) = answer.into_parts();
                let length = if stream.is_end_stream() { Length::NONE } else { announced(&parts.headers) };
                let answer = http::Response::from_parts(parts, ());
                let converted = converted(supplies, &answer, length);
                *body = (!stream.is_end_stream()).then_some(stream);
                Poll::Ready(Ok(converted))
            }
        }
    }

    pub(in crate::l7) fn into_source(self, length: Length) -> Source<'i> {
        match self {
            Answering::H1 { .. } if length.is_none() => Source::Nothing,
            Answering::H1 { stream, inbound, .. } => {
                Source::H1(H1Source { stream, inbound, decoder: Decoder::new(length) })
            }
            Answering::H2 { body, up, .. } => {
                // It was refused: nothing will go up. A stream that is gone needs no end.
                let _ = up.map(|mut up| up.send_data(Bytes::new(), true));
                body.map_or(Source::Nothing, |body| Source::H2(H2Source::new(body)))
            }
        }
    }

    /// Whether it opens the WebSocket that was asked for (RFC 6455, 4.2.2; RFC 8441, 5).
    pub(in crate::l7) fn opens(&self, status: u16) -> bool {
        match self {
            Answering::H1 { .. } => status == 101,
            Answering::H2 { up, .. } => up.is_some() && (200..300).contains(&status),
        }
    }

    /// Whether the connection may carry another exchange once this one is over.
    pub(in crate::l7) fn is_persistent(&self) -> bool {
        matches!(self, Answering::H1 { persistent: true, .. })
    }
}

/// A body without a length goes on in chunks.
fn announced(headers: &http::HeaderMap) -> Length {
    let said = headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    said.map_or(Length::Chunked, Length::Known)
}

fn converted(supplies: &Supplies, answer: &http::Response<()>, length: Length) -> Response {
    let mut head = supplies.head();
    for (name, value) in answer.headers() {
        if !Name::of(name.as_str().as_bytes()).is_hop_by_hop() {
            head.push_field(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    Response::new(head, answer.status().as_u16(), crate::h1::Span::default(), length)
}

fn no_head(error: NoHead) -> NoAnswer {
    match error {
        NoHead::Ended(0) => NoAnswer::Nothing(io::ErrorKind::UnexpectedEof.into()),
        NoHead::Ended(_) => NoAnswer::Cut,
        NoHead::Malformed(malformed) => NoAnswer::Malformed(malformed),
        NoHead::Failed(error) => NoAnswer::Nothing(error),
    }
}

fn failed(error: h2::Error) -> NoAnswer {
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => NoAnswer::Refused,
        Some(reason) if error.is_reset() => NoAnswer::Reset(reason),
        _ if error.is_go_away() => NoAnswer::Refused,
        _ => NoAnswer::Nothing(io::Error::other(error)),
    }
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoAnswer::Nothing(error) => write!(f, "it ended the connection without an answer ({error})"),
            NoAnswer::Cut => f.write_str("its answer ended in the middle of the head"),
            NoAnswer::Malformed(malformed) => write!(f, "its answer is no HTTP: {malformed}"),
            NoAnswer::Refused => f.write_str("it refused the stream"),
            NoAnswer::Reset(reason) => write!(f, "it reset the stream: {reason}"),
        }
    }
}
