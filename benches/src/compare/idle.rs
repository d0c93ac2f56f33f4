//! User-space memory of a connection on which nothing happens: one that never carried a byte, and one that did.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use roundhouse_tests::{eventually, seen};
use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Resource, getrlimit};

use super::{Contender, Who};
use crate::load::KEPT_REQUEST;
use crate::{Samples, process};

const PATIENCE: Duration = Duration::from_secs(30);
/// Connections opened at once: fewer than wait for accept(2) anywhere on the way, since what overflows there is lost.
const TOGETHER: usize = 250;
const REST: Duration = Duration::from_millis(300);
/// Descriptors that a proxy needs beside two for each connection.
const RESERVE: u64 = 2_000;

/// Bytes a connection, of one contender.
pub struct Idle {
    pub who: Who,
    /// Never used, and after one exchange.
    pub states: [Cost; 2],
}

#[derive(Clone, Default)]
pub struct Cost {
    pub pss: Samples,
    pub rss: Samples,
}

impl Idle {
    pub fn of(who: Who) -> Idle {
        Idle { who, states: Default::default() }
    }

    /// How many connections the limit of descriptors allows.
    pub fn possible() -> usize {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        usize::try_from(limit.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX)
    }

    /// `descriptors`: how many the contender has for a connection that never carried a byte.
    pub fn measure(&mut self, contender: &Contender, count: usize, descriptors: usize) {
        let open = at_rest(contender.pid());
        let before = contender.memory();
        let mut clients = Vec::with_capacity(count);
        while clients.len() < count {
            let some = TOGETHER.min(count - clients.len());
            clients.extend((0..some).map(|_| connect(contender)));
            eventually(PATIENCE, "every connection is taken", || {
                let all = open + descriptors * clients.len();
                seen(process::descriptors(contender.pid()), |now| *now >= all)
            });
        }
        let [fresh, used] = &mut self.states;
        fresh.add(contender, before, count);
        let mut answer = [0; 1024];
        for client in &mut clients {
            client.write_all(KEPT_REQUEST).expect("the connection is open");
            assert!(client.read(&mut answer).expect("the connection is open") > 0, "the backend answers");
        }
        used.add(contender, before, count);
    }
}

impl Cost {
    fn add(&mut self, contender: &Contender, before: process::Memory, count: usize) {
        let now = contender.memory();
        self.pss.push((now.pss - before.pss) / count as f64);
        self.rss.push((now.rss - before.rss) / count as f64);
    }
}

fn connect(contender: &Contender) -> TcpStream {
    let client = TcpStream::connect(contender.at).expect("loopback has ports");
    // Closed by a reset: thousands in TIME_WAIT would be in the next one's way.
    let _ = set_socket_linger(&client, Some(Duration::ZERO));
    client
}

/// Open descriptors, once none is closed any more: those of the proof, and of the API, are still there for a moment.
fn at_rest(pid: u32) -> usize {
    let mut last = usize::MAX;
    loop {
        let now = process::descriptors(pid);
        if now == last {
            return now;
        }
        last = now;
        std::thread::sleep(REST);
    }
}
