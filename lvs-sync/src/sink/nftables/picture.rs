//! What our nftables table holds, object by object: what is written and what is read are compared as this.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::slots::Slots;
use super::vip::Vip;
use crate::model::{Family, Transport};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture {
    /// Whether there is such a table at all.
    pub(super) exists: bool,
    /// Whether there is something in it that we have no name for, and leave where it is.
    pub(super) strange: bool,
    /// Whether it is declared as we would.
    pub(super) sets: BTreeMap<Set, bool>,
    pub(super) elements: BTreeMap<Element, Value>,
    pub(super) chains: BTreeMap<String, Chain>,
}

/// A set of our own for each family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Set(pub(super) Kind, pub(super) Family);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Where a packet goes by its destination.
    Services,
    /// Whom a service has, and what they weigh. No packet is looked up here: it is our memory.
    Destinations,
    /// Ways whose packets are given this host's own address as source.
    Masqueraded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    Service(Vip),
    Destination(Vip, SocketAddr),
    /// From a VIP to a destination. The VIP's port is left out: nft 1.0.6 cannot look up `ct original proto-dst`.
    Masqueraded(IpAddr, Transport, SocketAddr),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) comment: Option<String>,
    /// What becomes of a service's packets, as in `goto service-tcp-203.0.113.10-80`.
    pub(super) verdict: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) place: Place,
    pub(super) rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Other chains lead there.
    Called,
    Hooked(Hook),
    /// On some other hook, or with another priority or policy.
    Elsewhere,
}

/// Where address translation happens (nft(8), ADDRESS FAMILIES and CHAINS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Prerouting,
    /// Clients on this host.
    Output,
    Postrouting,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Dispatch(Family),
    Masquerade(Family),
    Balance {
        transport: Transport,
        slots: Slots,
        comment: String,
    },
    /// For a packet that has begun with a rule whose slots are gone at this moment: a transaction makes all rules and all
    /// sets new at once, but not for a packet that is between the two.
    Otherwise {
        transport: Transport,
        to: SocketAddr,
    },
    Reject {
        transport: Transport,
        comment: String,
    },
    /// None that we write.
    Other,
}

impl Set {
    pub(super) const ALL: [Set; 6] = [
        Set(Kind::Services, Family::V4),
        Set(Kind::Services, Family::V6),
        Set(Kind::Destinations, Family::V4),
        Set(Kind::Destinations, Family::V6),
        Set(Kind::Masqueraded, Family::V4),
        Set(Kind::Masqueraded, Family::V6),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Set(Kind::Services, Family::V4) => "services4",
            Set(Kind::Services, Family::V6) => "services6",
            Set(Kind::Destinations, Family::V4) => "destinations4",
            Set(Kind::Destinations, Family::V6) => "destinations6",
            Set(Kind::Masqueraded, Family::V4) => "masqueraded4",
            Set(Kind::Masqueraded, Family::V6) => "masqueraded6",
        }
    }

    pub(super) fn named(name: &str) -> Option<Set> {
        Set::ALL.into_iter().find(|set| set.name() == name)
    }

    /// The parts of a key.
    pub(super) fn types(self) -> Vec<&'static str> {
        let address = match self.1 {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        };
        match self.0 {
            Kind::Services => vec![address, "inet_proto", "inet_service"],
            Kind::Destinations => vec![address, "inet_proto", "inet_service", address, "inet_service"],
            Kind::Masqueraded => vec![address, address, "inet_proto", "inet_service"],
        }
    }

    pub(super) fn is_map(self) -> bool {
        self.0 == Kind::Services
    }
}

impl Element {
    pub(super) fn set(&self) -> Set {
        match self {
            Element::Service(vip) => Set(Kind::Services, vip.family()),
            Element::Destination(vip, _) => Set(Kind::Destinations, vip.family()),
            Element::Masqueraded(vip, ..) => Set(Kind::Masqueraded, Family::of(*vip)),
        }
    }
}

impl Hook {
    pub(super) const ALL: [Hook; 3] = [Hook::Prerouting, Hook::Output, Hook::Postrouting];

    /// Of the hook, and of our chain on it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Hook::Prerouting => "prerouting",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
        }
    }

    /// `dstnat` and `srcnat`: what everybody's translation has.
    pub(super) fn priority(self) -> i32 {
        match self {
            Hook::Prerouting | Hook::Output => -100,
            Hook::Postrouting => 100,
        }
    }
}

impl Picture {
    /// Whether services of either family are dispatched in the same way, wherever they lead.
    pub(super) fn has_frame_of(&self, other: &Picture) -> bool {
        let hooked = |picture: &'_ Picture| Hook::ALL.map(|hook| picture.chains.get(hook.as_str()).cloned());
        self.sets == other.sets && hooked(self) == hooked(other)
    }
}
