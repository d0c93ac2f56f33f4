//! Heads that are larger than they look.

use roundhouse_tests::SOON;

use super::Siege;
use crate::frames::{
    Answered, CONTINUATION, END_HEADERS, END_STREAM, Frames, HEADERS, fields, frame, get, literal,
};

/// A block in as many frames as it takes.
fn headers(stream: u32, block: &[u8]) -> Vec<u8> {
    let mut parts = block.chunks(16_000);
    let first = parts.next().unwrap_or_default();
    let mut out = frame(HEADERS, END_STREAM, stream, first);
    parts.for_each(|part| out.extend(frame(CONTINUATION, 0, stream, part)));
    out.extend(frame(CONTINUATION, END_HEADERS, stream, b""));
    out
}

/// It is refused, one way or another, and never served.
#[track_caller]
fn is_refused(frames: &mut Frames, what: &str) {
    match frames.answered(SOON) {
        Answered::GoAway(_) | Answered::Reset(..) | Answered::Closed | Answered::Head(_) => {}
        answered => panic!("{what}: {answered:?}"),
    }
}

#[test]
fn heads_beyond_the_limit_are_refused() {
    let siege = Siege::lay();
    let field = literal("x-field", &"v".repeat(100));
    for count in [1_000, 10_000] {
        let mut frames = Frames::dial(siege.stage.gateway.http());
        let block = [fields("GET", "/"), field.repeat(count)].concat();
        let _ = frames.send(&headers(1, &block));
        is_refused(&mut frames, &format!("{count} fields"));
    }
    siege.lift();
}

#[test]
fn a_field_that_is_named_again_and_again_does_not_fill_the_memory() {
    let siege = Siege::lay();
    // RFC 7541, 6.2.1: kept in the table, as large as it gets; then a byte for each time (6.1).
    let value = "v".repeat(3_900);
    let kept = [&[0x40, 1, b'x', 0x7f][..], &length(value.len()), value.as_bytes()].concat();
    let mut connections = Vec::new();
    for _ in 0..20 {
        let mut frames = Frames::dial(siege.stage.gateway.http());
        let block = [fields("GET", "/"), kept.clone(), vec![0x80 | 62; 100_000]].concat();
        // 390 MB of fields.
        let _ = frames.send(&headers(1, &block));
        is_refused(&mut frames, "the bomb");
        connections.push(frames);
    }
    // Fields in a table are nobody's request, and stay within its 4 KiB.
    for frames in &mut connections {
        let _ = frames.send(&get(3, "/"));
    }
    siege.lift();
}

/// The rest of a number that began with seven ones (RFC 7541, 5.1).
fn length(n: usize) -> Vec<u8> {
    let mut rest = n - 127;
    let mut out = Vec::new();
    while rest >= 128 {
        out.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    out.push(rest as u8);
    out
}
