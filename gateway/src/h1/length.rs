//! How long a body is (RFC 9112, 6.3), by rules that leave one reading.

use super::chunk::Chunks;
use super::head::Head;
use super::{Malformed, Name};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// So many bytes; 0: none.
    Known(u64),
    Chunked,
    /// To the end of the connection. A response's only.
    UntilClose,
}

impl Default for Length {
    fn default() -> Length {
        Length::NONE
    }
}

impl Length {
    pub(crate) const NONE: Length = Length::Known(0);

    pub(crate) fn is_none(self) -> bool {
        self == Length::NONE
    }

    /// Whether a body of this length may begin with these bytes.
    pub(crate) fn fits(self, bytes: &[u8]) -> Result<(), Malformed> {
        match self {
            Length::Chunked => Chunks::begin(bytes),
            Length::Known(_) | Length::UntilClose => Ok(()),
        }
    }

    /// What the fields say. `chunks`: whether the version has chunks at all.
    pub(super) fn said(head: &Head, chunks: bool) -> Result<Option<Length>, Malformed> {
        if !head.has(Name::ContentLength) && !head.has(Name::TransferEncoding) {
            return Ok(None);
        }
        let (mut length, mut chunked) = (None, false);
        for field in &head.fields {
            match field.name {
                Name::ContentLength => {
                    let this = number(head.value(field)).ok_or(Malformed::syntax(
                        "Content-Length is no number of bytes; write digits alone",
                    ))?;
                    if length.replace(this).is_some_and(|other| other != this) {
                        return Err(Malformed::syntax("two Content-Lengths differ; send one"));
                    }
                }
                Name::TransferEncoding => {
                    if chunked || !head.value(field).eq_ignore_ascii_case(b"chunked") {
                        return Err(Malformed::syntax(
                            "the Transfer-Encoding is not `chunked` alone; use Content-Encoding for other codings",
                        ));
                    }
                    chunked = true;
                }
                _ => {}
            }
        }
        match (length, chunked) {
            (Some(_), true) => {
                Err(Malformed::syntax("both Content-Length and Transfer-Encoding are there; send one"))
            }
            (None, true) if !chunks => {
                Err(Malformed::syntax("HTTP/1.0 has no Transfer-Encoding; send Content-Length"))
            }
            (None, true) => Ok(Some(Length::Chunked)),
            (length, false) => Ok(length.map(Length::Known)),
        }
    }
}

/// Digits and nothing else: no sign, no list, no fraction.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(fields: &[(&str, &str)], chunks: bool) -> Result<Option<Length>, &'static str> {
        let mut head = Head::default();
        for (name, value) in fields {
            head.push_field(name.as_bytes(), value.as_bytes());
        }
        Length::said(&head, chunks).map_err(|error| error.sentence)
    }

    #[test]
    fn one_reading_or_none() {
        let (cl, te) = ("Content-Length", "Transfer-Encoding");
        assert_eq!(said(&[], true), Ok(None));
        assert_eq!(said(&[(cl, "12")], true), Ok(Some(Length::Known(12))));
        assert_eq!(said(&[(cl, "12"), ("a", "b"), (cl, "012")], true), Ok(Some(Length::Known(12))));
        assert_eq!(said(&[(te, "Chunked")], true), Ok(Some(Length::Chunked)));
        for length in ["", "+1", "-1", "1,1", "1 1", "0x1", "1.0", "18446744073709551616", "½"] {
            assert!(said(&[(cl, length)], true).unwrap_err().contains("digits alone"), "{length}");
        }
        assert!(said(&[(cl, "1"), (cl, "2")], true).unwrap_err().contains("differ"));
        assert!(said(&[(cl, "1"), (te, "chunked")], true).unwrap_err().contains("both"));
        for coding in ["", "gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked", "chunked;a=b"]
        {
            assert!(said(&[(te, coding)], true).unwrap_err().contains("alone"), "{coding}");
        }
        assert!(said(&[(te, "chunked"), (te, "chunked")], true).unwrap_err().contains("alone"));
        assert!(said(&[(te, "chunked")], false).unwrap_err().contains("HTTP/1.0"));
    }
}
