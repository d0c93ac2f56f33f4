//! The message level: which queries are understood (RFC 1035, 6891, 8906), and the header of every answer.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::fit::fit;
use super::names::{Found, find};
use super::records::{Asked, Records, Terms, Zone};
use super::subnet::{Malformed, Subnet, Told, is_trusted};
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

/// Who asks, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    pub address: IpAddr,
    pub transport: Transport,
}

/// The answer to `query`, at most as long as its transport and its sender take.
///
/// `None`: say nothing. There is no header to answer to, or it is itself an answer, and two servers that answer each
/// other's would never stop.
pub fn answer(table: &Table, terms: Terms, query: &[u8], asker: Asker) -> Option<Vec<u8>> {
    let header = Header::read(&mut BinDecoder::new(query)).ok()?;
    if header.message_type == MessageType::Response {
        return None;
    }
    match understood(&header, query) {
        Ok(asked) => {
            let limit = limit(&asked.query, asker.transport);
            fit(reply(&Zone { table, terms, room: limit }, &asked, asker.address), limit)
        }
        Err(code) => fit(bare(&header, code), PLAIN_PAYLOAD),
    }
}

/// A query as far as it is understood.
struct Understood {
    query: Message,
    question: Query,
    subnet: Told,
}

fn understood(header: &Header, query: &[u8]) -> Result<Understood, ResponseCode> {
    // What follows the header of another opcode is not ours to parse.
    if header.op_code != OpCode::Query {
        return Err(ResponseCode::NotImp);
    }
    // RFC 9619: one question. Before decoding, which would make room for as many as the header claims.
    if header.counts.queries != 1 || query.len() > MAX_QUERY {
        return Err(ResponseCode::FormErr);
    }
    let (subnet, query) = Subnet::of(query);
    let mut query = Message::from_vec(&query).map_err(|_| ResponseCode::FormErr)?;
    let question = query.queries.pop().ok_or(ResponseCode::FormErr)?;
    Ok(Understood { query, question, subnet })
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

fn reply(zone: &Zone<'_>, asked: &Understood, asker: IpAddr) -> Message {
    let Understood { query, question, subnet } = asked;
    let asker = asker.to_canonical();
    // From anybody else it is as if it were not there, in the answer too (RFC 7871, 7.2.1).
    let subnet = subnet.map(|told| told.filter(|_| is_trusted(asker)));
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.edns = query.edns.as_ref().map(our_edns);
    // As it was asked, case and all: resolvers use the case as a second id (0x20).
    reply.add_query(question.clone());

    let result = match (refusal(query, question), subnet) {
        (Some(code), _) => Err(code),
        (None, Err(Malformed)) => Err(ResponseCode::FormErr),
        (None, Ok(told)) => {
            let client = told.map_or(Some(asker), Subnet::client);
            answered(zone, question, client, query.metadata.id).map(|answered| (told, answered))
        }
    };
    match result {
        Ok((told, (code, records))) => {
            if let (Some(subnet), Some(edns)) = (told, &mut reply.edns) {
                edns.options_mut().insert(subnet.answered(records.scope));
            }
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

/// DO is copied (RFC 3225, 3); flags and options that we do not know are left out (RFC 6891, 6.1.2). The subnet comes
/// with the answer.
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

/// `client`: where it is, if it says so.
fn answered(
    zone: &Zone<'_>,
    question: &Query,
    client: Option<IpAddr>,
    id: u16,
) -> Result<(ResponseCode, Records), ResponseCode> {
    let records = match find(zone.table, &question.name) {
        Found::Outside => return Err(ResponseCode::Refused),
        Found::Nothing => zone.nothing(None).map(|records| (ResponseCode::NXDomain, records)),
        Found::Node(node) => {
            let asked = Asked { question, client, turn: id };
            zone.records(&node, &asked).map(|records| (ResponseCode::NoError, records))
        }
    };
    // A name of ours that is too long once the zone is behind it; the lengths of labels and zones leave that open.
    records.map_err(|_| ResponseCode::ServFail)
}
