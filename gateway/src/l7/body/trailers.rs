//! Fields behind a body (RFC 9110, 6.5): what may not stand there is left out.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::h1::{MAX_FIELDS, Malformed, Name};

/// Those of RFC 9110, 6.5.1 that nothing else here is concerned with: a reader that adds them to the head would be
/// asked something else than its access rules saw.
const EARLY: [&str; 14] = [
    "age",
    "authorization",
    "cache-control",
    "content-range",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "range",
    "set-cookie",
    "vary",
    "www-authenticate",
];

/// Framing, routing, leave, who the client is and what the content is are said before the body or not at all (RFC 9110,
/// 6.5.1).
fn may_trail(name: &[u8]) -> bool {
    let known = Name::of(name);
    let early = matches!(
        known,
        Name::Host
            | Name::ContentLength
            | Name::ContentEncoding
            | Name::ContentType
            | Name::Cookie
            | Name::Expect
    ) || EARLY.iter().any(|early| name.eq_ignore_ascii_case(early.as_bytes()));
    !early && !known.is_hop_by_hop() && !known.is_provenance()
}

/// `lines`: whole field lines, without the empty one.
fn each(lines: &[u8], mut take: impl FnMut(&str, &[u8])) -> Result<(), Malformed> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
    // The reader wants to see the end of them.
    let whole = [lines, b"\r\n"].concat();
    if let httparse::Status::Complete((_, fields)) = httparse::parse_headers(&whole, &mut slots)? {
        let allowed = fields.iter().filter(|field| may_trail(field.name.as_bytes()));
        allowed.for_each(|field| take(field.name, field.value));
    }
    Ok(())
}

/// Those that may stand there, as lines.
pub(super) fn lines(lines: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(lines.len());
    each(lines, |name, value| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    })?;
    Ok(out)
}

/// The same for HTTP/2; `None`: there are none.
pub(super) fn map(lines: &[u8]) -> Result<Option<HeaderMap>, Malformed> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut map = HeaderMap::new();
    each(lines, |name, value| {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            map.append(name, value);
        }
    })?;
    Ok(Some(map))
}

pub(super) fn text(map: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in map {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

pub(super) fn without_hop_by_hop(mut map: HeaderMap) -> HeaderMap {
    let refused: Vec<HeaderName> =
        map.keys().filter(|name| !may_trail(name.as_str().as_bytes())).cloned().collect();
    for name in refused {
        map.remove(name);
    }
    map
}
