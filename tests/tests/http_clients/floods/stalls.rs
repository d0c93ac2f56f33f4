//! Clients that ask for much and read nothing, or a byte at a time.

use roundhouse_tests::{SOON, eventually, seen};

use super::Siege;
use crate::frames::{DATA, END_STREAM, Frames, SETTINGS, WINDOW_UPDATE, frame, get, setting};

const LARGE: &str = "/bytes/10000000";

#[test]
fn answers_that_nobody_makes_room_for_hold_little() {
    let siege = Siege::lay();
    let server = siege.stage.gateway.http();
    // INITIAL_WINDOW_SIZE (RFC 9113, 6.5.2): none at all, and so much that only the socket holds it back.
    for (window, connections) in [(0, 4), (0x7fff_ffff, 4)] {
        let stalled: Vec<Frames> = (0..connections)
            .map(|_| {
                let mut frames = Frames::with(server, &setting(4, window));
                if window > 0 {
                    frames.send(&frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes())).unwrap();
                }
                let asked: Vec<u8> = (0..100).flat_map(|n| get(n * 2 + 1, LARGE)).collect();
                frames.send(&asked).unwrap();
                frames
            })
            .collect();
        eventually(SOON * 3, "all of them are asked for", || {
            let under_way = siege.stage.gateway.connections("?job=web");
            seen(under_way.len(), |count| *count >= connections * 100)
        });
        // The good ones all the while.
        siege.load.wait_for(1_000);
        drop(stalled);
        eventually(SOON * 3, "nothing of it is left", || {
            let under_way = siege.stage.gateway.connections("?job=web");
            seen(under_way.len(), |count| *count <= 2)
        });
    }
    siege.lift();
}

#[test]
fn a_window_of_one_byte_gets_its_answer_byte_by_byte() {
    let siege = Siege::lay();
    let mut frames = Frames::with(siege.stage.gateway.http(), &setting(4, 1));
    frames.send(&get(1, "/bytes/300")).unwrap();
    let mut body = Vec::<u8>::new();
    loop {
        let data = frames.wait(DATA);
        assert!(data.payload.len() <= 1, "{data:?}");
        body.extend(&data.payload);
        if data.flags & END_STREAM != 0 {
            break;
        }
        frames.send(&frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())).unwrap();
    }
    assert_eq!(body, crate::origin::pattern(300));
    siege.lift();
}

#[test]
fn a_window_that_shrinks_below_nothing_is_waited_for() {
    let siege = Siege::lay();
    let mut frames = Frames::with(siege.stage.gateway.http(), &setting(4, 1_000));
    frames.send(&get(1, "/bytes/3000")).unwrap();
    let mut body = frames.wait(DATA).payload;
    // RFC 9113, 6.9.2: it has sent 1,000 of what are now 10.
    frames.send(&frame(SETTINGS, 0, 0, &setting(4, 10))).unwrap();
    frames.send(&frame(WINDOW_UPDATE, 0, 1, &3_000_u32.to_be_bytes())).unwrap();
    while body.len() < 3_000 {
        body.extend(frames.wait(DATA).payload);
    }
    assert_eq!(body, crate::origin::pattern(3_000));
    siege.lift();
}
