//! Heads: what is read, and what has two readings or none. Bodies: any cut of any framing against a plain twin.

use proptest::prelude::*;

use super::*;

/// Scans and reads; the sentence of what is wrong.
fn request(text: &str) -> Result<(Head, RequestLine), &'static str> {
    let mut scan = Scan::default();
    let Scanned::Head { from, to } = scan.look(text.as_bytes()).map_err(|error| error.sentence)? else {
        return Err("no whole head");
    };
    let mut head = Head::default();
    let line = read_request(&text.as_bytes()[from..to], &mut head).map_err(|error| error.sentence)?;
    Ok((head, line))
}

fn response(text: &str, to_head: bool) -> Result<(Head, StatusLine), &'static str> {
    let mut head = Head::default();
    let line = read_response(text.as_bytes(), to_head, &mut head).map_err(|error| error.sentence)?;
    Ok((head, line))
}

#[test]
fn a_request_says_what_it_wants() {
    let (head, line) =
        request("POST /a?b HTTP/1.1\r\nHost: x:1\r\nContent-Length: 5\r\nX-A:  b \r\n\r\n").unwrap();
    assert_eq!((head.str(line.method), head.str(line.path)), ("POST", "/a?b"));
    assert_eq!(line.authority.map(|span| head.str(span)), Some("x:1"));
    assert_eq!((line.length, line.persistent, line.expects), (Length::Known(5), true, false));
    assert_eq!(head.named("x-a").collect::<Vec<_>>(), [b"b"]);
    assert_eq!(head.str(head.line(2)), "X-A:  b \r\n");
}

#[test]
fn the_target_s_authority_replaces_the_host() {
    for (target, host, path) in [
        ("http://a.b/c?d", "a.b", "/c?d"),
        ("HTTPS://a.b:8/", "a.b:8", "/"),
        ("http://a.b", "a.b", "/"),
        ("http://a.b?c", "a.b", "/?c"),
        ("/c", "x", "/c"),
    ] {
        let (head, line) = request(&format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n")).unwrap();
        assert_eq!(line.authority.map(|span| head.str(span)), Some(host), "{target}");
        assert_eq!(head.str(line.path), path, "{target}");
        assert_eq!(head.str(head.line(0)), "host: x\r\n", "{target}");
    }
    let (head, line) = request("OPTIONS http://a.b HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(head.str(line.path), "*");
    let (head, line) = request("OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(head.str(line.path), "*");
}

#[test]
fn connections_persist_as_each_version_has_it() {
    let persists = |version: &str, connection: &str| {
        request(&format!("GET / HTTP/{version}\r\nhost: x\r\n{connection}\r\n")).unwrap().1.persistent
    };
    assert!(persists("1.1", "") && !persists("1.0", ""));
    assert!(persists("1.0", "Connection: a, Keep-Alive\r\n"));
    assert!(!persists("1.1", "connection: x\r\nConnection: Close\r\n"));
    assert!(!persists("1.0", "connection: keep-alive, close\r\n"));
}

#[test]
fn only_websocket_is_an_upgrade() {
    let wants =
        |fields: &str| request(&format!("GET / HTTP/1.1\r\nhost: x\r\n{fields}\r\n")).unwrap().1.websocket;
    assert!(wants("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"));
    for not in [
        "upgrade: websocket\r\n",
        "connection: upgrade\r\nupgrade: h2c\r\n",
        "connection: upgrade\r\nupgrade: websocket, h2c\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nupgrade: h2c\r\n",
    ] {
        assert!(!wants(not), "{not}");
    }
    // What would follow their heads is a body.
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    assert!(wants(&format!("{upgrade}content-length: 0\r\n")));
    assert!(!wants(&format!("{upgrade}content-length: 1\r\n")));
    assert!(!wants(&format!("{upgrade}transfer-encoding: chunked\r\n")));
    let post = request(&format!("POST / HTTP/1.1\r\nhost: x\r\n{upgrade}\r\n")).unwrap().1;
    assert!(!post.websocket);
}

#[test]
fn what_has_two_readings_has_none() {
    for (text, why) in [
        ("GET / HTTP/1.1\r\n\r\n", "no Host"),
        ("GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n", "more than one Host"),
        ("GET / HTTP/1.1\nhost: a\r\n\r\n", "LF alone"),
        ("GET / HTTP/1.1\r\nhost: a\n\r\n", "LF alone"),
        ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", "followed by a space"),
        ("GET / HTTP/1.1\r\n host: a\r\n\r\n", "folded"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: b\r\n c\r\n\r\n", "folded"),
        ("GET / HTTP/1.1\r\nhost: a\r\n: b\r\n\r\n", "empty"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx(: b\r\n\r\n", "byte that no name has"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: \u{1}\r\n\r\n", "control byte"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n", "control byte"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n", "control byte"),
        ("GET /\r\n\r\n", "first line"),
        ("GET  / HTTP/1.1\r\nhost: a\r\n\r\n", "first line"),
        ("GET / HTTP/1.1 \r\nhost: a\r\n\r\n", "CR LF"),
        ("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", "first line"),
        ("GET / http/1.1\r\nhost: a\r\n\r\n", "first line"),
        ("GET /\u{e9} HTTP/1.1\r\nhost: a\r\n\r\n", "beyond ASCII"),
        ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", "no host name has"),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", "no host name has"),
        ("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nexpect: x\r\n\r\n", "expectation"),
        ("GET / HTTP/1.2\r\nhost: a\r\n\r\n", "version"),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", "version"),
        ("G ET / HTTP/1.1\r\nhost: a\r\n\r\n", ""),
        ("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", "fragment"),
        ("GET a HTTP/1.1\r\nhost: a\r\n\r\n", "neither a path"),
        ("GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n", "neither a path"),
        ("GET http:///a HTTP/1.1\r\nhost: a\r\n\r\n", "no plain host"),
        ("GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n", "no plain host"),
        ("GET * HTTP/1.1\r\nhost: a\r\n\r\n", "neither a path"),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", "CONNECT"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", "both"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "differ"),
        ("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", "HTTP/1.0"),
        ("POST / HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\n\r\n", "expectation"),
        ("\u{16}\u{3}\u{1}", "TLS"),
    ] {
        let error = request(text).map(|(_, line)| line).unwrap_err();
        assert!(error.contains(why), "{text:?}: {error}");
    }
    let many: String = (0..MAX_FIELDS).map(|i| format!("a{i}: b\r\n")).collect();
    assert!(request(&format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n")).unwrap_err().contains("100 fields"));
}

#[test]
fn a_response_s_length_depends_on_what_it_answers() {
    let length = |head: &str, to_head| {
        response(&format!("HTTP/1.1 {head}\r\n\r\n"), to_head).map(|(_, line)| line.length)
    };
    assert_eq!(length("200 OK\r\ncontent-length: 5", false), Ok(Length::Known(5)));
    assert_eq!(length("200 OK\r\ncontent-length: 5", true), Ok(Length::NONE));
    assert_eq!(length("304 Not Modified\r\ncontent-length: 5", false), Ok(Length::NONE));
    assert_eq!(length("204 No Content\r\ntransfer-encoding: chunked", false), Ok(Length::NONE));
    assert_eq!(length("200 OK\r\ntransfer-encoding: chunked", false), Ok(Length::Chunked));
    assert_eq!(length("200 OK", false), Ok(Length::UntilClose));
    assert!(length("200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked", false).is_err());
    assert!(length("99 Low", false).is_err() && length("600 High", false).is_err());
    let persistent = |head: &str| response(head, false).unwrap().1.persistent;
    assert!(persistent("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n"));
    assert!(!persistent("HTTP/1.1 200\r\n\r\n") && !persistent("HTTP/1.0 200\r\ncontent-length: 0\r\n\r\n"));
}

/// Content, trailers, and what is not the body's.
type Read = (Vec<u8>, Vec<u8>, Vec<u8>);

/// A body in chunks, cut anywhere, read with its neighbours' bytes behind it.
fn decoded(bytes: &[u8], cuts: &[usize]) -> Result<Read, Malformed> {
    let mut decoder = Decoder::new(Length::Chunked);
    let (mut content, mut rest, mut from) = (Vec::new(), Vec::new(), 0);
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let mut piece = bytes[from.min(to)..to].to_vec();
        from = to;
        if decoder.is_done() {
            rest.extend(piece);
            continue;
        }
        let took = decoder.take(&mut piece)?;
        content.extend_from_slice(&piece[..took.content]);
        rest.extend_from_slice(&piece[took.taken..]);
    }
    if decoder.is_done() {
        Ok((content, decoder.trailers().to_vec(), rest))
    } else {
        Err(Malformed::syntax("cut"))
    }
}

#[test]
fn chunks_have_one_reading() {
    let whole = |text: &str| decoded(text.as_bytes(), &[]);
    let read =
        whole("5;a=\"b;\\\"c\" ;d\r\nhello\r\n0A \t\r\n0123456789\r\n0;x\r\nX-T: 1\r\n\r\nGET").unwrap();
    assert_eq!(read, (b"hello0123456789".to_vec(), b"X-T: 1\r\n".to_vec(), b"GET".to_vec()));
    for wrong in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 6\r\nhello\r\n0\r\n\r\n",
        "11111111111111111\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
        "5\rhello",
        "0\r\n\rX",
        "0\r\nX: a\n\r\n",
        "-1\r\n",
    ] {
        assert!(whole(wrong).is_err(), "{wrong:?}");
    }
    assert!(whole(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(5_000))).is_err());
    assert!(whole(&format!("0\r\nA: {}\r\n\r\n", "a".repeat(20_000))).is_err());
}

proptest! {
    #[test]
    fn chunks_come_out_as_they_went_in(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 0..8),
        trailers in prop_oneof![Just(""), Just("A: b\r\n"), Just("A: b\r\nC:\r\n")],
        cuts in proptest::collection::vec(0usize..2_000, 0..12),
        behind in "[ -~]{0,20}",
    ) {
        let mut wire = Vec::new();
        for piece in &pieces {
            let encoder = Encoder::Chunked;
            encoder.before(piece.len(), &mut wire);
            wire.extend_from_slice(piece);
            wire.extend_from_slice(encoder.after(piece.len(), false));
        }
        Encoder::Chunked.end(trailers.as_bytes(), &mut wire);
        wire.extend_from_slice(behind.as_bytes());
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < wire.len()).collect();
        cuts.sort_unstable();
        let read = decoded(&wire, &cuts).unwrap();
        prop_assert_eq!(read, (pieces.concat(), trailers.as_bytes().to_vec(), behind.into_bytes()));
    }

    /// In place or from where it is, an encoder writes the same.
    #[test]
    fn framing_in_place_is_framing(content in proptest::collection::vec(any::<u8>(), 0..5_000), last: bool) {
        for encoder in [Encoder::Plain, Encoder::Chunked] {
            let mut buffer = vec![0; HEADROOM + content.len() + TAILROOM];
            buffer[HEADROOM..HEADROOM + content.len()].copy_from_slice(&content);
            let range = encoder.around(&mut buffer, content.len(), last);
            let mut twin = Vec::new();
            encoder.before(content.len(), &mut twin);
            twin.extend_from_slice(&content);
            twin.extend_from_slice(encoder.after(content.len(), last));
            prop_assert_eq!(&buffer[range], &twin[..]);
        }
    }

    #[test]
    fn no_bytes_stop_the_reader(bytes: Vec<u8>) {
        let mut head = Head::default();
        let _ = Scan::default().look(&bytes);
        let _ = read_request(&bytes, &mut head);
        let _ = read_response(&bytes, false, &mut head);
        let _ = Decoder::new(Length::Chunked).take(&mut bytes.clone());
    }

    /// The same with bytes that look like a head.
    #[test]
    fn no_text_stops_the_reader(text in "(GET|POST|OPTIONS) (/|\\*|http://)[a-z?#/@:]{0,8} HTTP/1\\.[01]\r\n((host|x|connection|te|content-length): ?[a-z0-9, ]{0,9}\r\n){0,4}\r\n") {
        if let Ok((head, line)) = request(&text) {
            for i in 0..head.fields.len() {
                prop_assert!(head.str(head.line(i)).ends_with("\r\n"));
            }
            prop_assert!(head.str(line.path).starts_with('/') || head.str(line.path) == "*");
        }
    }
}
