//! A head (RFC 9112, 2 to 6).

use super::Framing;

/// As many empty lines before a message are no fault (RFC 9112, 2.2).
const EMPTY_LINES: usize = 8;

pub(super) struct Head {
    pub(super) first: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) bytes: usize,
}

type Wrong = &'static str;

impl Head {
    pub(super) fn read(all: &[u8]) -> Result<Option<Head>, Wrong> {
        let empty = all.chunks(2).take_while(|pair| *pair == b"\r\n").count();
        if empty > EMPTY_LINES {
            return Err("empty lines");
        }
        let bytes = &all[empty * 2..];
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if bytes.contains(&b'\n') { partial(bytes) } else { Ok(None) };
        };
        let text: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        if first.chars().any(|c| c.is_ascii_control() || !c.is_ascii()) {
            return Err("the first line has a byte that it may not have");
        }
        let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Head { first, fields, bytes: empty * 2 + end + 4 }))
    }

    pub(super) fn of_request(&self) -> Result<Framing, Wrong> {
        let parts: Vec<&str> = self.first.split(' ').collect();
        let [method, target, version] = parts[..] else { return Err("no request line") };
        let old = match version {
            "HTTP/1.1" => false,
            "HTTP/1.0" => true,
            _ => return Err("another version"),
        };
        if !is_token(method) || method == "CONNECT" {
            return Err("no method");
        }
        is_target(method, target)?;
        match self.values("host").collect::<Vec<_>>()[..] {
            [] if old => {}
            [host] if is_host(host) => {}
            _ => return Err("not exactly one Host"),
        }
        if !old && self.values("expect").any(|value| !value.eq_ignore_ascii_case("100-continue")) {
            return Err("an expectation");
        }
        Ok(self.framing(old)?.unwrap_or(Framing::Length(0)))
    }

    pub(super) fn of_response(&self, method: &str) -> Result<Framing, Wrong> {
        let mut parts = self.first.splitn(3, ' ');
        let old = match parts.next() {
            Some("HTTP/1.1") => false,
            Some("HTTP/1.0") => true,
            _ => return Err("another version"),
        };
        let status = parts.next().filter(|text| text.len() == 3).and_then(|text| text.parse::<u16>().ok());
        let Some(status @ 100..=599) = status else { return Err("no status") };
        if parts.next().is_none() {
            return Err("no space behind the status");
        }
        if method == "HEAD" || status < 200 || matches!(status, 204 | 304) {
            return Ok(Framing::Length(0));
        }
        Ok(self.framing(old)?.unwrap_or(Framing::Close))
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn framing(&self, old: bool) -> Result<Option<Framing>, Wrong> {
        let lengths: Vec<Option<u64>> = self.values("content-length").map(number).collect();
        let codings: Vec<&str> = self.values("transfer-encoding").collect();
        match (&lengths[..], &codings[..]) {
            ([], []) => Ok(None),
            ([Some(length), more @ ..], []) if more.iter().all(|other| *other == Some(*length)) => {
                Ok(Some(Framing::Length(*length)))
            }
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && !old => Ok(Some(Framing::Chunked)),
            _ => Err("the length has no meaning, or two"),
        }
    }
}

/// Lines without an end of the head yet: a bare LF is seen at once.
fn partial(bytes: &[u8]) -> Result<Option<Head>, Wrong> {
    let bare = bytes.iter().enumerate().any(|(i, byte)| *byte == b'\n' && (i == 0 || bytes[i - 1] != b'\r'));
    if bare { Err("a bare LF") } else { Ok(None) }
}

/// RFC 9112, 5: no space before the colon, no folding, no control bytes.
pub(super) fn field(line: &str) -> Result<(String, String), Wrong> {
    let Some((name, value)) = line.split_once(':') else { return Err("a field without a colon") };
    if !is_token(name) {
        return Err("a field name");
    }
    if value.chars().any(|c| c != '\t' && c.is_ascii_control()) {
        return Err("a control byte in a field value");
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_target(method: &str, target: &str) -> Result<(), Wrong> {
    let scheme = ["http://", "https://"]
        .iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let authority = scheme.map(|scheme| target[scheme.len()..].split(['/', '?']).next().unwrap_or_default());
    let formed = match authority {
        Some(authority) => !authority.is_empty() && is_host(authority),
        None => target.starts_with('/') || (target == "*" && method == "OPTIONS"),
    };
    if formed && !target.contains('#') { Ok(()) } else { Err("no target") }
}

/// RFC 3986, 3.2.2 and 3.2.3, by their characters; empty where nobody is meant.
fn is_host(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&b))
}

fn number(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}
