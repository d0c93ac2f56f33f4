//! A plan is carried out, and what became of it.

use super::{Failed, Round, StateError, Sync, SyncError};
use crate::model::Op;
use crate::plan::{Plan, State};
use crate::sink::OpError;

impl Sync {
    /// Tells the sink, with what is ours on disk before and after: a crash in the middle leaves nothing of ours that we do
    /// not know.
    pub(super) fn carry_out(
        &mut self,
        made: &mut Plan,
        round: Round,
        save: &mut impl FnMut(&State) -> Result<(), StateError>,
    ) -> Result<Vec<Failed>, SyncError> {
        if made.ops.is_empty() {
            if self.state != made.state {
                save(&made.state)?;
                self.state = made.state.clone();
            }
            return Ok(Vec::new());
        }
        let both = self.state.with(&made.state);
        if both != self.state {
            save(&both)?;
        }
        let before = std::mem::replace(&mut self.state, both);
        let results = self.sink.apply(&made.ops, round.until).inspect_err(|_| self.belief = None)?;
        let mut failed = Vec::new();
        for (op, result) in made.ops.iter().zip(results) {
            match result {
                Ok(()) => {
                    self.counters.count(op);
                    if let Some(belief) = &mut self.belief {
                        belief.take(op);
                    }
                }
                Err(error) => {
                    disown(&mut made.state, &before, op, &error);
                    failed.push(Failed { op: op.clone(), error });
                }
            }
        }
        self.counters.failed += failed.len() as u64;
        if failed.iter().any(Failed::is_a_surprise) {
            self.belief = None;
        }
        save(&made.state)?;
        self.state = made.state.clone();
        Ok(failed)
    }
}

/// What was not made is not ours, unless it was before; what was not removed still is.
fn disown(state: &mut State, before: &State, op: &Op, error: &OpError) {
    let key = op.service();
    let owned_before = before.services.get(key);
    match op {
        Op::AddService(..) if owned_before.is_none() => {
            state.services.remove(key);
        }
        Op::AddDestination(_, address, _) => {
            let was_ours = owned_before.is_some_and(|owned| owned.destinations.contains_key(address));
            // Where the service could not be made either, nothing in it is.
            if !(was_ours && *error != OpError::Exists)
                && let Some(owned) = state.services.get_mut(key)
            {
                owned.destinations.remove(address);
            }
        }
        Op::RemoveDestination(_, address) => {
            let Some(before) = owned_before else { return };
            let owned = state.services.entry(key.clone()).or_insert_with(|| before.clone());
            if let Some(leaving) = before.destinations.get(address) {
                owned.destinations.insert(*address, *leaving);
            }
        }
        Op::RemoveService(_) => {
            if let Some(before) = owned_before {
                let mut kept = before.clone();
                kept.destinations.clear();
                state.services.entry(key.clone()).or_insert(kept);
            }
        }
        Op::AddService(..) | Op::SetService(..) | Op::SetDestination(..) => {}
    }
}
