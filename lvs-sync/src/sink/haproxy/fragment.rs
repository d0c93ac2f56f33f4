//! Our part of HAProxy's configuration: what a process starts with, while the Runtime API changes what runs.
//!
//! ```text
//! frontend rh-tcp-203.0.113.10-80 ─► backend rh-tcp-203.0.113.10-80 ─► server 10.0.0.1_80 …
//! ```
//!
//! Whatever a started process needs besides (timeouts, logs) is the operator's, in the `defaults` of the file before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;

use super::running::{Backend, Check, Running, Server};
use super::shape::{Balance, Shape};
use super::{name, place};
use crate::model::ServiceKey;

const PREFACE: &str = "\
# Written by lvs-sync, and written anew with every change of a service or a server: what is edited here is lost.
# HAProxy reads it as `haproxy -f <your configuration> -f <this file>`; timeouts are those of your `defaults`.
";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) sections: BTreeMap<ServiceKey, Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) vip: SocketAddr,
    pub(super) shape: Shape,
    pub(super) servers: BTreeMap<SocketAddr, Line>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) weight: u32,
    /// Where servers are chosen by a hash: see [`place`].
    pub(super) id: Option<u32>,
}

impl Fragment {
    /// With which a process would start into what this one runs.
    pub(super) fn of(running: &Running) -> Fragment {
        let section = |(key, backend): (&ServiceKey, &Backend)| (key.clone(), Section::of(backend));
        Fragment { sections: running.backends.iter().map(section).collect() }
    }

    pub(super) fn render(&self, check: bool) -> String {
        let mut text = PREFACE.to_owned();
        for section in self.sections.values() {
            section.render(check, &mut text);
        }
        text
    }

    /// `None`: somebody has edited it, or another version or other options have written it.
    pub(super) fn parse(text: &str, check: bool) -> Option<Fragment> {
        let fragment = read(text)?;
        (fragment.render(check) == text).then_some(fragment)
    }
}

impl Section {
    pub(super) fn new(vip: SocketAddr, shape: Shape) -> Section {
        Section { vip, shape, servers: BTreeMap::new() }
    }

    pub(super) fn of(backend: &Backend) -> Section {
        // An algorithm that we never write is none to go on with.
        let shape = backend.shape().unwrap_or(Shape { balance: Balance::RoundRobin, header: backend.header });
        let line = |server: &Server| Line {
            weight: server.takes(),
            id: (shape.balance == Balance::Source).then_some(server.id),
        };
        let servers = backend.servers.iter().map(|(address, server)| (*address, line(server))).collect();
        Section { vip: backend.vip, shape, servers }
    }

    /// With its servers where they are, as far as the new shape leaves them there.
    pub(super) fn reshape(&mut self, shape: Shape) {
        self.shape = shape;
        let servers = std::mem::take(&mut self.servers);
        for (address, line) in servers {
            match (shape.balance, line.id) {
                (Balance::Source, Some(_)) => {
                    self.servers.insert(address, line);
                }
                _ => {
                    self.add(address, line.weight);
                }
            }
        }
    }

    pub(super) fn add(&mut self, address: SocketAddr, weight: u32) -> Line {
        let id = (self.shape.balance == Balance::Source).then(|| {
            let taken: BTreeSet<u32> = self.servers.values().filter_map(|line| line.id).collect();
            place::of(address, &taken)
        });
        let line = Line { weight, id };
        self.servers.insert(address, line);
        line
    }

    /// Whether the process has this frontend and backend, whatever the weights: what needs no reload.
    pub(super) fn is_run_by(&self, running: &Running, check: bool) -> bool {
        running.backends.get(&name::key(self.vip)).is_some_and(|backend| {
            let checked = |server: &Server| (server.check != Check::None) == check;
            backend.shape() == Some(self.shape) && backend.servers.values().all(checked)
        })
    }

    fn render(&self, check: bool, text: &mut String) {
        let Shape { balance, header } = self.shape;
        let (name, vip) = (name::backend(self.vip, header), self.vip);
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line(format!("\nfrontend {name}\n    mode tcp\n    bind {vip}\n    default_backend {name}\n"));
        line(format!("backend {name}\n    mode tcp\n    balance {}", balance.algorithm()));
        if balance == Balance::Source {
            // Of the two types the one that takes servers and weights while it runs.
            line("    hash-type consistent".into());
        }
        if check {
            // Else a check would be that of the operator's `defaults`, such as `option httpchk`.
            line("    option tcp-check".into());
        }
        for (address, server) in &self.servers {
            line(format!(
                "    server {} {}",
                name::server(*address),
                server.told(*address, self.shape, check)
            ));
        }
    }
}

impl Line {
    /// What stands behind the name, in the file and in `add server`.
    pub(super) fn told(self, address: SocketAddr, shape: Shape, check: bool) -> String {
        let mut text = format!("{address} weight {}", self.weight);
        if let Some(id) = self.id {
            // Writing to a string does not fail.
            let _ = write!(text, " id {id}");
        }
        if check {
            text.push_str(" check");
        }
        if let Some(header) = shape.header {
            text.push(' ');
            text.push_str(header.keyword());
        }
        text
    }
}

/// What is said, whatever else is said too: whether the text is ours is seen by rendering it.
fn read(text: &str) -> Option<Fragment> {
    let mut fragment = Fragment::default();
    let (mut at, mut header) = (None, None);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["backend", name] => {
                let (vip, proxy) = name::read_backend(name)?;
                (at, header) = (Some(vip), proxy);
            }
            ["balance", algorithm] => {
                let shape = Shape { balance: Balance::read(algorithm)?, header };
                fragment.sections.insert(name::key(at?), Section::new(at?, shape));
            }
            ["server", _, address, "weight", weight, ref more @ ..] => {
                let id = match more {
                    ["id", id, ..] => Some(id.parse().ok()?),
                    _ => None,
                };
                let section = fragment.sections.get_mut(&name::key(at?))?;
                let line = Line { weight: weight.parse().ok()?, id };
                section.servers.insert(address.parse().ok()?, line);
            }
            _ => {}
        }
    }
    Some(fragment)
}

#[cfg(test)]
mod tests;
