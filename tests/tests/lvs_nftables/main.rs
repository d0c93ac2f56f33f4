//! The nftables sink in a kernel, with real connections through it.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod balance;
mod edits;
mod network;
mod removal;
mod traffic;
mod updates;

use std::net::SocketAddr;

use lvs_sync::model::{Actual, Destination, Forwarding, Op, Scheduler, ServiceKey, Settings};
use lvs_sync::sink::Sink;
use lvs_sync::sink::nftables::{Nftables, Options};
use roundhouse_tests::inside;

/// Runs the body in private namespaces: outside it starts this test again, alone, in there.
fn in_a_network_of_its_own(test: &str, body: impl FnOnce()) {
    match inside(test) {
        None => body(),
        Some(mut command) => {
            let output = command.output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
        }
    }
}

const VIP: &str = "203.0.113.10:80";
const VIP_V6: &str = "[2001:db8::10]:80";

fn vip() -> SocketAddr {
    VIP.parse().unwrap()
}

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

/// The director's sink, which is told what it is told at once.
struct Director(Nftables);

impl Director {
    fn new() -> Director {
        Director(Nftables::new(Options::default()).unwrap())
    }

    #[track_caller]
    fn told(&mut self, ops: &[Op]) {
        let outcomes = self.0.apply(ops, None).unwrap();
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }

    /// What is told is there as it is told.
    #[track_caller]
    fn shows(&mut self, told: &[Op]) -> Actual {
        let mut wanted = Actual::default();
        told.iter().for_each(|op| wanted.take(op));
        let actual = self.0.dump().unwrap();
        assert_eq!(actual.services, wanted.services);
        actual
    }
}

fn settings(scheduler: &str) -> Settings {
    let wanted = Settings { scheduler: Scheduler::new(scheduler), ..Settings::default() };
    let service = lvs_sync::model::Service { settings: wanted, ..Default::default() };
    Nftables::new(Options::default()).unwrap().fit(&key("tcp/192.0.2.1:80"), service).unwrap().settings
}

fn weighing(weight: u32) -> Destination {
    Destination::new(weight, Forwarding::Masquerade)
}

/// A service and its destinations.
fn service(service: &str, scheduler: &str, destinations: &[(SocketAddr, u32)]) -> Vec<Op> {
    let mut ops = vec![Op::AddService(key(service), settings(scheduler))];
    ops.extend(
        destinations.iter().map(|(to, weight)| Op::AddDestination(key(service), *to, weighing(*weight))),
    );
    ops
}
