//! The message level: which queries are understood (RFC 1035, 6891, 8906), and the header of every answer.

use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::fit::fit;
use super::names::{Found, find};
use super::records::{Records, Terms, Zone};
use crate::table::Table;

/// A question, an OPT with a few options: nobody needs more. It keeps what a chain of compression pointers can cost to
/// thousands of steps.
pub(super) const MAX_QUERY: usize = 4096;

/// What we send and take over UDP: below it nothing fragments on a path of IPv6's least MTU (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;

/// RFC 1035, 4.2.1: all that a client without EDNS can take.
const PLAIN_PAYLOAD: u16 = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// The answer to `query`, at most as long as its transport and its sender take.
///
/// `None`: say nothing. There is no header to answer to, or it is itself an answer, and two servers that answer each
/// other's would never stop.
pub fn answer(table: &Table, terms: Terms, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let header = Header::read(&mut BinDecoder::new(query)).ok()?;
    if header.message_type == MessageType::Response {
        return None;
    }
    match understood(&header, query) {
        Ok((query, question)) => {
            let limit = limit(&query, transport);
            fit(reply(&Zone { table, terms, room: limit }, &query, &question), limit)
        }
        Err(code) => fit(bare(&header, code), PLAIN_PAYLOAD),
    }
}

fn understood(header: &Header, query: &[u8]) -> Result<(Message, Query), ResponseCode> {
    // What follows the header of another opcode is not ours to parse.
    if header.op_code != OpCode::Query {
        return Err(ResponseCode::NotImp);
    }
    // RFC 9619: one question. Before decoding, which would make room for as many as the header claims.
    if header.counts.queries != 1 || query.len() > MAX_QUERY {
        return Err(ResponseCode::FormErr);
    }
    let mut query = Message::from_vec(query).map_err(|_| ResponseCode::FormErr)?;
    let question = query.queries.pop().ok_or(ResponseCode::FormErr)?;
    Ok((query, question))
}

/// Bytes that the answer may have.
fn limit(query: &Message, transport: Transport) -> u16 {
    match (transport, &query.edns) {
        (Transport::Tcp, _) => u16::MAX,
        (Transport::Udp, None) => PLAIN_PAYLOAD,
        (Transport::Udp, Some(edns)) => edns.max_payload().clamp(PLAIN_PAYLOAD, UDP_PAYLOAD),
    }
}

/// A header alone. RA stays 0, and so do AD and CD: they are a validator's.
fn bare(query: &Header, code: ResponseCode) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.response_code = code;
    reply
}

fn reply(zone: &Zone<'_>, query: &Message, question: &Query) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.edns = query.edns.as_ref().map(our_edns);
    // As it was asked, case and all: resolvers use the case as a second id (0x20).
    reply.add_query(question.clone());

    let result = match refusal(query, question) {
        Some(code) => Err(code),
        None => answered(zone, question, query.metadata.id),
    };
    match result {
        Ok((code, records)) => {
            reply.metadata.authoritative = true;
            reply.metadata.response_code = code;
            reply.answers = records.answers;
            reply.authorities = records.authorities;
            reply.additionals = records.additionals;
        }
        Err(code) => reply.metadata.response_code = code,
    }
    reply
}

/// DO is copied (RFC 3225, 3); flags and options that we do not know are left out (RFC 6891, 6.1.2).
fn our_edns(theirs: &Edns) -> Edns {
    let mut ours = Edns::new();
    ours.set_max_payload(UDP_PAYLOAD).set_dnssec_ok(theirs.flags().dnssec_ok);
    ours
}

fn refusal(query: &Message, question: &Query) -> Option<ResponseCode> {
    if query.version() > 0 {
        return Some(ResponseCode::BADVERS);
    }
    let is_transfer = matches!(question.query_type, RecordType::AXFR | RecordType::IXFR);
    (question.query_class != DNSClass::IN || is_transfer).then_some(ResponseCode::Refused)
}

fn answered(zone: &Zone<'_>, question: &Query, id: u16) -> Result<(ResponseCode, Records), ResponseCode> {
    let records = match find(zone.table, &question.name) {
        Found::Outside => return Err(ResponseCode::Refused),
        Found::Nothing => zone.nothing().map(|records| (ResponseCode::NXDomain, records)),
        Found::Node(node) => {
            zone.records(&node, question, id).map(|records| (ResponseCode::NoError, records))
        }
    };
    // A name of ours that is too long once the zone is behind it; the lengths of labels and zones leave that open.
    records.map_err(|_| ResponseCode::ServFail)
}
