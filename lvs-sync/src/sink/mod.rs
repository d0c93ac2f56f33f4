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
pub mod memory;

use std::collections::BTreeSet;
use std::time::Instant;

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

    /// Whether others change the same table: one director at a time may, the one that leads.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether the entry was made by us, where the sink itself can tell. `None`: it cannot, and our own records say so.
    fn is_ours(&self, _key: &ServiceKey) -> Option<bool> {
        None
    }
}
