//! From a message to bytes that fit.

use hickory_proto::op::{Edns, Header, Message, emit_message_parts};
use hickory_proto::serialize::binary::BinEncoder;

/// An OPT record without options: root name, type, class, TTL, length (RFC 6891, 6.1.2). An option has its number and its
/// length before it.
const OPT: u16 = 11;
const OPTION: u16 = 4;

/// The message, cut to `limit` bytes if need be. TC is set only when an answer or an authority was cut: what is merely
/// additional is not worth asking again over TCP (RFC 2181, 9).
pub(super) fn fit(mut message: Message, limit: u16) -> Option<Vec<u8>> {
    let (bytes, header) = emit(&message, u16::MAX)?;
    if !header.metadata.truncation && bytes.len() <= usize::from(limit) {
        return Some(bytes);
    }

    // The OPT record is written last and must not be what falls off, so its room is kept aside.
    let edns = message.edns.take();
    let room = limit - edns.as_ref().map_or(0, size);
    let (_, header) = emit(&message, room)?;
    let answers = usize::from(header.counts.answers);
    let authorities = usize::from(header.counts.authorities);
    message.metadata.truncation = answers < message.answers.len() || authorities < message.authorities.len();
    message.answers.truncate(answers);
    message.authorities.truncate(authorities);
    message.additionals.truncate(usize::from(header.counts.additionals));
    message.edns = edns;
    // Without a limit, because the encoder counts a name before it has compressed it.
    let (bytes, _) = emit(&message, u16::MAX)?;
    (bytes.len() <= usize::from(limit)).then_some(bytes)
}

fn size(edns: &Edns) -> u16 {
    let options = edns.options().as_ref().iter().map(|(_, option)| OPTION + option.len());
    OPT + options.sum::<u16>()
}

/// As many records as `most` bytes hold; the header tells how many.
fn emit(message: &Message, most: u16) -> Option<(Vec<u8>, Header)> {
    let mut bytes = Vec::with_capacity(512);
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(most);
    let header = emit_message_parts(
        &message.metadata,
        &mut message.queries.iter(),
        &mut message.answers.iter(),
        &mut message.authorities.iter(),
        &mut message.additionals.iter(),
        message.edns.as_ref(),
        None,
        &mut encoder,
    )
    .ok()?;
    // A record that did not fit leaves its first bytes behind.
    let end = encoder.offset();
    bytes.truncate(end);
    Some((bytes, header))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::op::{Edns, OpCode};
    use hickory_proto::rr::{Name, RData, Record, rdata::A};

    use super::*;

    fn message(answers: u32, additionals: u32) -> Message {
        let record = |n: u32| {
            let name = Name::from_ascii(format!("n{n}.jobs.coding.net.")).unwrap();
            Record::from_rdata(name, 1, RData::A(A(Ipv4Addr::from(n))))
        };
        let mut message = Message::response(7, OpCode::Query);
        message.edns = Some(Edns::new());
        message.add_answers((0..answers).map(record)).add_additionals((0..additionals).map(record));
        message
    }

    #[test]
    fn what_fits_is_whole_and_the_opt_always_stays() {
        for (answers, additionals, limit) in
            [(3, 3, 512), (5, 100, 512), (100, 0, 512), (100, 100, 1232), (9000, 9000, u16::MAX)]
        {
            let before = message(answers, additionals);
            let bytes = fit(before.clone(), limit).unwrap();
            assert!(bytes.len() <= usize::from(limit), "{answers} {additionals} {limit}");
            let after = Message::from_vec(&bytes).unwrap();
            assert!(after.edns.is_some());
            assert_eq!(after.metadata.truncation, after.answers.len() < before.answers.len());
            assert!(after.answers.iter().eq(before.answers.iter().take(after.answers.len())));
            let is_cut = after.all_sections().count() < before.all_sections().count();
            assert!(
                !is_cut || bytes.len() + 64 > usize::from(limit),
                "cut further than need be: {}",
                bytes.len()
            );
        }
    }
}
