//! Which calls are made, and in which order. Pure but for the calls themselves.
//!
//! ```text
//! RegisterTargets, group by group ── quota reached: this group's DeregisterTargets, and again ─► DeregisterTargets of the rest
//! ```

use std::net::SocketAddr;

use super::error::CallError;

/// The API's bound on one call.
pub(super) const CHUNK: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Register,
    Deregister,
}

/// What is to be done to one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// Its ARN.
    pub(super) group: String,
    pub(super) come: Vec<SocketAddr>,
    pub(super) leave: Vec<SocketAddr>,
}

/// One call, of at most [`CHUNK`] targets of a group.
pub(super) trait Call {
    fn call(&mut self, change: Change, group: &str, targets: &[SocketAddr]) -> Result<(), CallError>;
}

/// What became of a target of a group.
pub(super) type Outcome = (Change, String, SocketAddr, Result<(), CallError>);

/// Does it all, with an outcome for each target.
pub(super) fn carry_out(works: &[Work], calls: &mut impl Call) -> Vec<Outcome> {
    let mut run = Run { calls, ended: None, outcomes: Vec::new() };
    let mut gone_first = vec![false; works.len()];
    for (work, gone_first) in works.iter().zip(&mut gone_first) {
        *gone_first = run.come(work);
    }
    for (work, gone_first) in works.iter().zip(gone_first) {
        if !gone_first {
            run.all(Change::Deregister, &work.group, &work.leave);
        }
    }
    run.outcomes
}

struct Run<'a, C> {
    calls: &'a mut C,
    /// The error after which no call is made any more.
    ended: Option<CallError>,
    outcomes: Vec<Outcome>,
}

impl<C: Call> Run<'_, C> {
    /// Whether it was full, so that those that leave have been told.
    fn come(&mut self, work: &Work) -> bool {
        let mut made_room = false;
        for targets in work.come.chunks(CHUNK) {
            let mut outcome = self.call(Change::Register, &work.group, targets);
            if matches!(outcome, Err(CallError::Full(_))) && !made_room && !work.leave.is_empty() {
                self.all(Change::Deregister, &work.group, &work.leave);
                made_room = true;
                outcome = self.call(Change::Register, &work.group, targets);
            }
            self.came_out(Change::Register, &work.group, targets, &outcome);
        }
        made_room
    }

    fn all(&mut self, change: Change, group: &str, targets: &[SocketAddr]) {
        for targets in targets.chunks(CHUNK) {
            let outcome = self.call(change, group, targets);
            self.came_out(change, group, targets, &outcome);
        }
    }

    fn call(&mut self, change: Change, group: &str, targets: &[SocketAddr]) -> Result<(), CallError> {
        if let Some(error) = &self.ended {
            // It was not begun, so that nothing of it is unsure.
            return Err(match error {
                CallError::Unreached(said) => CallError::Throttled(said.clone()),
                error => error.clone(),
            });
        }
        let outcome = self.calls.call(change, group, targets);
        if let Err(error) = &outcome
            && error.ends_all()
        {
            self.ended = Some(error.clone());
        }
        outcome
    }

    /// A call is done as a whole or not at all: where one target will not do, it is found by halves.
    fn came_out(
        &mut self,
        change: Change,
        group: &str,
        targets: &[SocketAddr],
        outcome: &Result<(), CallError>,
    ) {
        if matches!(outcome, Err(CallError::BadTarget(_))) && targets.len() > 1 {
            let (left, right) = targets.split_at(targets.len() / 2);
            for half in [left, right] {
                let outcome = self.call(change, group, half);
                self.came_out(change, group, half, &outcome);
            }
            return;
        }
        let each = targets.iter().map(|target| (change, group.to_owned(), *target, outcome.clone()));
        self.outcomes.extend(each);
    }
}

#[cfg(test)]
mod tests;
