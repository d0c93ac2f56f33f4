//! What a table is programmed into.
//!
//! ```text
//! wanted ─► fit (pure): as this sink can hold it, or why not ─┐
//!                                                             ├─► plan ─► apply, in order
//! dump: everything that it holds, by whose hand whatever ─────┘
//! ```
//!
//! A sink decides nothing: it says what is there and does what it is told. What it cannot do is refused by [`Sink::fit`],
//! before a plan is made, so that a plan of what fits is done or fails for a reason that lies outside.

#[cfg(feature = "aws")]
pub mod aws;
mod error;
pub mod haproxy;
pub mod ipvs;
#[cfg(test)]
pub(crate) mod memory;
pub mod nftables;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use roundhouse_registry::record;

pub use self::error::{OpError, SinkError, Unfit};
use crate::model::{Actual, Op, Service, ServiceKey};

pub trait Sink: Send {
    fn kind(&self) -> record::Sink;

    /// The service as this sink holds it, once it was told: what [`Sink::dump`] says of it then is equal. Pure.
    fn fit(&self, key: &ServiceKey, wanted: Service) -> Result<Service, Unfit>;

    /// Everything there is, also what is not ours.
    fn dump(&mut self) -> Result<Actual, SinkError>;

    /// Of these services alone, as far as they are there.
    fn dump_of(&mut self, keys: &BTreeSet<ServiceKey>) -> Result<Actual, SinkError> {
        let mut actual = self.dump()?;
        actual.services.retain(|key, _| keys.contains(key));
        actual.open.retain(|(key, _), _| keys.contains(key));
        actual.stats.retain(|key, _| keys.contains(key));
        Ok(actual)
    }

    /// Does the operations in their order, each of which stands for itself: one that fails stops none but those that need
    /// it. An outcome for each, or an error if none was tried. `until`: when a call that would change something must not
    /// be begun any more, since another director may lead then; those are [`OpError::Late`].
    fn apply(&mut self, ops: &[Op], until: Option<Instant>) -> Result<Vec<Result<(), OpError>>, SinkError>;

    /// What of the service is ours, as far as the sink itself can tell.
    fn claim(&self, _key: &ServiceKey) -> Claim {
        Claim::Recorded
    }

    /// What keeps services from working although the table is as it should be, a sentence each with its cure.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// How long one call can take at most: on a shared sink none is begun that would end after the own lease.
    fn longest_call(&self) -> Duration {
        Duration::ZERO
    }
}

/// Whose an entry is, by the sink's own word. Where a sink outlives our record of it, or another director goes on with it,
/// the record alone would not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It cannot tell: what we recorded is ours.
    Recorded,
    /// The service is ours by its name, and so is all that is in it.
    Whole,
    /// The service is there for us. In it is ours what we recorded, and what is wanted.
    Wanted,
}
