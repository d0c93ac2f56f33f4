//! Where a head ends, found as its bytes come in, each looked at once.
//!
//! httparse takes a bare LF for the end of a line, which others do not (RFC 9112, 2.2 allows both), so that is looked
//! for here; and since a head is parsed only when it is whole, one that comes byte by byte costs no more than another.

use memchr::memchr;

use super::Malformed;

/// Empty lines before a request are skipped (RFC 9112, 2.2): old clients end a body with one. More are a flood.
const SKIPPED: u32 = 8;

/// How far a head has been looked at. A head is never longer than `u32` counts, and each connection has one of these.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    /// Bytes that belong to no message: empty lines before it.
    skipped: u32,
    /// The first byte that was not looked at,
    looked: u32,
    /// and that of its line.
    line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// The head goes on.
    More,
    /// It stands here; its empty line is part of it.
    Head { from: usize, to: usize },
}

impl Scan {
    /// `bytes` are those of the last call and what came since.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Result<Scanned, Malformed> {
        self.begins_well(bytes)?;
        while let Some(at) = bytes.get(self.looked as usize..).and_then(|rest| memchr(b'\n', rest)) {
            let end = self.looked + at as u32;
            if end == self.line || bytes[end as usize - 1] != b'\r' {
                return Err(Malformed::syntax("a line ends with LF alone; end each with CR LF"));
            }
            self.looked = end + 1;
            let empty = end - 1 == self.line;
            let first = self.line == self.skipped;
            self.line = self.looked;
            match (empty, first) {
                (true, true) if self.looked > SKIPPED * 2 => {
                    return Err(Malformed::syntax("nothing but empty lines; write a request"));
                }
                (true, true) => {
                    self.skipped = self.looked;
                    self.begins_well(bytes)?;
                }
                (true, false) => {
                    return Ok(Scanned::Head { from: self.skipped as usize, to: self.looked as usize });
                }
                (false, _) => {}
            }
        }
        self.looked = bytes.len() as u32;
        Ok(Scanned::More)
    }

    /// A ClientHello has no line's end for long; whoever sent it need not wait for a timeout to learn that.
    fn begins_well(&self, bytes: &[u8]) -> Result<(), Malformed> {
        match bytes.get(self.looked as usize) {
            Some(first) if self.looked == self.skipped && !matches!(first, b'\r' | b'\n' | b'!'..=b'~') => {
                Err(Malformed::syntax(
                    "the first byte begins no HTTP message; is it TLS, or another protocol?",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Bytes of a head that has not ended.
    pub(crate) fn pending(&self) -> usize {
        (self.looked - self.skipped) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8]) -> Result<Scanned, Malformed> {
        Scan::default().look(bytes)
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        assert_eq!(whole(b"GET / HTTP/1.1\r\n\r\nbody"), Ok(Scanned::Head { from: 0, to: 18 }));
        assert_eq!(whole(b"\r\n\r\nGET / HTTP/1.1\r\na: b\r\n\r\n"), Ok(Scanned::Head { from: 4, to: 28 }));
        assert_eq!(whole(b"GET / HTTP/1.1\r\na: b\r\n"), Ok(Scanned::More));
        assert_eq!(whole(b""), Ok(Scanned::More));
        for bare in ["GET / HTTP/1.1\n\n", "GET / HTTP/1.1\r\na: b\n\r\n", "\nGET", "GET / HTTP/1.1\r\n\n"] {
            assert!(whole(bare.as_bytes()).is_err(), "{bare:?}");
        }
        assert!(whole(&b"\r\n".repeat(8)).is_ok());
        assert!(whole(&b"\r\n".repeat(9)).is_err());
    }

    proptest! {
        /// However it is cut, the outcome is the same.
        #[test]
        fn pieces_are_read_as_the_whole(
            text in "(\r\n){0,3}(GET|\r|\n|\t|a: b\r\n|\r\n){0,8}",
            cuts in proptest::collection::vec(0usize..40, 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut scan = Scan::default();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut pieces = cuts.into_iter().map(|cut| scan.look(&bytes[..cut]));
            let outcome = pieces.find(|piece| *piece != Ok(Scanned::More)).unwrap_or(Ok(Scanned::More));
            prop_assert_eq!(outcome, whole(bytes));
        }
    }
}
