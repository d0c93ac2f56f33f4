//! The order of a plan: who takes work is there before somebody else stops taking it.
//!
//! ```text
//! services made or set ─► destinations that work: added, set ─► those with weight 0: added, set ─► removed ─► services removed
//! ```
//!
//! Over all services, since a pool that moves from one service to another has its new place before it loses the old one.

use crate::model::Op;

#[derive(Default)]
pub(super) struct Steps(Vec<Op>);

impl Steps {
    pub(super) fn add(&mut self, ops: Vec<Op>) {
        self.0.extend(ops);
    }

    /// Stable: within a rank the services keep their order.
    pub(super) fn ordered(mut self) -> Vec<Op> {
        self.0.sort_by_key(rank);
        self.0
    }
}

fn rank(op: &Op) -> u8 {
    match op {
        Op::AddService(..) | Op::SetService(..) => 0,
        Op::AddDestination(_, _, to) | Op::SetDestination(_, _, to) if to.weight > 0 => 1,
        Op::AddDestination(..) | Op::SetDestination(..) => 2,
        Op::RemoveDestination(..) => 3,
        Op::RemoveService(..) => 4,
    }
}
