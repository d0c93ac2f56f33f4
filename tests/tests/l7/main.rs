//! The L7 engine, byte for byte: what a real gateway makes of requests and answers of every kind, seen from both sides.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod access_log;
mod answers;
mod exchange;
mod framing;
mod fuzz;
mod pipelining;
pub(crate) mod policies;
mod slow;

use std::io::Write;
use std::net::{Shutdown, SocketAddr};

use roundhouse_tests::strict::{self, Message};
use roundhouse_tests::{Gateway, Recorder, dial, read_to_its_end};

/// A gateway with one job, `web`, whose instance keeps what it is sent.
struct Stage {
    gateway: Gateway,
    web: Recorder,
}

impl Stage {
    fn start() -> Stage {
        Stage::answering(|_| roundhouse_tests::recorder::answer("seen"))
    }

    fn answering(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Stage {
        let gateway = Gateway::start();
        let web = Recorder::answering(&gateway, "web", 0, answer);
        Stage { gateway, web }
    }

    /// Sends the bytes, says that no more come, and reads to the end.
    #[track_caller]
    fn ask(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        ask(self.gateway.http(), bytes.as_ref())
    }

    /// The same in which one answer is expected.
    #[track_caller]
    fn answer(&self, bytes: impl AsRef<[u8]>) -> Message {
        let method = if bytes.as_ref().starts_with(b"HEAD") { "HEAD" } else { "GET" };
        only(strict::responses(&self.ask(bytes), &[method]))
    }
}

#[track_caller]
fn ask(server: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut client = dial(server);
    // Who is refused early does not get all of it away.
    let _ = client.write_all(bytes);
    let _ = client.shutdown(Shutdown::Write);
    read_to_its_end(&mut client).0
}

/// The same from a client that does not say that it is done: the gateway ends the connection.
#[track_caller]
fn ask_until_closed(server: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut client = dial(server);
    let _ = client.write_all(bytes);
    read_to_its_end(&mut client).0
}

#[track_caller]
fn only<T: std::fmt::Debug>(mut all: Vec<T>) -> T {
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}
