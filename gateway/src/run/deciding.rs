//! Access, kept: the decision table follows the registry, and live connections are looked at again when somebody's right to
//! be there may have changed.
//!
//! Changes are gathered for a moment before the workers look, since each look walks over all of their connections; a rule
//! that expires is a change that comes by itself.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use roundhouse_registry::Snapshot;
use roundhouse_registry::access::{Changed, Compiler};
use roundhouse_registry::record::Timestamp;

use crate::plane::Recheck;
use crate::shared::Shared;

/// Well within the second in which a right that is gone is to be felt.
const GATHER: Duration = Duration::from_millis(100);

/// A clock that is set meanwhile is noticed by then.
const FAR: Duration = Duration::from_secs(60);

pub(super) struct Deciding {
    shared: Arc<Shared>,
    compiler: Compiler,
    changed: Changed,
    /// When what was gathered is looked at,
    look: Option<Instant>,
    /// and up to when rules that expired were.
    seen: Timestamp,
}

impl Deciding {
    pub(super) fn new(shared: Arc<Shared>) -> Deciding {
        shared.access.host.look();
        Deciding {
            shared,
            compiler: Compiler::default(),
            changed: Changed::default(),
            look: None,
            seen: Timestamp::now(),
        }
    }

    /// Before anybody is led to what the snapshot has.
    pub(super) fn take(&mut self, snapshot: &Arc<Snapshot>) {
        let began = Instant::now();
        let changed = self.compiler.update(snapshot);
        self.shared.access.publish(self.compiler.table().clone());
        if changed.is_empty() {
            return;
        }
        let (jobs, addresses) = (changed.jobs.len(), changed.addresses.len());
        tracing::debug!(target: "access", jobs, addresses, revision = %snapshot.revision, took = ?began.elapsed(), "table");
        self.gather(changed);
    }

    /// Ready when there is something for [`Self::act`]; nothing is lost if it is not awaited to its end.
    pub(super) async fn due(&self) {
        let until = |at: Timestamp| {
            let at = UNIX_EPOCH + Duration::from_secs(at.seconds());
            at.duration_since(SystemTime::now()).unwrap_or_default().min(FAR)
        };
        let expiry = self.compiler.next_expiry(self.seen).map(|at| Instant::now() + until(at));
        match self.look.into_iter().chain(expiry).min() {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn act(&mut self) {
        let now = Timestamp::now();
        let expired = self.compiler.expired(self.seen, now);
        self.seen = now;
        if !expired.is_empty() {
            tracing::info!(target: "access", jobs = expired.jobs.len(), "rules have expired");
            self.changed.add(expired);
            self.look = Some(Instant::now());
        }
        if self.look.is_none_or(|look| look > Instant::now()) {
            return;
        }
        self.look = None;
        let changed = std::mem::take(&mut self.changed);
        let here = changed.addresses.iter().any(|address| self.shared.access.host.has(*address));
        self.shared.workers.recheck(Recheck { changed, here });
    }

    fn gather(&mut self, changed: Changed) {
        self.changed.add(changed);
        self.look.get_or_insert_with(|| Instant::now() + GATHER);
    }
}
