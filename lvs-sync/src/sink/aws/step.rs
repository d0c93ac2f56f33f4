//! What is to be done for an operation, as its target stands. Pure.

use std::net::SocketAddr;

use super::calls::Change;
use super::connection::Standing;
use crate::model::Op;
use crate::sink::OpError;

/// What is to be done for an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: that is what came of it.
    Told(Result<(), OpError>),
    Change(Change),
}

/// `is_unsure`: if it is registered, it is us who did it.
pub(super) fn decide(op: &Op, found: Option<Standing>, is_unsure: bool) -> Step {
    let done = Step::Told(Ok(()));
    match (op, found) {
        (Op::AddDestination(_, _, to), None) if to.weight == 0 => Step::Told(Err(OpError::Refused(
            "a target group holds no target without work; leave it out".into(),
        ))),
        (Op::AddDestination(..), None) => Step::Change(Change::Register),
        (Op::AddDestination(..), Some(Standing::Registered)) if is_unsure => done,
        (Op::AddDestination(..), Some(Standing::Registered)) => Step::Told(Err(OpError::Exists)),
        (Op::SetDestination(_, _, to), Some(Standing::Registered)) if to.weight > 0 => done,
        (Op::AddDestination(_, address, _), Some(Standing::Draining)) => Step::Told(Err(drains(*address))),
        (Op::SetDestination(_, address, to), Some(Standing::Draining)) if to.weight > 0 => {
            Step::Told(Err(drains(*address)))
        }
        (Op::SetDestination(..) | Op::RemoveDestination(..), Some(Standing::Registered)) => {
            Step::Change(Change::Deregister)
        }
        (Op::SetDestination(..) | Op::RemoveDestination(..), None) => Step::Told(Err(OpError::Gone)),
        // It drains, or is about the group, which is there.
        _ => done,
    }
}

fn drains(address: SocketAddr) -> OpError {
    OpError::Later(format!(
        "{address} still drains, and AWS ends that by the target group's deregistration_delay.timeout_seconds"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Destination, Forwarding, ServiceKey};

    #[test]
    fn an_operation_is_a_change_only_where_something_changes() {
        let key: ServiceKey = "group/blog".parse().unwrap();
        let at: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let weighing = |weight| Destination::new(weight, Forwarding::Masquerade);
        let add = Op::AddDestination(key.clone(), at, weighing(1));
        let set = |weight| Op::SetDestination(key.clone(), at, weighing(weight));
        let remove = Op::RemoveDestination(key.clone(), at);
        let (registered, draining) = (Some(Standing::Registered), Some(Standing::Draining));
        let (done, gone) = (Step::Told(Ok(())), Step::Told(Err(OpError::Gone)));
        let (register, deregister) = (Step::Change(Change::Register), Step::Change(Change::Deregister));
        let later = Step::Told(Err(drains(at)));
        for (op, found, step) in [
            (&add, None, &register),
            (&add, registered, &Step::Told(Err(OpError::Exists))),
            (&add, draining, &later),
            (&set(1), None, &gone),
            (&set(1), registered, &done),
            (&set(1), draining, &later),
            (&set(0), None, &gone),
            (&set(0), registered, &deregister),
            (&set(0), draining, &done),
            (&remove, None, &gone),
            (&remove, registered, &deregister),
            (&remove, draining, &done),
        ] {
            assert_eq!(decide(op, found, false), *step, "{op:?} {found:?}");
        }
        assert_eq!(decide(&add, registered, true), done);
        let nothing = decide(&Op::AddDestination(key, at, weighing(0)), None, false);
        assert!(matches!(nothing, Step::Told(Err(OpError::Refused(_)))));
    }
}
