//! The services in our table, and what becomes of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::draw;
use super::fit;
use super::picture::{Element, Picture, Rule};
use super::vip::Vip;
use crate::model::{Destination, Forwarding, Op, Scheduler, Service, Services, Settings};
use crate::sink::OpError;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) services: BTreeMap<Vip, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) scheduler: Scheduler,
    /// With their weights.
    pub(super) destinations: BTreeMap<SocketAddr, u32>,
    pub(super) hand: Hand,
}

/// Who has written a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    Ours,
    /// It was ours, and somebody has changed it since.
    Distorted,
    Foreign,
}

/// The scheduler of what somebody has changed: nobody wants it, so that the service is told anew.
const DISTORTED: &str = "distorted";
const FOREIGN: &str = "foreign";

impl Table {
    pub(super) fn of(picture: &Picture, masquerade: bool) -> Table {
        let mut table = Table::default();
        for (element, value) in &picture.elements {
            if let Element::Service(vip) = element {
                let is_ours = value.comment.as_deref() == Some(draw::COMMENT)
                    || picture.chains.contains_key(&vip.chain());
                let entry = match is_ours {
                    true => Entry::remembered(*vip, picture),
                    false => Entry::foreign(value.verdict.as_deref(), picture),
                };
                table.services.insert(*vip, entry);
            }
        }
        for chain in picture.chains.keys() {
            if let Some(vip) = Vip::of_chain(chain) {
                table.services.entry(vip).or_insert_with(|| Entry::remembered(vip, picture));
            }
        }
        for (element, value) in &picture.elements {
            if let Element::Destination(vip, to) = element
                && let Some(entry) = table.services.get_mut(vip).filter(|entry| entry.hand != Hand::Foreign)
            {
                entry.destinations.insert(*to, draw::weight_in(value).unwrap_or_default());
            }
        }
        table.compare(picture, masquerade);
        table
    }

    /// What is ours and not there as we would write it.
    fn compare(&mut self, picture: &Picture, masquerade: bool) {
        let drawn = draw::picture(self, picture, masquerade);
        let all = !picture.has_frame_of(&drawn);
        let mut distorted: Vec<Vip> = draw::strays(picture, &drawn);
        for (vip, entry) in &mut self.services {
            let chain = vip.chain();
            let is_there = picture.chains.get(&chain) == drawn.chains.get(&chain);
            if entry.hand == Hand::Ours && (all || !is_there) {
                distorted.push(*vip);
            }
        }
        for vip in distorted {
            if let Some(entry) = self.services.get_mut(&vip).filter(|entry| entry.hand == Hand::Ours) {
                entry.hand = Hand::Distorted;
            }
        }
    }

    pub(super) fn services(&self) -> Services {
        self.services.iter().map(|(vip, entry)| (vip.key(), entry.service())).collect()
    }

    /// One that does not fit changes nothing.
    pub(super) fn take(&mut self, op: &Op) -> Result<(), OpError> {
        let refused = |error: crate::sink::Unfit| OpError::Refused(error.to_string());
        let vip = fit::vip(op.service()).map_err(refused)?;
        let destination = |to: &SocketAddr, destination: &Destination| {
            fit::destination(vip, *to, destination).map_err(refused)
        };
        match op {
            Op::AddService(_, settings) => {
                let scheduler = fit::scheduler(settings).map_err(refused)?;
                if self.services.contains_key(&vip) {
                    return Err(OpError::Exists);
                }
                self.services.insert(vip, Entry::new(scheduler));
            }
            // Also how somebody else's service is taken over: what it is then is told in full.
            Op::SetService(_, settings) => {
                let scheduler = fit::scheduler(settings).map_err(refused)?;
                let entry = self.services.get_mut(&vip).ok_or(OpError::Gone)?;
                entry.scheduler = scheduler;
                entry.hand = Hand::Ours;
            }
            Op::AddDestination(_, to, added) => {
                destination(to, added)?;
                let destinations = self.destinations(vip)?;
                if destinations.contains_key(to) {
                    return Err(OpError::Exists);
                }
                destinations.insert(*to, added.weight);
            }
            Op::SetDestination(_, to, set) => {
                destination(to, set)?;
                *self.destinations(vip)?.get_mut(to).ok_or(OpError::Gone)? = set.weight;
            }
            Op::RemoveDestination(_, to) => {
                self.destinations(vip)?.remove(to).ok_or(OpError::Gone)?;
            }
            Op::RemoveService(_) => {
                self.destinations(vip)?;
                self.services.remove(&vip);
            }
        }
        Ok(())
    }

    /// Written as a whole, what is ours is as it should be.
    pub(super) fn settle(&mut self) {
        for entry in self.services.values_mut().filter(|entry| entry.hand == Hand::Distorted) {
            entry.hand = Hand::Ours;
        }
    }

    /// Of a service that is ours to change.
    fn destinations(&mut self, vip: Vip) -> Result<&mut BTreeMap<SocketAddr, u32>, OpError> {
        match self.services.get_mut(&vip) {
            None => Err(OpError::Gone),
            Some(entry) if entry.hand == Hand::Foreign => Err(OpError::Refused(format!(
                "{} was put into our table by somebody else; remove it there (nft delete element), or adopt it",
                vip.key()
            ))),
            Some(entry) => Ok(&mut entry.destinations),
        }
    }
}

impl Entry {
    fn new(scheduler: Scheduler) -> Entry {
        Entry { scheduler, destinations: BTreeMap::new(), hand: Hand::Ours }
    }

    /// What we noted of it, without its destinations.
    fn remembered(vip: Vip, picture: &Picture) -> Entry {
        let rules = picture.chains.get(&vip.chain()).map(|chain| chain.rules.as_slice()).unwrap_or_default();
        let scheduler = rules.iter().find_map(draw::scheduler_in);
        // Without a note it is distorted, and is told anew.
        Entry::new(scheduler.unwrap_or_default())
    }

    fn foreign(verdict: Option<&str>, picture: &Picture) -> Entry {
        let chain = verdict.and_then(|verdict| verdict.split_once(' ')).map(|(_, chain)| chain);
        let rules = chain.and_then(|chain| picture.chains.get(chain)).map(|chain| chain.rules.as_slice());
        let slots = rules.unwrap_or_default().iter().find_map(|rule| match rule {
            Rule::Balance { slots, .. } => Some(slots.shares()),
            _ => None,
        });
        let destinations = slots.unwrap_or_default();
        Entry { scheduler: Scheduler::new(FOREIGN), destinations, hand: Hand::Foreign }
    }

    fn service(&self) -> Service {
        let destination =
            |(to, weight): (&SocketAddr, &u32)| (*to, Destination::new(*weight, Forwarding::Masquerade));
        let scheduler = match self.hand {
            Hand::Ours => self.scheduler.clone(),
            Hand::Distorted => Scheduler::new(DISTORTED),
            Hand::Foreign => Scheduler::new(FOREIGN),
        };
        Service {
            settings: Settings { flags: fit::flags(&scheduler), scheduler, ..Settings::default() },
            destinations: self.destinations.iter().map(destination).collect(),
        }
    }

    /// Destinations that get new connections.
    pub(super) fn takes(&self, to: SocketAddr) -> bool {
        self.destinations.get(&to).is_some_and(|weight| *weight > 0)
    }
}
