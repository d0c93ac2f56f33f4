mod properties;
mod scenarios;

use std::net::SocketAddr;

use super::*;
use crate::model::{Destination, Forwarding, Service, Services, Settings};
use crate::sink::memory::Memory;
use crate::sink::{Claim, Sink as _};

/// A sink with the one who keeps it right.
struct World {
    sink: Memory,
    state: State,
    facts: Facts,
    desired: Desired,
    claim: Claim,
}

impl World {
    fn new() -> World {
        let facts = Facts { now: Timestamp::from_seconds(1_000_000), ..Facts::default() };
        World {
            sink: Memory::default(),
            state: State::default(),
            facts,
            desired: Desired::default(),
            claim: Claim::Recorded,
        }
    }

    fn plan(&self) -> Plan {
        plan(&self.desired, &self.sink.actual, &self.state, &self.facts, |_| self.claim)
    }

    /// One round, as the program makes it.
    fn round(&mut self) -> Plan {
        let plan = self.plan();
        for (op, result) in plan.ops.iter().zip(self.sink.apply(&plan.ops, None).unwrap()) {
            assert_eq!(result, Ok(()), "{op}");
        }
        self.state = plan.state.clone();
        plan
    }

    fn wait(&mut self, seconds: u64) {
        self.facts.now = self.facts.now + Duration::from_secs(seconds);
    }

    /// Rounds until nothing is waited for.
    fn settle(&mut self) {
        for _ in 0..100 {
            let plan = self.round();
            match plan.next {
                Some(next) => self.facts.now = next,
                None if plan.ops.is_empty() => return,
                None => {}
            }
        }
        panic!("no end: {:?}", self.plan());
    }

    fn want(&mut self, key: &str, pool: &str, weights: &[(u8, u32)]) {
        let wanted = Wanted {
            pool: pool.parse().unwrap(),
            line: "telecom".parse().unwrap(),
            service: service(weights),
            leaving: BTreeSet::new(),
            drain: Duration::from_secs(30),
        };
        self.desired.services.insert(key.parse().unwrap(), wanted);
    }

    fn printed(&self) -> String {
        crate::ipvsadm::table(&self.sink.actual.services)
    }
}

fn service(weights: &[(u8, u32)]) -> Service {
    let destinations = weights.iter().map(|(host, weight)| (at(*host), to(*weight)));
    Service { settings: Settings::default(), destinations: destinations.collect() }
}

fn at(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 80))
}

fn to(weight: u32) -> Destination {
    Destination::new(weight, Forwarding::Masquerade)
}

fn said(ops: &[Op]) -> Vec<String> {
    ops.iter().map(ToString::to_string).collect()
}
