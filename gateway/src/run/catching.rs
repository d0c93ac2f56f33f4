//! Tells the catch what is wanted, and everybody what is not caught.
//!
//! A change is told as what changed: with 10,000 jobs one more costs a socket, not a walk over all of them. The look every
//! few seconds is at the whole, so that whatever was missed is made good.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use roundhouse_config::Label;

use super::places::{Change, Places, Wishes};
use crate::catch::{Catch, NotCaught};
use crate::shared::Shared;

pub(super) struct Catching {
    shared: Arc<Shared>,
    catch: Box<dyn Catch>,
}

impl Catching {
    pub(super) fn new(shared: Arc<Shared>, catch: Box<dyn Catch>) -> Catching {
        Catching { shared, catch }
    }

    /// These jobs changed from what is wanted `before` to what is wanted `now`.
    pub(super) fn follow(&mut self, jobs: &BTreeSet<Label>, before: Wishes<'_>, now: Wishes<'_>) {
        let change = Change::of(jobs, before, now);
        let failed = self.catch.change(&change.gone, &change.now.wanted);
        let known = self.shared.not_caught.load();
        let others = known.iter().filter(|one| !change.is_about(one)).cloned();
        self.tell(others.chain(change.now.lacking.iter().cloned()).chain(failed).collect());
    }

    /// The whole again, if that may lead to anything.
    pub(super) fn look(&mut self, now: Wishes<'_>) {
        if !self.catch.is_looked_after() && self.shared.not_caught.load().is_empty() {
            return;
        }
        let Places { wanted, lacking } = now.all();
        let failed = self.catch.reconcile(&wanted);
        self.tell(lacking.into_iter().chain(failed).collect());
    }

    pub(super) fn stop(&mut self) {
        self.catch.stop();
    }

    fn tell(&self, mut not_caught: Vec<NotCaught>) {
        let before = self.shared.not_caught.load_full();
        let order = |one: &NotCaught| (one.job.clone(), one.port.clone(), one.address, one.transport);
        not_caught.sort_by_cached_key(order);
        if *before == not_caught {
            return;
        }
        let key = |one: &NotCaught| (one.address, one.transport, one.job.clone());
        let addresses = |list: &[NotCaught]| list.iter().map(key).collect::<HashSet<_>>();
        let (known, now) = (addresses(&before), addresses(&not_caught));
        for NotCaught { job, port, address, reason, .. } in
            not_caught.iter().filter(|one| !known.contains(&key(one)))
        {
            tracing::error!(%job, %port, %address, %reason, "job port not reachable at its VIP");
        }
        for NotCaught { job, port, address, .. } in before.iter().filter(|one| !now.contains(&key(one))) {
            tracing::info!(%job, %port, %address, "job port reachable");
        }
        self.shared.not_caught.store(Arc::new(not_caught));
    }
}
