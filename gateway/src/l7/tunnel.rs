//! What follows a 101: bytes both ways, and no HTTP any more.

use super::Went;
use super::body::{H1Sink, H1Source, Sink, Source, Transfer};
use super::client::{Client, Reply};
use super::converse::{Conversed, Failed};
use super::edit::Changes;
use super::exchange::Exchange;
use super::flow::{Pace, Until, both};
use super::instance::{Answering, NoAnswer};
use super::response::Response;
use super::route::Routed;
use crate::access_log::End;
use crate::h1::{Decoder, Encoder, Length, Malformed};

/// Both ways as they are, from the 101 on (RFC 9110, 15.2.2; RFC 8441, 5 for a client of HTTP/2).
pub(super) async fn tunnel(
    exchange: &Exchange<'_>,
    routed: &Routed,
    client: &mut Client<'_>,
    mut response: Response,
    answering: Answering<'_>,
) -> Conversed {
    let Exchange { engine, visit, request, record, .. } = *exchange;
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
    record.begins(response.status);
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
