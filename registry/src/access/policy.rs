//! What is decided about one job: the rules that name it, and what holds for whoever none of them names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::{JobName, Label, Outage, PortName, Selector};
use smallvec::SmallVec;

use super::group::{Compiled, Group};

/// A job, as one that is asked for.
#[derive(Debug)]
pub struct Policy {
    pub job: Label,
    pub jobname: JobName,
    pub otherwise: Otherwise,
    pub outage: Outage,
    pub(super) ports: Box<[(PortName, u16)]>,
    pub(super) groups: SmallVec<[Arc<Group>; 3]>,
    /// An allow rule that is only tried out would guard the job if it were in force.
    pub(super) tries_guard: bool,
}

/// What becomes of a peer that no rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    Allow,
    /// The job's record says `"access":"deny"`.
    Deny,
    /// A guard covers the job.
    Guarded(Selector),
}

/// A port that is asked for: by the number in the job's record, and by the name that it has there.
#[derive(Clone, Copy, Debug)]
pub struct Port<'a> {
    pub number: u16,
    pub name: Option<&'a PortName>,
}

impl Policy {
    /// Everybody may come in, and nobody has to be looked at.
    pub fn is_open(&self) -> bool {
        self.otherwise == Otherwise::Allow && self.groups.is_empty() && self.outage.is_default()
    }

    pub fn port(&self, number: u16) -> Port<'_> {
        let name = self.ports.iter().find(|(_, known)| *known == number).map(|(name, _)| name);
        Port { number, name }
    }

    pub fn port_named(&self, name: &PortName) -> Option<Port<'_>> {
        let (name, number) = self.ports.iter().find(|(known, _)| known == name)?;
        Some(Port { number: *number, name: Some(name) })
    }

    pub fn ports(&self) -> impl Iterator<Item = Port<'_>> {
        self.ports.iter().map(|(name, number)| Port { number: *number, name: Some(name) })
    }

    /// All rules that name the job, in no order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Compiled>> {
        self.groups.iter().flat_map(|group| group.rules())
    }

    /// Whether a decision that is made this long after the registry was last heard is made of old knowledge.
    pub fn is_stale(&self, stale: Duration) -> bool {
        stale > self.outage.max_stale
    }
}

impl Otherwise {
    pub fn allows(&self) -> bool {
        *self == Otherwise::Allow
    }
}

impl fmt::Display for Otherwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Otherwise::Allow => f.write_str("the job's `access` is allow"),
            Otherwise::Deny => f.write_str("the job's `access` is deny"),
            Otherwise::Guarded(selector) => write!(f, "guard `{selector}`"),
        }
    }
}
