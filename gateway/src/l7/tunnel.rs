//! What follows an opening handshake of WebSocket: bytes both ways, and no HTTP any more.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Went;
use super::body::{H1Sink, H1Source, H2Sink, H2Source, Sink, Source, Transfer};
use super::client::{Client, Reply};
use super::converse::{Conversed, Failed};
use super::edit::Changes;
use super::exchange::Exchange;
use super::flow::{Pace, Until, both};
use super::instance::{Answering, NoAnswer};
use super::request::Request;
use super::response::Response;
use super::route::Routed;
use super::supplies::Supplies;
use crate::access_log::End;
use crate::h1::{Decoder, Encoder, Length, Malformed, Name};

/// Of whoever answers an opening handshake (RFC 6455, 1.3).
const ACCEPT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Both ways as they are, from the answer on that opens them: a 101 (RFC 9110, 15.2.2), or a 2xx on a stream (RFC 8441, 5).
pub(super) async fn tunnel(
    exchange: &Exchange<'_>,
    routed: &Routed,
    client: &mut Client<'_>,
    mut response: Response,
    answering: Answering<'_>,
) -> Conversed {
    let Exchange { engine, visit, request, record, .. } = *exchange;
    if !request.line.websocket {
        let unasked = Malformed::syntax("it changed the protocol, and nobody had asked for that");
        return Err(Failed::Instance(NoAnswer::Malformed(unasked)));
    }
    let (down, up) = match answering {
        Answering::H1 { stream, inbound, .. } => (
            Source::H1(H1Source { stream, inbound, decoder: Decoder::new(Length::UntilClose) }),
            Sink::H1(H1Sink::new(stream, Encoder::Plain, engine.supplies.text())).shutting(),
        ),
        Answering::H2 { body: Some(down), up: Some(up), .. } => {
            (Source::H2(H2Source::new(down)), Sink::H2(H2Sink::new(Some(up))))
        }
        // It opens a stream and has ended it.
        Answering::H2 { .. } => return Err(Failed::Instance(NoAnswer::Reset(h2::Reason::PROTOCOL_ERROR))),
    };
    said_to(&client.reply, request, &mut response, &engine.supplies);
    let begun =
        client.reply.begin(&response, request, true, &engine.supplies).map_err(|_| Failed::ClientGone)?;
    client.begun = true;
    record.begins(response.status);
    response.put_away(&engine.supplies);
    let mut down = Transfer::new(down, begun.sink.shutting());
    let mut up = Transfer::new(std::mem::replace(&mut client.source, Source::Nothing), up);
    let pace = Pace::Steady(routed.job.idle_timeout(engine.context.limits()));
    let flowed =
        both(engine, visit.connection, &mut client.reply, &mut up, &mut down, pace, Until::BothEnded).await;
    record.moved(up.moved(), down.moved());
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

/// In the client's version of HTTP: whoever upgraded a connection is shown that his key was read, and on a stream there is
/// no key.
fn said_to(reply: &Reply<'_>, request: &Request, response: &mut Response, supplies: &Supplies) {
    let mut changes = Changes::default();
    match reply {
        Reply::H1(_) if response.status == 101 => return,
        Reply::H1(_) => {
            response.status = 101;
            response.length = Length::NONE;
            let key = request.head.first(Name::WebSocketKey).unwrap_or_default();
            let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
            hash.update(key);
            hash.update(ACCEPT);
            changes.add("sec-websocket-accept", BASE64_STANDARD.encode(hash.finish()));
        }
        Reply::H2(_) => {
            response.status = 200;
            response.length = Length::UntilClose;
            changes.remove("sec-websocket-accept");
        }
    }
    changes.in_response(response, supplies);
}
