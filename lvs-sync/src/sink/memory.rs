//! A table in memory, for tests alone: what a sink promises, with nothing behind it.

use std::time::Instant;

use roundhouse_registry::record;

use super::{OpError, Sink, SinkError, Unfit};
use crate::model::{Actual, Op, Service, ServiceKey};

#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) actual: Actual,
    /// Every operation that was done.
    pub(crate) done: Vec<Op>,
}

impl Sink for Memory {
    fn kind(&self) -> record::Sink {
        record::Sink::Ipvs
    }

    fn fit(&self, _: &ServiceKey, wanted: Service) -> Result<Service, Unfit> {
        Ok(wanted)
    }

    fn dump(&mut self) -> Result<Actual, SinkError> {
        Ok(self.actual.clone())
    }

    fn apply(&mut self, ops: &[Op], _: Option<Instant>) -> Result<Vec<Result<(), OpError>>, SinkError> {
        Ok(ops.iter().map(|op| self.one(op)).collect())
    }
}

impl Memory {
    fn one(&mut self, op: &Op) -> Result<(), OpError> {
        let service = self.actual.services.get(op.service());
        let found =
            op.destination().map(|at| service.is_some_and(|service| service.destinations.contains_key(&at)));
        match (op, service.is_some(), found) {
            (Op::AddService(..), true, _) | (Op::AddDestination(..), true, Some(true)) => {
                return Err(OpError::Exists);
            }
            (Op::AddService(..), false, _) | (Op::AddDestination(..), true, Some(false)) => {}
            (_, false, _) | (_, true, Some(false)) => return Err(OpError::Gone),
            (_, true, _) => {}
        }
        self.actual.take(op);
        self.done.push(op.clone());
        Ok(())
    }
}
