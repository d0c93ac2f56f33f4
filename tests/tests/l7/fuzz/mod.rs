//! Requests of every kind through the gateway, and what it forwards of them before readers that are not ours. Whatever
//! is forwarded is one request for all of them, the same one, and the one that the client's bytes are.

mod made;
mod readers;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use roundhouse_tests::soak::{report, scaled};
use roundhouse_tests::strict::{self, Message, Read};
use roundhouse_tests::{Gateway, Recorded, Recorder};

use self::readers::{Readers, Seen};
use crate::ask;

/// As many at a time: each has a job of its own, so that what comes there is of its requests.
const LANES: u8 = 3;

/// One job, at its VIP, where the Host decides nothing.
struct Lane {
    vip: SocketAddr,
    recorder: Recorder,
    readers: Readers,
}

#[test]
fn what_is_forwarded_has_one_reading() {
    let gateway = Gateway::start();
    let time = scaled(Duration::from_secs(12), Duration::from_secs(120));
    let lanes: Vec<Lane> = (0..LANES)
        .map(|n| {
            let label = format!("web{n}");
            // Each on a connection of its own, so that it is known whose it is.
            let recorder = Recorder::answering(&gateway, &label, n, |_| {
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
            });
            Lane { vip: gateway.listening_vip(&label, 9090), recorder, readers: Readers::start() }
        })
        .collect();
    let running: Vec<_> = lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run(time))).collect();
    let counts: Vec<[u64; 2]> = running.into_iter().map(|lane| lane.join().expect("a lane holds")).collect();
    let [sent, forwarded] = [0, 1].map(|at| counts.iter().map(|count| count[at]).sum::<u64>());
    report("requests, nearly right", &format!("{sent} sent, {forwarded} forwarded and read alike"));
    assert!(forwarded > 50 && forwarded < sent, "{forwarded} of {sent}");
    assert!(!gateway.process().stderr().contains("panicked"));
}

impl Lane {
    /// How many were sent, and how many forwarded.
    fn run(mut self, time: Duration) -> [u64; 2] {
        let (made, mut runner) = (made::request(), TestRunner::default());
        let (end, mut counts) = (Instant::now() + time, [0, 0]);
        while Instant::now() < end {
            let mut tree = made.new_tree(&mut runner).expect("a strategy without filters");
            match self.check(&tree.current()) {
                Ok(forwarded) => {
                    counts[0] += 1;
                    counts[1] += forwarded;
                }
                Err(why) => self.shrunk(&mut tree, why),
            }
        }
        counts
    }

    /// The smallest that fails as this one does.
    fn shrunk(&mut self, tree: &mut impl ValueTree<Value = Vec<u8>>, mut why: String) -> ! {
        let mut smallest = tree.current();
        let mut more = tree.simplify();
        while more {
            match self.check(&tree.current()) {
                Err(reason) => {
                    (smallest, why) = (tree.current(), reason);
                    more = tree.simplify();
                }
                Ok(_) => more = tree.complicate(),
            }
        }
        panic!("{:?}: {why}", shown(&smallest));
    }

    /// How many requests of these bytes were forwarded, all of them as they should be.
    fn check(&mut self, bytes: &[u8]) -> Result<u64, String> {
        self.recorder.take();
        let said = ask(self.vip, bytes);
        let recorded = self.recorder.take();
        let wrong = recorded.iter().find(|one| matches!(one.read, Read::Wrong(_)));
        if let Some(wrong) = wrong {
            return Err(format!("it forwarded {:?}", shown(&wrong.bytes)));
        }
        let whole: Vec<Recorded> =
            recorded.into_iter().filter(|one| matches!(one.read, Read::Whole(_))).collect();
        for one in &whole {
            self.read_alike(one)?;
        }
        let expected = meant(bytes);
        let forwarded: Vec<Message> = whole.into_iter().filter_map(Recorded::whole).collect();
        if forwarded.len() != expected.len() {
            return Err(format!("forwarded {forwarded:?}, meant {expected:?}, said {:?}", shown(&said)));
        }
        for (forwarded, meant) in forwarded.iter().zip(&expected) {
            if forwarded.method() != meant.method() || forwarded.body != meant.body {
                return Err(format!("forwarded {forwarded:?}, meant {meant:?}"));
            }
        }
        Ok(forwarded.len() as u64)
    }

    fn read_alike(&mut self, recorded: &Recorded) -> Result<(), String> {
        let Read::Whole(message) = &recorded.read else { return Ok(()) };
        let ours = Seen {
            method: message.method().to_owned(),
            target: message.target().to_owned(),
            hosts: message.all("host").map(str::to_owned).collect(),
            body: message.body.clone(),
        };
        for (reader, reading) in self.readers.read(&recorded.bytes) {
            let reading = match reading {
                Ok(reading) => reading,
                // A path goes on as it came. Who takes none with a backquote in it refuses it, and is not misled.
                Err(why) if why.contains("Parse(Uri)") => continue,
                Err(why) => return Err(format!("{reader} cannot read {:?}: {why}", shown(&recorded.bytes))),
            };
            // http.server takes `//` for the beginning of an open redirect, and makes it `/`.
            let tamed = ours.target.trim_start_matches('/');
            let same = |seen: &Seen| {
                let target = match reader {
                    "http.server" => seen.target.trim_start_matches('/') == tamed,
                    _ => seen.target == ours.target,
                };
                target && (&seen.method, &seen.hosts, &seen.body) == (&ours.method, &ours.hosts, &ours.body)
            };
            if !matches!(&reading[..], [one] if same(one)) {
                return Err(format!("{reader} reads {:?} as {reading:?}", shown(&recorded.bytes)));
            }
        }
        Ok(())
    }
}

/// The requests that bytes are up to the first that is none or says that it is the last.
fn meant(mut bytes: &[u8]) -> Vec<Message> {
    let mut all = Vec::new();
    while let Read::Whole(message) = strict::request(bytes) {
        bytes = &bytes[message.bytes..];
        let says = |what: &str| {
            message
                .all("connection")
                .flat_map(|value| value.split(','))
                .any(|word| word.trim().eq_ignore_ascii_case(what))
        };
        let last = says("close") || (message.first.ends_with("HTTP/1.0") && !says("keep-alive"));
        all.push(*message);
        if last {
            break;
        }
    }
    all
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
