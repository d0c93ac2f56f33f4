//! Headers, EDNS and limits.

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};

use crate::dns::sample::{TERMS, ask, local, look_up, query, records, table, table_of, with_edns};
use crate::dns::{Transport, answer};

const NAME: &str = "app2.jobs.coding.net.";

fn code(query: &Message) -> ResponseCode {
    ask(&table(), query, Transport::Udp).metadata.response_code
}

#[test]
fn the_question_comes_back_as_it_was_spelled() {
    let asked = "aPP2.JOBS.coding.NET.";
    let reply = look_up(&table(), asked, RecordType::A);
    assert_eq!(reply.queries[0].name.to_ascii(), asked);
    assert_eq!(reply.answers[0].name.to_ascii(), asked);
    assert!(reply.metadata.recursion_desired && !reply.metadata.recursion_available);
}

#[test]
fn what_is_no_query_gets_no_answer() {
    let mut response = query(NAME, RecordType::A);
    response.metadata.message_type = MessageType::Response;
    assert_eq!(answer(&table(), TERMS, &response.to_vec().unwrap(), local(Transport::Udp)), None);
    let whole = query(NAME, RecordType::A).to_vec().unwrap();
    for length in 0..12 {
        assert_eq!(answer(&table(), TERMS, &whole[..length], local(Transport::Udp)), None, "{length}");
    }
}

#[test]
fn what_cannot_be_read_is_a_format_error() {
    let whole = query(NAME, RecordType::A).to_vec().unwrap();
    for length in 12..whole.len() {
        let bytes = answer(&table(), TERMS, &whole[..length], local(Transport::Udp)).unwrap();
        // Id, QR, RD, FORMERR; nothing counted.
        assert_eq!(bytes, [&whole[..2], &[0x81, 0x01], &[0; 8]].concat());
    }
    let mut none = query(NAME, RecordType::A);
    none.queries.clear();
    assert_eq!(code(&none), ResponseCode::FormErr);
    let mut two = query(NAME, RecordType::A);
    two.add_query(Query::query(Name::root(), RecordType::A));
    assert_eq!(code(&two), ResponseCode::FormErr);
    let long = [whole, vec![0; 5000]].concat();
    assert_eq!(answer(&table(), TERMS, &long, local(Transport::Tcp)).unwrap()[3], 1);
}

#[test]
fn what_we_do_not_do_is_said_so() {
    for opcode in [OpCode::Status, OpCode::Notify, OpCode::Update, OpCode::Unknown(15)] {
        let mut query = query(NAME, RecordType::A);
        query.metadata.op_code = opcode;
        let reply = ask(&table(), &query, Transport::Udp);
        assert_eq!(reply.metadata.response_code, ResponseCode::NotImp);
        assert_eq!(reply.metadata.op_code, opcode);
    }
    for class in [DNSClass::CH, DNSClass::ANY, DNSClass::NONE, DNSClass::Unknown(77)] {
        let mut query = query(NAME, RecordType::A);
        query.queries[0].set_query_class(class);
        assert_eq!(code(&query), ResponseCode::Refused);
    }
    for of in [RecordType::AXFR, RecordType::IXFR] {
        assert_eq!(code(&query("jobs.coding.net.", of)), ResponseCode::Refused);
    }
}

#[test]
fn edns_answers_edns() {
    let mut query = with_edns(query(NAME, RecordType::A), 4096);
    query.edns.as_mut().unwrap().set_dnssec_ok(true).flags_mut().z = 0x7fff;
    let edns = ask(&table(), &query, Transport::Udp).edns.unwrap();
    assert_eq!((edns.version(), edns.max_payload()), (0, 1232));
    assert!(edns.flags().dnssec_ok && edns.flags().z == 0);

    query.edns.as_mut().unwrap().set_version(1);
    let reply = ask(&table(), &query, Transport::Udp);
    // BADVERS and BADSIG are one number; hickory reads it as the latter.
    assert_eq!(u16::from(reply.metadata.response_code), u16::from(ResponseCode::BADVERS));
    assert_eq!(reply.edns.unwrap().version(), 0);
    assert!(reply.answers.is_empty());
}

#[test]
fn an_answer_is_cut_over_udp_and_whole_over_tcp() {
    let table = table_of("127.99.0.0/16", &records(200));
    for of in [RecordType::A, RecordType::SRV] {
        let plain = query("app2.instances.jobs.coding.net.", of);
        let whole = ask(&table, &plain, Transport::Tcp);
        assert_eq!(whole.answers.len(), if of == RecordType::A { 200 } else { 402 });
        assert!(!whole.metadata.truncation);
        let cases =
            [(plain.clone(), 512), (with_edns(plain.clone(), 600), 600), (with_edns(plain, 9999), 1232)];
        for (query, limit) in cases {
            let bytes = answer(&table, TERMS, &query.to_vec().unwrap(), local(Transport::Udp)).unwrap();
            assert!(bytes.len() <= limit && bytes.len() > limit - 120, "{} of {limit}", bytes.len());
            let reply = Message::from_vec(&bytes).unwrap();
            assert!(reply.metadata.truncation && !reply.answers.is_empty());
            assert_eq!(reply.edns.is_some(), query.edns.is_some());
        }
    }
}
