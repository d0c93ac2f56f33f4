//! Frames that cost their sender nothing.

use super::{ENHANCE_YOUR_CALM, PROTOCOL_ERROR, Siege};
use crate::frames::{
    CONTINUATION, DATA, Flooded, Frames, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    fields, frame, get, post, setting,
};

/// Far more than anybody has a use for.
const MANY: usize = 500_000;
/// What may pass before the gateway has enough; what lies in sockets passes too.
const SOON_ENOUGH: usize = 250_000;

fn odd(n: usize) -> u32 {
    u32::try_from(n).unwrap() * 2 + 1
}

fn flood(siege: &Siege, bytes: impl FnMut(usize) -> Vec<u8>) -> Flooded {
    Frames::dial(siege.stage.gateway.http()).flood(MANY, bytes)
}

#[track_caller]
fn is_calmed(what: &str, flooded: &Flooded) {
    assert!(flooded.taken < SOON_ENOUGH, "{what}: {flooded:?}");
    // A reset may overtake the word.
    assert!(matches!(flooded.code, Some(ENHANCE_YOUR_CALM) | None), "{what}: {flooded:?}");
}

#[test]
fn streams_that_are_taken_back_at_once_are_too_much() {
    let siege = Siege::lay();
    // CVE-2023-44487, one by one and in bulk.
    let reset = |n| frame(RST_STREAM, 0, odd(n), &8_u32.to_be_bytes());
    let flooded = flood(&siege, |n| [get(odd(n), "/"), reset(n)].concat());
    is_calmed("rapid reset", &flooded);
    let flooded = flood(&siege, |n| {
        (n * 100..n * 100 + 100).flat_map(|n| [get(odd(n), "/"), reset(n)].concat()).collect()
    });
    is_calmed("rapid reset in bulk", &flooded);
    siege.lift();
}

#[test]
fn pings_settings_priorities_and_resets_without_end_are_too_much() {
    let siege = Siege::lay();
    is_calmed("PING", &flood(&siege, |_| frame(PING, 0, 0, b"12345678")));
    is_calmed("SETTINGS", &flood(&siege, |_| frame(SETTINGS, 0, 0, &setting(3, 100))));
    is_calmed("empty SETTINGS", &flood(&siege, |_| frame(SETTINGS, 0, 0, b"")));
    is_calmed("PRIORITY", &flood(&siege, |n| frame(PRIORITY, 0, odd(n), &[0, 0, 0, 0, 1])));
    let flooded = flood(&siege, |n| match n {
        0 => get(1, "/"),
        _ => frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()),
    });
    is_calmed("RST_STREAM", &flooded);
    siege.lift();
}

#[test]
fn data_without_any_is_too_much() {
    let siege = Siege::lay();
    let flooded = flood(&siege, |n| if n == 0 { post(1) } else { frame(DATA, 0, 1, b"") });
    is_calmed("empty DATA", &flooded);
    // Padding alone is no data either, and the window that it takes is given back.
    let padded = |n| if n == 0 { post(1) } else { frame(DATA, 8, 1, &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0]) };
    is_calmed("padded DATA", &flood(&siege, padded));
    siege.lift();
}

#[test]
fn headers_that_do_not_end_are_too_much() {
    let siege = Siege::lay();
    // CVE-2024-27316: with content, and without any.
    for payload in [&[0x40; 8_000][..], &[]] {
        let flooded = flood(&siege, |n| match n {
            0 => frame(HEADERS, 0, 1, &fields("GET", "/")),
            _ => frame(CONTINUATION, 0, 1, payload),
        });
        assert!(flooded.taken < SOON_ENOUGH, "{} bytes each: {flooded:?}", payload.len());
    }
    siege.lift();
}

#[test]
fn a_hundred_thousand_requests_at_once_are_answered_or_refused() {
    let siege = Siege::lay();
    let flooded = flood(&siege, |n| get(odd(n), "/"));
    assert!(flooded.code.is_some_and(|code| code == ENHANCE_YOUR_CALM || code == 0) || flooded.heads > 0);
    // Bodies that never come hold a stream each, and no more of them than are allowed.
    let flooded = flood(&siege, |n| post(odd(n)));
    assert!(matches!(flooded.code, Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR) | None), "{flooded:?}");
    siege.lift();
}

#[test]
fn window_by_the_byte_is_nobodys_harm() {
    let siege = Siege::lay();
    // A hundred thousand of them earn nothing and cost little.
    let flooded = Frames::dial(siege.stage.gateway.http())
        .flood(100_000, |_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()));
    assert!(matches!(flooded.code, None | Some(0 | ENHANCE_YOUR_CALM)), "{flooded:?}");
    siege.lift();
}

#[test]
fn an_orderly_client_is_not_taken_for_a_flood() {
    let siege = Siege::lay();
    let mut frames = Frames::dial(siege.stage.gateway.http());
    for n in 0..2_000 {
        let mut bytes = get(odd(n), "/");
        // A probe now and then, and a request taken back.
        if n % 20 == 0 {
            bytes.extend(frame(PING, 0, 0, b"probe..."));
        }
        if n % 3 == 0 {
            bytes.extend(frame(RST_STREAM, 0, odd(n), &8_u32.to_be_bytes()));
        }
        frames.send(&bytes).unwrap();
        if n % 3 != 0 {
            while frames.wait(HEADERS).stream != odd(n) {}
            frames.send(&frame(WINDOW_UPDATE, 0, 0, &2_u32.to_be_bytes())).unwrap();
        }
    }
    siege.lift();
}
