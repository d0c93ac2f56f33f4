//! Entries of conntrack that lead where nobody is any more.
//!
//! A TCP connection of a removed destination would only wait for its timeout (five days, unless somebody closes it):
//! without its entry the next packet begins a new connection, and is reset. A UDP client that never pauses would keep its
//! dead destination for ever, and one that sent before there was a service would never get to it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::conntrack::{self, Flow, Shown};
use super::table::Table;
use super::vip::Vip;
use crate::model::Transport;
use crate::sink::SinkError;

/// After this many times, what still comes is for the next change: a packet that was on its way through the old rules has
/// made its entry long before.
const PASSES: usize = 3;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stale {
    /// Destinations that a service had.
    removed: BTreeSet<(Vip, SocketAddr)>,
    /// UDP services that may have sent somebody elsewhere.
    moved: BTreeSet<Vip>,
}

impl Stale {
    pub(super) fn note(&mut self, was: &Table, is: &Table) {
        for (vip, entry) in &was.services {
            let now = is.services.get(vip);
            for (to, weight) in &entry.destinations {
                if now.is_none_or(|now| !now.destinations.contains_key(to)) {
                    self.removed.insert((*vip, *to));
                }
                if vip.transport == Transport::Udp && *weight > 0 && now.is_none_or(|now| !now.takes(*to)) {
                    self.moved.insert(*vip);
                }
            }
        }
        let is_new = |vip: &&Vip| !was.services.contains_key(vip);
        self.moved.extend(is.services.keys().filter(is_new).filter(|vip| vip.transport == Transport::Udp));
    }

    /// What the table says by now counts: a destination may have come back.
    pub(super) fn sweep(&mut self, table: &Table) -> Result<(), SinkError> {
        if self.removed.is_empty() && self.moved.is_empty() {
            return Ok(());
        }
        // Before there was a service nothing was translated.
        let shown = if self.moved.is_empty() { Shown::Translated } else { Shown::All };
        for _ in 0..PASSES {
            if conntrack::delete(shown, |flow| self.is_meant(flow, table))? == 0 {
                break;
            }
        }
        *self = Stale::default();
        Ok(())
    }

    fn is_meant(&self, flow: Flow, table: &Table) -> bool {
        let Flow { called, answering, .. } = flow;
        let entry = table.services.get(&called);
        if flow.is_udp() && self.moved.contains(&called) {
            return entry.is_none_or(|entry| !entry.takes(answering));
        }
        // What is over is looked up anew when its client begins again.
        flow.is_open
            && self.removed.contains(&(called, answering))
            && entry.is_none_or(|entry| !entry.destinations.contains_key(&answering))
    }
}
