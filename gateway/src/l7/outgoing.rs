//! Heads as the other side gets them: what ends at this hop is left out, what the gateway says is put in, and what is
//! between goes on as it came, in runs of whole lines.

use std::io::Write;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::request::Request;
use super::response::Response;
use crate::client_address::Forwarding;
use crate::h1::{Field, Head, Length, Name};
use crate::trace::{Origin, Traced};

/// What an instance is told beside what the client said.
pub(super) struct Terms<'a> {
    pub(super) forwarding: Forwarding<'a>,
    /// Which job it is, proved or said by whom we trust.
    pub(super) jobname: Option<&'a str>,
    pub(super) trace: Traced,
    /// In place of the client's.
    pub(super) host: Option<&'a str>,
    pub(super) path: Option<&'a str>,
}

/// Names that `Connection` nominates for removal (RFC 9110, 7.6.1).
struct Nominated<'a>(Vec<&'a [u8]>);

impl<'a> Nominated<'a> {
    fn by(head: &'a Head) -> Nominated<'a> {
        // Hardly anybody nominates any.
        if !head.nominates {
            return Nominated(Vec::new());
        }
        let members = head.all(Name::Connection).flat_map(|value| value.split(|byte| *byte == b','));
        let names = members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty());
        // Its own words are no names of fields, so that it does not matter that they are among them.
        Nominated(names.filter(|name| Name::of(name).may_be_nominated()).collect())
    }

    fn has(&self, head: &Head, field: &Field) -> bool {
        !self.0.is_empty() && self.0.iter().any(|name| head.name(field).eq_ignore_ascii_case(name))
    }
}

/// Copies the lines of the fields that are kept, a run of neighbours at a time.
fn copy_lines(out: &mut Vec<u8>, head: &Head, mut keep: impl FnMut(&Field) -> bool) {
    let nominated = Nominated::by(head);
    let mut run: Option<(u32, u32)> = None;
    for (i, field) in head.fields.iter().enumerate() {
        let line = head.line(i);
        if keep(field) && !nominated.has(head, field) {
            run = Some((run.map_or(line.from, |(from, _)| from), line.to));
        } else if let Some((from, to)) = run.take() {
            out.extend_from_slice(&head.text[from as usize..to as usize]);
        }
    }
    if let Some((from, to)) = run {
        out.extend_from_slice(&head.text[from as usize..to as usize]);
    }
}

fn copy_map(map: &mut HeaderMap, head: &Head, mut keep: impl FnMut(&Field) -> bool) {
    let nominated = Nominated::by(head);
    // One copy, of which every value is a part, where each would be an allocation of its own. Fields stand in their head's
    // text, so that none is out of it.
    let text = Bytes::copy_from_slice(&head.text);
    for field in &head.fields {
        if keep(field) && !nominated.has(head, field) {
            let value = text.slice(field.value.from as usize..field.value.to as usize);
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(head.name(field)), HeaderValue::from_maybe_shared(value))
            {
                map.append(name, value);
            }
        }
    }
}

fn append(map: &mut HeaderMap, name: &[u8], value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        map.append(name, value);
    }
}

/// Of a request's fields, those that go on as they are.
fn goes_on(name: Name, has_other_host: bool, terms: &Terms<'_>) -> bool {
    match name {
        Name::Other => true,
        Name::ContentLength => false,
        Name::Host => !has_other_host,
        Name::TraceParent | Name::TraceState => terms.trace.origin == Origin::Theirs,
        Name::ForwardedOther => terms.forwarding.trusted,
        name => !name.is_hop_by_hop() && !name.is_provenance(),
    }
}

/// The host that an instance is told: one that a rule sets, else what the client meant.
fn told_host<'a>(request: &'a Request, terms: &Terms<'a>) -> Option<&'a [u8]> {
    let meant = request.line.authority.map(|authority| request.head.bytes(authority));
    terms.host.map(str::as_bytes).or(meant)
}

pub(super) fn request_h1(out: &mut Vec<u8>, request: &Request, terms: &Terms<'_>) {
    let head = &request.head;
    out.extend_from_slice(head.bytes(request.line.method));
    out.push(b' ');
    out.extend_from_slice(terms.path.map_or(head.bytes(request.line.path), str::as_bytes));
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let host = told_host(request, terms);
    // Where it stands in the client's own line, that goes on.
    let keeps_host = host.is_some() && host == head.first(Name::Host);
    let expects = request.line.expects;
    copy_lines(out, head, |field| match field.name {
        Name::Expect => expects,
        name => goes_on(name, !keeps_host, terms),
    });
    if let (Some(host), false) = (host, keeps_host) {
        line(out, "host", host);
    }
    match request.line.length {
        Length::Known(0) if !says_length(request) => {}
        Length::Known(length) => number(out, "content-length", length),
        Length::Chunked => line(out, "transfer-encoding", "chunked"),
        Length::UntilClose => {}
    }
    if request.line.websocket {
        line(out, "connection", "upgrade");
        line(out, "upgrade", "websocket");
    }
    provenance(out, head, terms);
    out.extend_from_slice(b"\r\n");
}

/// What the gateway says of where a request comes from, as lines.
fn provenance(out: &mut Vec<u8>, head: &Head, terms: &Terms<'_>) {
    let forwarding = &terms.forwarding;
    out.extend_from_slice(b"x-forwarded-for: ");
    forwarding.write_for(head.all(Name::ForwardedFor), out);
    out.extend_from_slice(b"\r\nx-forwarded-proto: ");
    forwarding.write_proto(head.all(Name::ForwardedProto), out);
    out.extend_from_slice(b"\r\n");
    if !forwarding.host.is_empty() {
        out.extend_from_slice(b"x-forwarded-host: ");
        forwarding.write_host(head.all(Name::ForwardedHost), out);
        out.extend_from_slice(b"\r\n");
    }
    if forwarding.trusted {
        let before = out.len();
        out.extend_from_slice(b"forwarded: ");
        match forwarding.write_forwarded(head.all(Name::Forwarded), out) {
            true => out.extend_from_slice(b"\r\n"),
            false => out.truncate(before),
        }
    }
    if let Some(jobname) = terms.jobname {
        line(out, "x-jobname", jobname);
    }
    if terms.trace.origin == Origin::Ours {
        out.extend_from_slice(b"traceparent: ");
        out.extend_from_slice(&terms.trace.parent.text());
        out.extend_from_slice(b"\r\n");
    }
}

/// A POST of nothing says so; a GET need not.
fn says_length(request: &Request) -> bool {
    request.head.first(Name::ContentLength).is_some()
}

pub(super) fn request_h2(
    request: &Request,
    terms: &Terms<'_>,
    https: bool,
) -> Result<http::Request<()>, http::Error> {
    let host = told_host(request, terms).unwrap_or(b"localhost");
    let path = terms.path.unwrap_or(request.path());
    let uri = http::Uri::builder()
        .scheme(if https { "https" } else { "http" })
        .authority(host)
        .path_and_query(path)
        .build()?;
    let websocket = request.line.websocket;
    let method = if websocket { "CONNECT" } else { request.method() };
    let mut to = http::Request::builder().method(method).uri(uri).version(http::Version::HTTP_2).body(())?;
    if websocket {
        to.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    }
    let map = to.headers_mut();
    copy_map(map, &request.head, |field| match field.name {
        Name::Host | Name::Expect => false,
        // RFC 8441, 5: a stream needs no proof that it is no old connection's.
        Name::WebSocketKey => !websocket,
        name => goes_on(name, true, terms),
    });
    if says_length(request)
        && let Length::Known(length) = request.line.length
    {
        map.insert(http::header::CONTENT_LENGTH, length.into());
    }
    // The one member that goes on (RFC 9113, 8.2.2); gRPC servers insist on it.
    let mut codings = request.head.all(Name::Te).flat_map(|value| value.split(|byte| *byte == b','));
    if codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers")) {
        map.insert(http::header::TE, HeaderValue::from_static("trailers"));
    }
    let mut lines = Vec::with_capacity(256);
    provenance(&mut lines, &request.head, terms);
    for line in lines.split(|byte| *byte == b'\n') {
        if let Some(at) = memchr::memchr(b':', line) {
            append(map, &line[..at], line[at + 1..].trim_ascii());
        }
    }
    Ok(to)
}

/// What a client of HTTP/1.1 is told of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on, as HTTP/1.1 has it unless told otherwise.
    Stays,
    /// The same for HTTP/1.0.
    StaysAsAsked,
    Closes,
    Upgrades,
}

/// `length`: what is to be said of it beside the response's own fields.
pub(super) fn response_h1(out: &mut Vec<u8>, response: &Response, length: Option<Length>, fate: Fate) {
    out.extend_from_slice(b"HTTP/1.1 ");
    status(out, response.status);
    out.push(b' ');
    out.extend_from_slice(response.phrase());
    out.extend_from_slice(b"\r\n");
    copy_response_lines(out, response);
    match length {
        Some(Length::Chunked) => line(out, "transfer-encoding", "chunked"),
        Some(Length::Known(length)) => number(out, "content-length", length),
        Some(Length::UntilClose) | None => {}
    }
    match fate {
        Fate::Stays => {}
        Fate::StaysAsAsked => line(out, "connection", "keep-alive"),
        Fate::Closes => line(out, "connection", "close"),
        Fate::Upgrades => out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

fn copy_response_lines(out: &mut Vec<u8>, response: &Response) {
    let mut lengths = usize::from(!response.keeps_length());
    copy_lines(out, &response.head, |field| stays(field.name, &mut lengths));
}

/// The first length stands for all of them: they are the same.
fn stays(name: Name, lengths: &mut usize) -> bool {
    match name {
        Name::ContentLength => {
            *lengths += 1;
            *lengths == 1
        }
        name => !name.is_hop_by_hop(),
    }
}

/// An interim one (RFC 9110, 15.2).
pub(super) fn interim_h1(out: &mut Vec<u8>, response: &Response) {
    response_h1(out, response, None, Fate::Stays);
}

pub(super) fn response_h2(response: &Response) -> http::Response<()> {
    let mut to = http::Response::new(());
    *to.status_mut() = http::StatusCode::from_u16(response.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    let mut lengths = usize::from(!response.keeps_length());
    copy_map(to.headers_mut(), &response.head, |field| stays(field.name, &mut lengths));
    to
}

fn line(out: &mut Vec<u8>, name: &str, value: impl AsRef<[u8]>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_ref());
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    let _ = write!(out, "{name}: {value}\r\n");
}

/// Three digits.
fn status(out: &mut Vec<u8>, status: u16) {
    let digit = |n: u16| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_address::Scheme;
    use crate::h1::read_request;
    use crate::trace::TraceParent;

    fn request(text: &str) -> Request {
        let mut head = Head::default();
        let line = read_request(text.as_bytes(), &mut head).unwrap();
        Request { head, line, tls: false }
    }

    fn terms(trusted: bool) -> Terms<'static> {
        let forwarding =
            Forwarding { peer: "10.0.0.7".parse().unwrap(), trusted, scheme: Scheme::Http, host: b"a.b" };
        let parent = TraceParent::new([7; 24], false);
        Terms {
            forwarding,
            jobname: None,
            trace: Traced { parent, origin: Origin::Theirs },
            host: None,
            path: None,
        }
    }

    fn lines(request: &Request, terms: &Terms<'_>) -> Vec<String> {
        let mut out = Vec::new();
        request_h1(&mut out, request, terms);
        let text = String::from_utf8(out).unwrap();
        text.strip_suffix("\r\n\r\n").unwrap().split("\r\n").map(str::to_ascii_lowercase).collect()
    }

    const ASKED: &str = "GET /a?b HTTP/1.1\r\nHost: a.b\r\nConnection: close, X-Mine , HOST,x-forwarded-for\r\n\
        X-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Prefix: /x\r\n\
        X-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Jobname: job.root\r\nAccept: */*\r\n\r\n";

    #[test]
    fn a_nomination_takes_away_what_is_the_clients_and_nothing_of_ours() {
        let expected = [
            "get /a?b http/1.1",
            "host: a.b",
            "accept: */*",
            "x-forwarded-for: 10.0.0.7",
            "x-forwarded-proto: http",
            "x-forwarded-host: a.b",
        ];
        assert_eq!(lines(&request(ASKED), &terms(false)), expected);
        let told = Terms { jobname: Some("job.app2"), host: Some("c.d"), path: Some("/e"), ..terms(false) };
        let told = lines(&request(ASKED), &told);
        assert_eq!(told[0], "get /e http/1.1");
        assert!(told.contains(&"host: c.d".to_owned()) && told.contains(&"x-jobname: job.app2".to_owned()));
    }

    #[test]
    fn who_is_trusted_is_passed_on() {
        let told = lines(&request(ASKED), &terms(true));
        for line in ["x-forwarded-for: 1.2.3.4, 10.0.0.7", "x-forwarded-prefix: /x"] {
            assert!(told.iter().any(|told| told == line), "{told:?}");
        }
        assert!(told.iter().any(|line| line.starts_with("forwarded: for=1.2.3.4, for=10.0.0.7")), "{told:?}");
        assert!(!told.iter().any(|line| line.starts_with("x-jobname") || line.starts_with("x-real-ip")));
    }

    #[test]
    fn a_broken_trace_is_replaced_whole() {
        let asked = request("GET / HTTP/1.1\r\nhost: a\r\ntraceparent: x\r\ntracestate: y\r\n\r\n");
        let ours = Terms { trace: Traced { origin: Origin::Ours, ..terms(false).trace }, ..terms(false) };
        let traces: Vec<String> =
            lines(&asked, &ours).into_iter().filter(|line| line.starts_with("trace")).collect();
        assert_eq!(traces.len(), 1, "{traces:?}");
        assert!(traces[0].starts_with("traceparent: 00-"), "{traces:?}");
    }

    /// RFC 9113, 8.3.1.
    #[test]
    fn a_server_is_asked_as_a_whole_in_both_versions() {
        let asked = request("OPTIONS * HTTP/1.1\r\nHost: a.b\r\n\r\n");
        assert_eq!(lines(&asked, &terms(false))[0], "options * http/1.1");
        let h2 = request_h2(&asked, &terms(false), false).unwrap();
        let path = h2.uri().path_and_query().unwrap();
        assert_eq!((h2.method().as_str(), path.as_str()), ("OPTIONS", "*"));
    }

    /// What an instance reads in one version it reads in the other.
    #[test]
    fn both_versions_say_the_same() {
        for trusted in [false, true] {
            let (asked, terms) = (request(ASKED), terms(trusted));
            let h2 = request_h2(&asked, &terms, false).unwrap();
            assert_eq!((h2.method().as_str(), h2.uri().to_string().as_str()), ("GET", "http://a.b/a?b"));
            let mut fields: Vec<String> = h2
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            // HTTP/2 has the one in `:authority`, and the other is the one member that goes on there.
            fields.retain(|line| line != "te: trailers");
            let mut lines = lines(&asked, &terms).split_off(1);
            lines.retain(|line| !line.starts_with("host:"));
            fields.sort();
            lines.sort();
            assert_eq!(fields, lines);
        }
    }
}
