//! A request read to its end from bytes that come in pieces, as a connection's are: for the fuzzer, which sees no module
//! that is private.

use super::{Decoder, Head, Malformed, Scan, Scanned, read_request};

/// What bytes came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// More is needed.
    More,
    Refused(&'static str),
    Request(Whole),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    pub method: Vec<u8>,
    pub path: Vec<u8>,
    pub authority: Option<Vec<u8>>,
    /// Names and values.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Vec<u8>,
    /// Whole lines.
    pub trailers: Vec<u8>,
    /// Bytes that it takes.
    pub taken: usize,
}

/// Reads the first request. `sizes`: how many bytes come at a time; at their end the rest.
pub fn read(bytes: &[u8], sizes: impl Iterator<Item = usize>) -> Outcome {
    let mut sizes = sizes.map(|size| size.max(1)).chain(std::iter::repeat(usize::MAX));
    try_read(bytes, &mut || sizes.next().unwrap_or(usize::MAX))
        .unwrap_or_else(|error| Outcome::Refused(error.sentence))
}

fn try_read(bytes: &[u8], size: &mut dyn FnMut() -> usize) -> Result<Outcome, Malformed> {
    let (mut scan, mut came) = (Scan::default(), 0);
    let (from, to) = loop {
        if came == bytes.len() {
            return Ok(Outcome::More);
        }
        came = bytes.len().min(came.saturating_add(size()));
        if let Scanned::Head { from, to } = scan.look(&bytes[..came])? {
            break (from, to);
        }
    };
    let mut head = Head::default();
    let line = read_request(&bytes[from..to], &mut head)?;
    let mut decoder = Decoder::new(line.length);
    let (mut body, mut at) = (Vec::new(), to);
    while !decoder.is_done() {
        if at == bytes.len() {
            return Ok(Outcome::More);
        }
        if at == came {
            came = bytes.len().min(came.saturating_add(size()));
        }
        let mut piece = bytes[at..came].to_vec();
        let decoded = decoder.take(&mut piece)?;
        body.extend_from_slice(&piece[..decoded.content]);
        at += decoded.taken;
    }
    let field = |field| (head.name(field).to_vec(), head.value(field).to_vec());
    Ok(Outcome::Request(Whole {
        method: head.bytes(line.method).to_vec(),
        path: head.bytes(line.path).to_vec(),
        authority: line.authority.map(|authority| head.bytes(authority).to_vec()),
        fields: head.fields.iter().map(field).collect(),
        body,
        trailers: decoder.trailers().to_vec(),
        taken: at,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn how_it_is_cut_changes_nothing(
            fields in "((content-length: 5|transfer-encoding: chunked|x: y)\r\n){0,2}",
            body in "hello|5;a\r\nhello\r\n0\r\n\r\n|[05;\r\nhelo]{0,20}",
            sizes in proptest::collection::vec(1usize..20, 0..20),
        ) {
            let bytes = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}").into_bytes();
            let whole = read(&bytes, std::iter::empty());
            prop_assert_eq!(&read(&bytes, sizes.into_iter()), &whole);
            prop_assert_eq!(&read(&bytes, std::iter::repeat(1)), &whole);
        }
    }
}
