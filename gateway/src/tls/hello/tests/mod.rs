//! Hellos of a real client and hellos by hand, cut in every way; and a plain twin that gets each whole.

mod built;
mod cut;
mod real;
mod refused;
mod twin;

use super::{ClientHello, HelloError, MAX_BYTES, Outcome, Reader, read};

fn hello(bytes: &[u8]) -> ClientHello {
    match read(bytes) {
        Outcome::Hello(hello) => hello,
        other => panic!("{other:?}"),
    }
}

fn error(bytes: &[u8]) -> HelloError {
    match read(bytes) {
        Outcome::Invalid(error) => error,
        other => panic!("{other:?}"),
    }
}

/// The first outcome that is one, and at how many bytes, when so many come at a time. What follows never changes it.
fn feed(bytes: &[u8], sizes: impl IntoIterator<Item = usize>) -> (Outcome, usize) {
    let mut reader = Reader::default();
    let (mut decided, mut here) = ((Outcome::Incomplete, bytes.len()), 0);
    for size in sizes {
        here = bytes.len().min(here + size);
        let outcome = reader.feed(&bytes[..here]);
        if decided.0 == Outcome::Incomplete && outcome != Outcome::Incomplete {
            decided = (outcome, here);
        } else {
            assert_eq!(outcome, decided.0, "after {} bytes, again after {here}", decided.1);
        }
        assert!(decided.0 != Outcome::Incomplete || here < MAX_BYTES);
        if here == bytes.len() {
            break;
        }
    }
    decided
}
