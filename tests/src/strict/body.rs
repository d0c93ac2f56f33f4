//! A body (RFC 9112, 6 and 7).

use super::head::field;

pub(super) enum Body {
    Whole { content: Vec<u8>, trailers: Vec<(String, String)>, bytes: usize },
    More,
    Wrong(&'static str),
}

pub(super) fn known(bytes: &[u8], length: u64) -> Body {
    match usize::try_from(length).ok().and_then(|length| bytes.get(..length)) {
        Some(content) => {
            Body::Whole { content: content.to_vec(), trailers: Vec::new(), bytes: content.len() }
        }
        None => Body::More,
    }
}

pub(super) fn chunked(bytes: &[u8]) -> Body {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = line(&bytes[at..]) else { return unended(&bytes[at..]) };
        let Some(size) = size(line) else { return Body::Wrong("a chunk's size") };
        at += line.len() + 2;
        if size == 0 {
            return trailers(bytes, at, content);
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let rest = &bytes[at..];
        let Some(chunk) = rest.get(..size) else { return Body::More };
        match (rest.get(size), rest.get(size + 1)) {
            (Some(b'\r'), Some(b'\n')) => {}
            (None, _) | (Some(b'\r'), None) => return Body::More,
            _ => return Body::Wrong("a chunk's end"),
        }
        content.extend_from_slice(chunk);
        at += size + 2;
    }
}

fn trailers(bytes: &[u8], mut at: usize, content: Vec<u8>) -> Body {
    let mut trailers = Vec::new();
    loop {
        let Some(line) = line(&bytes[at..]) else { return unended(&bytes[at..]) };
        at += line.len() + 2;
        if line.is_empty() {
            return Body::Whole { content, trailers, bytes: at };
        }
        let text: String = line.iter().map(|byte| char::from(*byte)).collect();
        match field(&text) {
            Ok(trailer) => trailers.push(trailer),
            Err(why) => return Body::Wrong(why),
        }
    }
}

fn line(bytes: &[u8]) -> Option<&[u8]> {
    bytes.windows(2).position(|two| two == b"\r\n").map(|end| &bytes[..end])
}

fn unended(bytes: &[u8]) -> Body {
    if bytes.contains(&b'\n') { Body::Wrong("a bare LF") } else { Body::More }
}

/// Digits, then white space and an extension, of which it matters that it has no control bytes and ends its quotes.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii_start();
    let extension = rest.is_empty() || rest.first() == Some(&b';');
    let plain = line.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
    if !(1..=16).contains(&digits) || !extension || !plain || !quotes_end(rest) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()
}

/// RFC 9110, 5.6.4: a backslash takes the next byte's meaning away.
fn quotes_end(text: &[u8]) -> bool {
    let (mut quoted, mut bytes) = (false, text.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => drop(bytes.next()),
            _ => {}
        }
    }
    !quoted
}
