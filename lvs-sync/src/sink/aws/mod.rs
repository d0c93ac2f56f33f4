//! Amazon's balancers (ELBv2): a service is a target group, a destination a target of it.
//!
//! ```text
//! DescribeTargetGroups, DescribeTags ─► directory: pool ─► group ─┐
//! DescribeTargetHealth ─► targets: registered │ draining ─────────┴─► dump
//! operations ─► RegisterTargets, of all groups ─► DeregisterTargets, of all groups
//! ```
//!
//! **The group is the operator's.** It is found by the tag `roundhouse-pool`, or else by its name, which is the pool's; it is
//! never made, changed or deleted here. One that is not there is a service that is not there; to add it is refused with what
//! to create, and to remove it forgets it and no more; one that has appeared since the last look exists, and is looked into
//! before something is done in it, for it may be full of what is ours. Whoever names or tags a group so gives it to the pool: in
//! it is ours what is recorded, and what the pool wants, since another director may have put it there. Other targets are
//! shown, and the plan leaves them alone.
//!
//! **A target is in or out**, so a weight is 1 or 0. The states of DescribeTargetHealth are read so:
//!
//! | state | in a dump |
//! | --- | --- |
//! | `initial`, `healthy`, `unhealthy`, `unhealthy.draining`, `unused`, `unavailable` | weight 1: registered |
//! | `draining` | weight 0, with one connection open: how many there are is not told |
//! | not listed, or `unused` as `Target.NotRegistered` | not there |
//!
//! - [`Sink::fit`] leaves destinations of weight 0 out: AWS ends them after the group's `deregistration_delay`, so none is
//!   there to stay. What is to have no work leaves, as one that is gone from the registry does: the plan asks for weight 0,
//!   sees `draining` for as long as connections may go on, and forgets it once AWS has.
//! - Weight 0 for a registered target is DeregisterTargets; for one that drains there is nothing to do.
//! - Removal of a registered target is DeregisterTargets too, since nothing is quicker; of one that drains, nothing: it ends
//!   by itself, and is nobody's until then.
//! - One that drains is neither there nor can it be added: that is [`OpError::Later`], until it has ended.
//!
//! **Calls** are bounded each: the deadline in `connection.rs`, 100 targets, and the lease. They are made again when AWS throttles
//! them, and by nobody else: the SDK's own retries are off. Who comes is registered before who leaves is deregistered; only
//! where a quota of targets is reached, a group's leavers go first. One that is not answered ends the turn: what it would
//! have done may be done, which the next turn sees.
//!
//! After the API Reference of Elastic Load Balancing, version 2015-12-01.

mod api;
mod backoff;
mod calls;
mod connect;
mod connection;
mod directory;
mod error;
mod shape;
mod step;
mod thread;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use roundhouse_config::Label;
use roundhouse_registry::record;

use self::api::Api;
use self::connection::Standing;
use self::directory::Directory;
use self::error::CallError;
use self::turn::Turn;
use super::{Claim, OpError, Sink, SinkError, Unfit};
use crate::model::{Actual, Destination, Forwarding, Op, Service, ServiceKey, Settings};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `None`: as the SDK finds it, in `AWS_REGION`, a profile or the instance's metadata.
    pub region: Option<String>,
    /// Another than Amazon's.
    pub endpoint: Option<String>,
    /// A file as `~/.aws/credentials` is. `None`: the SDK's chain of environment, profile, and the instance's or the task's
    /// role.
    pub credentials_file: Option<PathBuf>,
}

/// The target groups of one account in one region. Dialled at the first look.
#[derive(Debug)]
pub struct Aws {
    api: Api,
    /// Of the last look at all groups.
    directory: Option<Directory>,
    /// Targets whose registration was not answered: found registered, it is us who did it.
    unsure: BTreeSet<(Label, SocketAddr)>,
}

impl Aws {
    /// # Errors
    /// Where there is no thread to make calls on.
    pub fn new(options: Options) -> Result<Aws, SinkError> {
        Ok(Aws { api: Api::new(options)?, directory: None, unsure: BTreeSet::new() })
    }

    fn look_around(&mut self) -> Result<&Directory, CallError> {
        let groups = self.api.groups()?;
        Ok(self.directory.insert(Directory::of(&groups)))
    }

    fn look_into(&mut self, groups: BTreeMap<Label, String>) -> Result<Actual, SinkError> {
        let mut actual = Actual::default();
        for (pool, targets) in self.api.targets(groups)? {
            let key = ServiceKey::Group(pool);
            let mut service = Service { settings: Settings::default(), ..Service::default() };
            for (address, standing) in targets {
                service.destinations.insert(address, destination(standing));
                if standing == Standing::Draining {
                    actual.open.insert((key.clone(), address), 1);
                }
            }
            actual.services.insert(key, service);
        }
        Ok(actual)
    }
}

fn destination(standing: Standing) -> Destination {
    let weight = match standing {
        Standing::Registered => 1,
        Standing::Draining => 0,
    };
    Destination::new(weight, Forwarding::Masquerade)
}

impl Sink for Aws {
    fn kind(&self) -> record::Sink {
        record::Sink::Aws
    }

    fn fit(&self, key: &ServiceKey, wanted: Service) -> Result<Service, Unfit> {
        shape::fit(key, wanted)
    }

    fn dump(&mut self) -> Result<Actual, SinkError> {
        let groups = self.look_around()?.groups();
        self.look_into(groups)
    }

    fn dump_of(&mut self, keys: &BTreeSet<ServiceKey>) -> Result<Actual, SinkError> {
        let Some(directory) = &self.directory else {
            let mut actual = self.dump()?;
            actual.services.retain(|key, _| keys.contains(key));
            actual.open.retain(|(key, _), _| keys.contains(key));
            return Ok(actual);
        };
        let mut groups = directory.groups();
        groups.retain(|pool, _| keys.contains(&ServiceKey::Group(pool.clone())));
        self.look_into(groups)
    }

    fn apply(&mut self, ops: &[Op], until: Option<Instant>) -> Result<Vec<Result<(), OpError>>, SinkError> {
        if ops.is_empty() {
            return Ok(Vec::new());
        }
        // A group may have been made since; those that are known were seen a moment ago.
        let anew = ops.iter().any(|op| matches!(op, Op::AddService(..)));
        if anew || self.directory.is_none() {
            self.look_around()?;
        }
        Ok(Turn::new(self, ops, until).take())
    }

    /// A record of ours may be another director's, who led before.
    fn claim(&self, _key: &ServiceKey) -> Claim {
        Claim::Wanted
    }

    /// The deadline of one.
    fn longest_call(&self) -> Duration {
        connection::DEADLINE
    }
}
