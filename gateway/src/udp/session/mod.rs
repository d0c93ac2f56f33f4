//! The sessions of one downstream socket, by who asked what; no socket in it, no clock of its own.
//!
//! Time comes as ticks, which never go back. Two queues, each in the order of the last datagram: sessions whose
//! instance has never answered, and those whose has. A session moves to its queue's end at most once a tick, so that
//! what a datagram costs is one look-up, and both who may expire next and who is evicted next stand in front.
//!
//! When there is no room the unanswered session that has been silent longest goes. Forged sources never get an answer,
//! so a flood of them pushes out each other and not the clients that are being served (the kernel's connection tracking
//! drops early by the same rule). When all have been answered there is no room for a new one.

mod list;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;

use self::list::{Link, List};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// VIP and port.
    pub(super) asked: SocketAddr,
    pub(super) client: SocketAddr,
}

/// Where a session is, for as long as it is there; used again afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) u32);

/// Whether one more fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    /// When this one is removed.
    Instead(Slot),
    None,
}

pub(super) struct Sessions<T> {
    index: HashMap<Key, Slot>,
    held: Vec<Option<Held<T>>>,
    links: Vec<Link>,
    free: Vec<Slot>,
    unanswered: List,
    answered: List,
    capacity: usize,
    /// The least idle time of any session so far, in ticks.
    least_idle: u32,
}

struct Held<T> {
    key: Key,
    /// So many ticks after its last datagram it is over.
    idle: u32,
    /// The tick of its last datagram, whichever way.
    last: u32,
    answered: bool,
    value: T,
}

impl<T> Sessions<T> {
    /// At most `capacity` sessions.
    pub(super) fn new(capacity: usize) -> Sessions<T> {
        Sessions {
            index: HashMap::new(),
            held: Vec::new(),
            links: Vec::new(),
            free: Vec::new(),
            unanswered: List::EMPTY,
            answered: List::EMPTY,
            capacity: capacity.min(u32::MAX as usize - 1),
            least_idle: u32::MAX,
        }
    }

    pub(super) fn find(&self, key: &Key) -> Option<Slot> {
        self.index.get(key).copied()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<(Key, &T)> {
        self.held.get(slot.0 as usize)?.as_ref().map(|held| (held.key, &held.value))
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<(Key, &mut T)> {
        self.held.get_mut(slot.0 as usize)?.as_mut().map(|held| (held.key, &mut held.value))
    }

    pub(super) fn is_answered(&self, slot: Slot) -> bool {
        self.held.get(slot.0 as usize).and_then(Option::as_ref).is_some_and(|held| held.answered)
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.index.values().copied()
    }

    /// Whether one more fits. `full` says that there is no room for another reason.
    pub(super) fn room(&self, full: bool) -> Room {
        if !full && self.len() < self.capacity {
            return Room::Free;
        }
        self.unanswered.first().map_or(Room::None, |first| Room::Instead(Slot(first)))
    }

    /// A session that is over `idle` ticks after its last datagram. The key must be new, and there must be
    /// [`Self::room`].
    pub(super) fn insert(&mut self, key: Key, idle: u32, now: u32, value: T) -> Slot {
        self.least_idle = self.least_idle.min(idle);
        let held = Some(Held { key, idle, last: now, answered: false, value });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.held[slot.0 as usize] = held;
                slot
            }
            None => {
                // No more than `capacity`, which fits.
                let slot = Slot(u32::try_from(self.held.len()).unwrap_or(u32::MAX));
                self.held.push(held);
                self.links.push(Link::ALONE);
                slot
            }
        };
        self.index.insert(key, slot);
        self.unanswered.push_back(&mut self.links, slot.0);
        slot
    }

    /// A datagram from the client.
    pub(super) fn asked(&mut self, slot: Slot, now: u32) {
        self.touch(slot, now, false);
    }

    /// A datagram from the instance.
    pub(super) fn answered(&mut self, slot: Slot, now: u32) {
        self.touch(slot, now, true);
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<(Key, T)> {
        let held = self.held.get_mut(slot.0 as usize)?.take()?;
        let queue = if held.answered { &mut self.answered } else { &mut self.unanswered };
        queue.remove(&mut self.links, slot.0);
        self.index.remove(&held.key);
        self.free.push(slot);
        Some((held.key, held.value))
    }

    /// Up to `most` that have been idle for long enough. Where jobs differ in what that is, the patient ones are walked
    /// over.
    pub(super) fn expired(&self, now: u32, most: usize) -> Vec<Slot> {
        let age = |held: &Held<T>| now.saturating_sub(held.last);
        let old = [&self.unanswered, &self.answered].into_iter().flat_map(|queue| {
            let held = queue.iter(&self.links).filter_map(|at| Some((at, self.held[at as usize].as_ref()?)));
            held.take_while(|(_, held)| age(held) >= self.least_idle)
        });
        old.filter(|(_, held)| age(held) >= held.idle).map(|(at, _)| Slot(at)).take(most).collect()
    }

    fn touch(&mut self, slot: Slot, now: u32, by_instance: bool) {
        let Some(Some(held)) = self.held.get_mut(slot.0 as usize) else { return };
        let becomes_answered = by_instance && !held.answered;
        if held.last == now && !becomes_answered {
            return;
        }
        held.last = now;
        let from = if held.answered { &mut self.answered } else { &mut self.unanswered };
        from.remove(&mut self.links, slot.0);
        held.answered |= by_instance;
        let to = if held.answered { &mut self.answered } else { &mut self.unanswered };
        to.push_back(&mut self.links, slot.0);
    }
}
