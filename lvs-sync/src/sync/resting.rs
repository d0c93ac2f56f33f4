//! Services that a sink refused: they are not tried at every round, for an attempt may cost others something (a reload), and
//! what is refused now is refused in a moment too.
//!
//! Another wish is tried at once: whoever has mended the pool should see it. What only had to wait (a target that drains, a
//! reload) is tried at each look too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roundhouse_registry::record::Timestamp;

use super::Failed;
use crate::desired::Desired;
use crate::model::{Op, Service, ServiceKey};
use crate::sink::OpError;

const FIRST: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Resting(BTreeMap<ServiceKey, Refused>);

#[derive(Debug)]
struct Refused {
    until: Timestamp,
    times: u32,
    wanted: Option<Service>,
    failed: Vec<Failed>,
}

impl Resting {
    /// Those that are left alone now. `look`: the sink has just been looked at.
    pub(super) fn keys(&self, desired: &Desired, now: Timestamp, look: bool) -> BTreeSet<ServiceKey> {
        let rests = |(key, refused): &(&ServiceKey, &Refused)| {
            now < refused.until
                && wish(desired, key) == refused.wanted.as_ref()
                && !(look && refused.only_waits())
        };
        self.0.iter().filter(rests).map(|(key, _)| key.clone()).collect()
    }

    /// What came of a plan.
    pub(super) fn note(&mut self, desired: &Desired, ops: &[Op], failed: &[Failed], now: Timestamp) {
        let mut refused: BTreeMap<&ServiceKey, Vec<Failed>> = BTreeMap::new();
        for failed in failed.iter().filter(|failed| failed.is_refused()) {
            refused.entry(failed.op.service()).or_default().push(failed.clone());
        }
        // Where something else was believed, what follows from it says nothing.
        for failed in failed.iter().filter(|failed| failed.is_a_surprise()) {
            refused.remove(failed.op.service());
        }
        for op in ops.iter().filter(|op| !refused.contains_key(op.service())) {
            self.0.remove(op.service());
        }
        for (key, failed) in refused {
            let times = self.0.get(key).map_or(0, |refused| refused.times);
            let pause = FIRST.saturating_mul(1 << times.min(16)).min(LAST);
            let wanted = wish(desired, key).cloned();
            let refused = Refused { until: now + pause, times: times + 1, wanted, failed };
            self.0.insert(key.clone(), refused);
        }
    }

    /// What was refused and is not tried now, for who asks.
    pub(super) fn failed(&self) -> impl Iterator<Item = &Failed> {
        self.0.values().flat_map(|refused| &refused.failed)
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.values().map(|refused| refused.until).min()
    }
}

impl Refused {
    fn only_waits(&self) -> bool {
        self.failed.iter().all(|failed| matches!(failed.error, OpError::Later(_)))
    }
}

fn wish<'a>(desired: &'a Desired, key: &ServiceKey) -> Option<&'a Service> {
    desired.services.get(key).map(|wanted| &wanted.service)
}

impl Failed {
    fn is_refused(&self) -> bool {
        matches!(self.error, OpError::Refused(_) | OpError::Later(_))
    }
}
