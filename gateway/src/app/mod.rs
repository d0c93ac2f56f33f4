//! What databases' clients and servers say first, as far as a refusal and a claim need it. A client that may not reach
//! a job is told so in that job's own protocol, so that its tool prints the reason; and the JOBNAME that a client
//! claims is read before any of its bytes go on to the server.
//!
//! ```text
//! who speaks first   where the claim stands                      what a refused client is sent
//! mysql     server   connection attribute `jobname` of response  refusal_at_connect | refusal_after_response
//! postgres  client   `application_name` of the StartupMessage    refusal, after the StartupMessage
//! redis     client   CLIENT SETNAME, HELLO ... SETNAME           refusal, to each command
//!
//! what has come so far ─► greeting | response | first | command ─┬─ Incomplete  read more, for a bounded time
//!                                                                ├─ Whole       the verdict, then forward or refuse
//!                                                                └─ Wrong       say what is wrong, close
//! ```
//!
//! - No I/O, no clock. Nothing but `Incomplete` ever changes when more bytes come, so it does not matter how they are
//!   cut; `MAX_BYTES` of each protocol always decide.
//! - Plain text only: what cannot be read is not forwarded. TLS is kept from being offered (MySQL) or answered with no
//!   (PostgreSQL); a client that insists on it is for a job that has its TLS terminated here.
//! - A claim is text of a stranger: whether it is a JOBNAME at all, and whose, is decided elsewhere. One that a server
//!   could read otherwise than we do, such as a name given twice, is `Wrong`, not absent: absence may let in.
//! - What a stranger sent goes into a refusal only shortened and without control characters.
//! - After a refusal: shut down writing, read on for a moment, close. A reset would overtake the text (RFC 2525, 2.17).

mod fields;
pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod redis;

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed<T> {
    /// What decides has not come yet.
    Incomplete,
    /// The first `length` bytes are `value`; what follows is the peer's next.
    Whole { value: T, length: usize },
    /// No bytes that follow can mend it. A sentence without a full stop.
    Wrong(&'static str),
}

impl<T> Parsed<T> {
    fn and_then<U>(self, read: impl FnOnce(T) -> Result<U, &'static str>) -> Parsed<U> {
        match self {
            Parsed::Incomplete => Parsed::Incomplete,
            Parsed::Wrong(what) => Parsed::Wrong(what),
            Parsed::Whole { value, length } => match read(value) {
                Ok(value) => Parsed::Whole { value, length },
                Err(what) => Parsed::Wrong(what),
            },
        }
    }
}

/// Of a text of ours, in characters. MySQL's own clients keep 512 bytes of an error (MYSQL_ERRMSG_SIZE), and no one
/// reads on for longer.
const MAX_TEXT: usize = 400;

/// At most `most` characters of it, each control character as `?`: it ends no line and no field, and moves no cursor
/// of the terminal that it is shown on.
fn shown(text: &str, most: usize) -> String {
    text.chars().take(most).map(|char| if char.is_control() { '?' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    /// Whatever the prefix decided stays, and no prefix of a whole message decides.
    pub(super) fn does_not_matter_how_it_is_cut<'a, T: PartialEq + Debug>(
        bytes: &'a [u8],
        read: impl Fn(&'a [u8]) -> Parsed<T>,
    ) {
        let whole = read(bytes);
        if let Parsed::Whole { length, .. } = whole {
            assert!(length <= bytes.len());
        }
        for cut in 0..bytes.len() {
            match (read(&bytes[..cut]), &whole) {
                (Parsed::Incomplete, Parsed::Whole { length, .. }) => assert!(cut < *length),
                // Of two mistakes either may be seen first.
                (Parsed::Incomplete, _) | (Parsed::Wrong(_), Parsed::Wrong(_)) => {}
                (early, whole) => assert_eq!(&early, whole, "after {cut} bytes"),
            }
        }
    }

    #[test]
    fn what_is_shown_is_one_line() {
        assert_eq!(shown("a\r\nb\0c\u{9b}d\u{e9}", 7), "a??b?c?");
        assert_eq!(shown("ab", 400), "ab");
    }
}
