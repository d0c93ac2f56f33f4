//! From bytes to one handshake message, however it was cut.
//!
//! A hello may span any number of records, down to one byte each, and a record any number of segments. The caller keeps
//! all bytes anyway, to forward them, so none are kept here: only how far whole records were walked, which makes each
//! call cost what is new. A message in one record, as nearly all are, is decoded where it lies; one in several is put
//! together once, when its last byte is here.

use std::borrow::Cow;

use super::decode::decode;
use super::{ClientHello, HelloError, Outcome};

/// Of the message with its header. A hello with a post-quantum key share has 2 KB, and the largest share in use
/// (ML-KEM-1024 beside P-384) adds no more than that; the rest is for tickets and what is yet to come.
pub const MAX_HELLO: usize = 64 << 10;
/// That a hello may be cut into. Most come in one; tools that get past middleboxes cut theirs into a few.
pub const MAX_RECORDS: usize = 64;
/// With as many bytes as this, the outcome is never `Incomplete`.
pub const MAX_BYTES: usize = MAX_HELLO + MAX_RECORDS * RECORD_HEADER;

/// Content type, version, length (RFC 8446, 5.1).
const RECORD_HEADER: usize = 5;
const HANDSHAKE: u8 = 22;
const MAX_FRAGMENT: usize = 1 << 14;
/// Type and length (RFC 8446, 4).
const MESSAGE_HEADER: usize = 4;
const CLIENT_HELLO: u8 = 1;

/// How far one connection's bytes were read.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    /// Where the first record begins that is not whole.
    walked: usize,
    /// Whole records before it, and how many bytes of the message they hold.
    records: usize,
    gathered: usize,
    /// The message's first bytes, as far as they are here.
    header: [u8; MESSAGE_HEADER],
}

impl Reader {
    /// `all` is everything received so far, each time: what was given before, and more.
    pub fn feed(&mut self, all: &[u8]) -> Outcome {
        if !may_be_tls(all) {
            return Outcome::NotTls;
        }
        match self.walk(all) {
            Ok(None) => Outcome::Incomplete,
            Ok(Some(hello)) => Outcome::Hello(hello),
            Err(error) => Outcome::Invalid(error),
        }
    }

    /// Checks go in the order of the bytes, so that the first wrong one decides, whenever it comes. A record is left
    /// behind only when it decided nothing: reading a decided connection again decides the same.
    fn walk(&mut self, all: &[u8]) -> Result<Option<ClientHello>, HelloError> {
        while let Some(record) = Record::begin(all.get(self.walked..).unwrap_or_default())? {
            if let Some(length) = self.message_length(record.fragment)?
                && self.gathered + record.fragment.len() >= length
            {
                let message = self.message(all, length);
                return decode(message.get(MESSAGE_HEADER..).unwrap_or_default()).map(Some);
            }
            if record.fragment.len() < record.length {
                break;
            }
            if self.records + 1 == MAX_RECORDS {
                return Err(HelloError::TooManyRecords);
            }
            self.walked += RECORD_HEADER + record.length;
            self.records += 1;
            self.gathered += record.length;
        }
        Ok(None)
    }

    /// Of the message with its header, as soon as the header is here.
    fn message_length(&mut self, fragment: &[u8]) -> Result<Option<usize>, HelloError> {
        let known = self.gathered.min(MESSAGE_HEADER);
        for (byte, new) in self.header[known..].iter_mut().zip(fragment) {
            *byte = *new;
        }
        let present = self.gathered + fragment.len();
        let [kind, high, middle, low] = self.header;
        if present > 0 && kind != CLIENT_HELLO {
            return Err(HelloError::MessageType(kind));
        }
        if present < MESSAGE_HEADER {
            return Ok(None);
        }
        let length = MESSAGE_HEADER + u32::from_be_bytes([0, high, middle, low]) as usize;
        if length > MAX_HELLO {
            return Err(HelloError::MessageLength(length));
        }
        Ok(Some(length))
    }

    /// All of it is here.
    fn message<'a>(&self, all: &'a [u8], length: usize) -> Cow<'a, [u8]> {
        if self.records == 0 {
            return Cow::Borrowed(all.get(RECORD_HEADER..RECORD_HEADER + length).unwrap_or_default());
        }
        let mut message = Vec::with_capacity(length);
        let mut rest = all;
        while message.len() < length
            && let Ok(Some(record)) = Record::begin(rest)
        {
            let missing = length - message.len();
            message.extend_from_slice(&record.fragment[..record.fragment.len().min(missing)]);
            rest = rest.get(RECORD_HEADER + record.length..).unwrap_or_default();
        }
        Cow::Owned(message)
    }
}

/// Whether the first two bytes, as far as they are here, are a handshake record's. What is not TLS differs here:
/// `G` of a GET, 0x80 of an SSLv2 hello. Whoever passes speaks TLS, and is told by an alert what is wrong.
fn may_be_tls(all: &[u8]) -> bool {
    all.iter().zip([HANDSHAKE, 3]).all(|(byte, expected)| *byte == expected)
}

struct Record<'a> {
    /// As its header says: 1 to [`MAX_FRAGMENT`].
    length: usize,
    /// What is here of it.
    fragment: &'a [u8],
}

impl Record<'_> {
    /// `None`: its header is not all here.
    fn begin(bytes: &[u8]) -> Result<Option<Record<'_>>, HelloError> {
        if let [kind, ..] = bytes
            && *kind != HANDSHAKE
        {
            return Err(HelloError::RecordType(*kind));
        }
        if let [_, major, minor, ..] = bytes
            && !matches!((*major, *minor), (3, 0..=4))
        {
            return Err(HelloError::RecordVersion(u16::from_be_bytes([*major, *minor])));
        }
        let [_, _, _, high, low, rest @ ..] = bytes else { return Ok(None) };
        match usize::from(u16::from_be_bytes([*high, *low])) {
            0 => Err(HelloError::EmptyRecord),
            length if length > MAX_FRAGMENT => Err(HelloError::RecordLength(length)),
            length => Ok(Some(Record { length, fragment: &rest[..rest.len().min(length)] })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that sends a byte at a time must not make each as dear as all before it.
    #[test]
    fn what_was_walked_is_not_looked_at_again() {
        let mut bytes = [[22, 3, 1, 0, 1, 1], [22, 3, 3, 0, 1, 0]].concat();
        let mut reader = Reader::default();
        assert_eq!(reader.feed(&bytes), Outcome::Incomplete);
        assert_eq!((reader.walked, reader.records, reader.gathered), (12, 2, 2));
        // It would not even be seen: the caller's promise is that what was given stays.
        bytes[6] = 23;
        bytes.extend([22, 3, 3, 0, 40, 0]);
        assert_eq!(reader.feed(&bytes), Outcome::Incomplete);
        assert_eq!((reader.walked, reader.header), (12, [1, 0, 0, 0]));
        assert_eq!(reader.feed(&bytes[..7]), Outcome::Incomplete, "fewer than before");
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Reader>() < 64);
    }
}
