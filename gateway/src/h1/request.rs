//! A request's head.

use std::mem::MaybeUninit;

use super::head::{Head, Span, members};
use super::{Length, MAX_FIELDS, Malformed, Name, Wrong};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    Http10,
    Http11,
    Http2,
}

/// What a request says of itself, as positions in its head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine {
    pub(crate) method: Span,
    /// The path and query, in origin form; `*` for all of a server.
    pub(crate) path: Span,
    /// The host that is meant, with its port: the target's, else that of `Host`. HTTP/1.0 need not say.
    pub(crate) authority: Option<Span>,
    pub(crate) version: Version,
    pub(crate) length: Length,
    /// The client would go on with this connection.
    pub(crate) persistent: bool,
    /// It waits for leave to send its body (RFC 9110, 10.1.1).
    pub(crate) expects: bool,
    /// It wants to go on with WebSocket (RFC 6455, 4.1).
    pub(crate) websocket: bool,
}

/// Reads a whole head, as [`super::Scan`] has found it, into `head`.
pub(crate) fn read_request(bytes: &[u8], head: &mut Head) -> Result<RequestLine, Malformed> {
    let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    // A whole head is never partial; a first line that is none is.
    let parsed = request.parse_with_uninit_headers(bytes, &mut slots);
    let httparse::Status::Complete(_) = parsed.map_err(|error| wrong(bytes, error))? else {
        return Err(Malformed::from(httparse::Error::Token));
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Malformed::from(httparse::Error::Token));
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    head.read(bytes, request.headers);
    let (method, target) = (Span::of(bytes, method.as_bytes()), Span::of(bytes, target.as_bytes()));
    finish(head, method, target, version)
}

/// httparse takes whatever is no version that it knows for another one, such as the rest of a path with a space in it.
fn wrong(bytes: &[u8], error: httparse::Error) -> Malformed {
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let last = line.split(|byte| *byte == b' ').nth(2).unwrap_or_default();
    let other = matches!(last, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit());
    match error {
        httparse::Error::Version if !other => httparse::Error::Token.into(),
        error => error.into(),
    }
}

fn finish(head: &mut Head, method: Span, target: Span, version: Version) -> Result<RequestLine, Malformed> {
    let host = only_host(head)?;
    if host.is_none() && version == Version::Http11 {
        return Err(Malformed::syntax("the request has no Host; send the name of a job or a domain"));
    }
    let (path, authority) = target_form(head, method, target)?;
    let said = Length::said(head, version == Version::Http11)?;
    let connection = Connection::of(head);
    head.nominates = connection.nominates;
    let old = version == Version::Http10;
    // A client of HTTP/1.0 cannot wait for it (RFC 9110, 10.1.1).
    let expects = !old && head.first(Name::Expect).is_some();
    if expects && !head.all(Name::Expect).all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        let sentence = "the expectation is not `100-continue`; leave it out";
        return Err(Malformed { wrong: Wrong::Expectation, sentence });
    }
    let length = said.unwrap_or(Length::NONE);
    // RFC 6455, 4.1: a GET, and what follows its head is not HTTP. One with a body would leave that body behind for
    // whoever is served next on the instance's connection, so it is no upgrade.
    let upgrade = connection.upgrade && !old && length.is_none() && head.bytes(method) == b"GET";
    Ok(RequestLine {
        method,
        path,
        authority: authority.or(host),
        version,
        length,
        persistent: if old { connection.keep_alive && !connection.close } else { !connection.close },
        expects,
        websocket: upgrade && wants_websocket(head),
    })
}

fn only_host(head: &Head) -> Result<Option<Span>, Malformed> {
    let mut hosts = head.fields.iter().filter(|field| field.name == Name::Host);
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) if is_authority(head.value(host)) => Ok(Some(host.value)),
        (Some(_), None) => Err(Malformed::syntax(
            "the Host has a character that no host name has; send a name and perhaps a port",
        )),
        (Some(_), Some(_)) => Err(Malformed::syntax("the request has more than one Host; send one")),
    }
}

/// By its characters (RFC 3986, 3.2.2 and 3.2.3), since a VIP passes any on. An empty one is a client's way to say that
/// there is none.
fn is_authority(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte))
}

/// RFC 9112, 3.2: the path, and the authority of a target that names one.
fn target_form(head: &mut Head, method: Span, target: Span) -> Result<(Span, Option<Span>), Malformed> {
    let bytes = head.bytes(target);
    let is = |name: &[u8]| head.bytes(method) == name;
    if !bytes.is_ascii() {
        return Err(Malformed::syntax("the target has a byte beyond ASCII; write it as `%` and two digits"));
    }
    if bytes.contains(&b'#') {
        return Err(Malformed::syntax(
            "the target has a fragment, which is the client's own; leave `#…` out",
        ));
    }
    if is(b"CONNECT") {
        return Err(Malformed::unserved("CONNECT is not served; dial the job's own name and port"));
    }
    if bytes.first() == Some(&b'/') {
        return Ok((target, None));
    }
    if bytes == b"*" && is(b"OPTIONS") {
        return Ok((target, None));
    }
    let after_scheme = ["http://", "https://"].iter().find_map(|scheme| {
        let found = bytes.get(..scheme.len())?.eq_ignore_ascii_case(scheme.as_bytes());
        found.then_some(scheme.len())
    });
    let Some(skipped) = after_scheme else {
        return Err(Malformed::syntax("the target is neither a path nor a URL of http; write `/…`"));
    };
    let rest = &bytes[skipped..];
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let authority = Span { from: target.from + skipped as u32, to: target.from + (skipped + end) as u32 };
    if authority.is_empty() || !is_authority(&rest[..end]) {
        return Err(Malformed::syntax("the target has no plain host; write `http://host/…` or a path"));
    }
    let path = Span { from: authority.to, to: target.to };
    let of_server = is(b"OPTIONS");
    let path = match head.bytes(path).first() {
        Some(b'/') => path,
        // RFC 9112, 3.2.4: that is the server as a whole.
        None if of_server => head.push(b"*"),
        None => head.push(b"/"),
        // `http://host?query`: its path is empty.
        Some(_) => {
            let query = head.bytes(path).to_vec();
            let root = head.push(b"/");
            Span { from: root.from, to: head.push(&query).to }
        }
    };
    Ok((path, Some(authority)))
}

/// What `Connection` says, of all its fields.
#[derive(Default)]
pub(super) struct Connection {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
    /// It has other members.
    pub(super) nominates: bool,
}

impl Connection {
    pub(super) fn of(head: &Head) -> Connection {
        let mut said = Connection::default();
        if !head.has(Name::Connection) {
            return said;
        }
        for member in head.all(Name::Connection).flat_map(members) {
            let word = match () {
                () if member.eq_ignore_ascii_case(b"close") => &mut said.close,
                () if member.eq_ignore_ascii_case(b"keep-alive") => &mut said.keep_alive,
                () if member.eq_ignore_ascii_case(b"upgrade") => &mut said.upgrade,
                () => &mut said.nominates,
            };
            *word = true;
        }
        said
    }
}

fn wants_websocket(head: &Head) -> bool {
    let mut upgrades = head.all(Name::Upgrade);
    let first = upgrades.next();
    upgrades.next().is_none() && first.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
}
