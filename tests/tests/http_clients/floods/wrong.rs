//! What RFC 9113 forbids, and the code that it asks for.

use roundhouse_tests::SOON;

use super::{COMPRESSION_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED, Siege};
use crate::frames::{
    Answered, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, PREFACE, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame, get, literal, post, setting,
};

/// The connection is ended with the code, or with one of two that serve.
#[track_caller]
fn ends(siege: &Siege, what: &str, bytes: &[u8], codes: &[u32]) {
    let mut frames = Frames::dial(siege.stage.gateway.http());
    let _ = frames.send(bytes);
    let code = frames.farewell();
    assert!(code.is_some_and(|code| codes.contains(&code)), "{what}: {code:?}, not {codes:?}");
}

/// The stream is, or the whole connection, which may be done in its place (RFC 9113, 5.4).
#[track_caller]
fn resets(siege: &Siege, what: &str, bytes: &[u8], code: u32) {
    let mut frames = Frames::dial(siege.stage.gateway.http());
    frames.send(bytes).unwrap();
    let answered = frames.answered(SOON);
    assert!([Answered::Reset(1, code), Answered::GoAway(code)].contains(&answered), "{what}: {answered:?}");
    if answered == Answered::Reset(1, code) {
        frames.send(&get(3, "/")).unwrap();
        while frames.wait(HEADERS).stream != 3 {}
    }
}

#[test]
fn frames_where_they_do_not_belong_end_the_connection() {
    let siege = Siege::lay();
    let four = 1_u32.to_be_bytes();
    let five = [0, 0, 0, 0, 1];
    for (what, bytes) in [
        ("DATA on stream 0", frame(DATA, 0, 0, b"x")),
        ("HEADERS on stream 0", frame(HEADERS, END_HEADERS | END_STREAM, 0, &fields("GET", "/"))),
        ("PRIORITY on stream 0", frame(PRIORITY, 0, 0, &five)),
        ("RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, &four)),
        ("CONTINUATION on stream 0", frame(CONTINUATION, END_HEADERS, 0, b"")),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, b"")),
        ("PING on a stream", frame(PING, 0, 1, b"12345678")),
        ("GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8])),
        ("PUSH_PROMISE of a client", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])),
        ("a stream with an even number", frame(HEADERS, END_HEADERS | END_STREAM, 2, &fields("GET", "/"))),
        ("DATA on a stream that never was", frame(DATA, 0, 1, b"x")),
        ("RST_STREAM on a stream that never was", frame(RST_STREAM, 0, 1, &four)),
        ("WINDOW_UPDATE on a stream that never was", frame(WINDOW_UPDATE, 0, 1, &four)),
        ("CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, b"")),
        (
            "another frame among CONTINUATIONs",
            [frame(HEADERS, 0, 1, b"\x82"), frame(PING, 0, 0, &[0; 8])].concat(),
        ),
        ("another stream among CONTINUATIONs", [frame(HEADERS, 0, 1, b"\x82"), get(3, "/")].concat()),
        ("padding beyond the frame", [post(1), frame(DATA, 8, 1, &[200, 1])].concat()),
        ("padding beyond the HEADERS", frame(HEADERS, 8 | END_HEADERS, 1, &[200, 1])),
        ("a stream below the last", [get(5, "/"), get(3, "/")].concat()),
        ("no window more", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("ENABLE_PUSH of 2", frame(SETTINGS, 0, 0, &setting(2, 2))),
        ("MAX_FRAME_SIZE of 1", frame(SETTINGS, 0, 0, &setting(5, 1))),
    ] {
        // A stream's number that is used up may be one of either (RFC 9113, 5.1.1).
        ends(&siege, what, &bytes, &[PROTOCOL_ERROR, STREAM_CLOSED]);
    }
    siege.lift();
}

#[test]
fn frames_of_a_wrong_size_end_the_connection() {
    let siege = Siege::lay();
    for (what, bytes) in [
        ("PING of 7", frame(PING, 0, 0, &[0; 7])),
        ("SETTINGS of 5", frame(SETTINGS, 0, 0, &[0; 5])),
        ("SETTINGS that answer and say something", frame(SETTINGS, 1, 0, &setting(3, 1))),
        ("WINDOW_UPDATE of 3", frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        ("RST_STREAM of 3", [post(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat()),
        ("DATA beyond MAX_FRAME_SIZE", [post(1), frame(DATA, 0, 1, &[0; 16_385])].concat()),
        ("HEADERS beyond MAX_FRAME_SIZE", frame(HEADERS, 0, 1, &[0; 16_385])),
    ] {
        ends(&siege, what, &bytes, &[FRAME_SIZE_ERROR, PROTOCOL_ERROR]);
    }
    siege.lift();
}

#[test]
fn windows_that_are_overrun_are_an_error() {
    let siege = Siege::lay();
    let most = 0x7fff_ffff_u32.to_be_bytes();
    ends(&siege, "a window too large", &frame(WINDOW_UPDATE, 0, 0, &most), &[FLOW_CONTROL_ERROR]);
    let bytes = frame(SETTINGS, 0, 0, &setting(4, 0x8000_0000));
    ends(&siege, "INITIAL_WINDOW_SIZE too large", &bytes, &[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]);
    let bytes = [post(1), frame(WINDOW_UPDATE, 0, 1, &most)].concat();
    resets(&siege, "a stream's window too large", &bytes, FLOW_CONTROL_ERROR);
    resets(
        &siege,
        "no window more for a stream",
        &[post(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(),
        PROTOCOL_ERROR,
    );
    // More than the window that was given, to an instance that does not read.
    let much = [post(1), frame(DATA, 0, 1, &[0; 16_384]).repeat(100)].concat();
    let mut frames = Frames::dial(siege.stage.gateway.http());
    let _ = frames.send(&much);
    let answered = frames.answered(SOON);
    let codes = [FLOW_CONTROL_ERROR, STREAM_CLOSED];
    assert!(
        matches!(&answered, Answered::Reset(1, code) | Answered::GoAway(code) if codes.contains(code)),
        "{answered:?}"
    );
    siege.lift();
}

#[test]
fn what_no_table_decodes_ends_the_connection() {
    let siege = Siege::lay();
    for (what, block) in [
        ("an index beyond the table", &[0xff, 0x80, 0x01][..]),
        ("the index 0", &[0x80]),
        ("a number without end", &[0xff; 20]),
        ("a table larger than allowed", &[0x3f, 0xe1, 0xff, 0x03]),
        ("text that is cut", &[0x00, 0x05, b'a']),
        ("Huffman's code with a wrong end", &[0x00, 0x81, 0x00, 0x01, b'a']),
    ] {
        let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
        ends(&siege, what, &bytes, &[COMPRESSION_ERROR, PROTOCOL_ERROR]);
    }
    siege.lift();
}

#[test]
fn a_preface_that_is_none_ends_the_connection() {
    let siege = Siege::lay();
    let server = siege.stage.gateway.http();
    let mut frames = Frames::bare(server);
    frames.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").unwrap();
    let answered = frames.answered(SOON);
    assert!(matches!(answered, Answered::Closed | Answered::GoAway(PROTOCOL_ERROR)), "{answered:?}");
    // SETTINGS come first (RFC 9113, 3.4).
    let mut frames = Frames::bare(server);
    frames.send(&[PREFACE, &get(1, "/")].concat()).unwrap();
    let answered = frames.answered(SOON);
    assert!(matches!(answered, Answered::Closed | Answered::GoAway(PROTOCOL_ERROR)), "{answered:?}");
    // Twice is once too often.
    ends(&siege, "a second preface", PREFACE, &[PROTOCOL_ERROR, FRAME_SIZE_ERROR]);
    siege.lift();
}

#[test]
fn a_malformed_request_is_no_request() {
    let siege = Siege::lay();
    let good = fields("GET", "/");
    let with = |name: &str, value: &str| [good.clone(), literal(name, value)].concat();
    for (what, block) in [
        ("a name in upper case", with("X-Upper", "1")),
        ("a field of the connection's", with("connection", "close")),
        ("Transfer-Encoding", with("transfer-encoding", "chunked")),
        ("TE other than trailers", with("te", "gzip")),
        ("an unknown pseudo-field", with(":new", "1")),
        (":status of a client", with(":status", "200")),
        (":path twice", with(":path", "/other")),
        ("a line end in a value", with("x", "a\r\nb: c")),
        ("a NUL in a value", with("x", "a\0b")),
        ("an empty name", with("", "1")),
        (
            "no :path",
            [literal(":method", "GET"), literal(":scheme", "http"), literal(":authority", "web.jobs")]
                .concat(),
        ),
        ("an empty :path", fields("GET", "")),
        (
            "no :method",
            [literal(":path", "/"), literal(":scheme", "http"), literal(":authority", "web.jobs")].concat(),
        ),
        ("a pseudo-field behind a field", [literal("x", "1"), good.clone()].concat()),
        ("another Host", with("host", "other.jobs")),
        ("a length that is none", with("content-length", "ten")),
        ("two lengths", [with("content-length", "0"), literal("content-length", "5")].concat()),
    ] {
        let mut frames = Frames::dial(siege.stage.gateway.http());
        frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).unwrap();
        match frames.answered(SOON) {
            Answered::Reset(1, PROTOCOL_ERROR) | Answered::GoAway(PROTOCOL_ERROR) => {}
            // The gateway may say why before (RFC 9113, 8.1.1).
            Answered::Head(1) => assert_eq!(status(&mut frames, &block), 400, "{what}"),
            answered => panic!("{what}: {answered:?}"),
        }
    }
    // A body that is not as long as it says (RFC 9113, 8.1.1).
    for (length, sent) in [("10", 5), ("5", 10)] {
        let block = [fields("POST", "/"), literal("content-length", length)].concat();
        let mut frames = Frames::dial(siege.stage.gateway.http());
        let bytes = [frame(HEADERS, END_HEADERS, 1, &block), frame(DATA, END_STREAM, 1, &vec![b'x'; sent])];
        frames.send(&bytes.concat()).unwrap();
        match frames.answered(SOON) {
            // The gateway may say so before.
            Answered::Reset(1, PROTOCOL_ERROR) | Answered::GoAway(PROTOCOL_ERROR) | Answered::Head(1) => {}
            answered => panic!("{length} said, {sent} sent: {answered:?}"),
        }
    }
    siege.lift();
}

/// Asks again, and looks at the head.
fn status(frames: &mut Frames, block: &[u8]) -> u16 {
    frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, block)).unwrap();
    loop {
        let head = frames.wait(HEADERS);
        if head.stream == 3 {
            // RFC 7541, A: the eighth of the static table is `:status: 200`, the twelfth 400.
            return match head.payload[0] & 0x7f {
                8 => 200,
                12 => 400,
                _ => 0,
            };
        }
    }
}

#[test]
fn a_frame_of_an_unknown_kind_is_passed_over() {
    let siege = Siege::lay();
    let mut frames = Frames::dial(siege.stage.gateway.http());
    frames
        .send(&[frame(0xfa, 0xff, 0, b"anything"), frame(SETTINGS, 0, 0, &setting(0xabcd, 7))].concat())
        .unwrap();
    frames.send(&get(1, "/")).unwrap();
    assert_eq!(frames.answered(SOON), Answered::Served(1));
    siege.lift();
}
