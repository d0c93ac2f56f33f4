//! The control plane: the one writer of the table.
//!
//! A new snapshot, a verdict or a refused connect comes in; the table that follows (or one job's endpoint set) is made
//! and swapped, then the catch, the checks and the VIP allocator are told what changed. Nothing here waits for the
//! network, and no change of one job walks over the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use roundhouse_config::Label;
use roundhouse_registry::Snapshot;
use roundhouse_registry::hold::Release;
use roundhouse_registry::probe::Verdict;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::catching::Catching;
use super::certificates::Keeper;
use super::deciding::Deciding;
use super::departures::Departing;
use super::entrypoints::{Entrypoints, Listed};
use super::places::Wishes;
use super::reload::Reload;
use super::vips::Allocator;
use crate::catch::Catch;
use crate::health::{Changed, Checker};
use crate::phase::Phase;
use crate::shared::Shared;
use crate::table::{Endpoint, Facts, JobEntry, Table};

/// What could not be caught is tried again: the app in the way may have gone.
const RETRY: Duration = Duration::from_secs(2);
/// Between two looks at files, and at what becomes of endpoints that left.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Control {
    shared: Arc<Shared>,
    facts: Facts,
    /// What the table was built from.
    snapshot: Arc<Snapshot>,
    catching: Catching,
    entrypoints: Entrypoints,
    checker: Checker,
    verdicts: mpsc::UnboundedReceiver<Changed>,
    failures: mpsc::UnboundedReceiver<Arc<Endpoint>>,
    allocator: Allocator,
    departing: Departing,
    deciding: Deciding,
    kept: Kept,
}

/// What is kept up to date with files.
pub(super) struct Kept {
    pub(super) certificates: Keeper,
    pub(super) reload: Reload,
}

impl Control {
    pub(super) fn new(
        shared: Arc<Shared>,
        facts: Facts,
        catch: Box<dyn Catch>,
        entrypoints: Entrypoints,
        kept: Kept,
        failures: mpsc::UnboundedReceiver<Arc<Endpoint>>,
    ) -> Control {
        let (events, verdicts) = mpsc::unbounded_channel();
        let allocator = Allocator::new(shared.clone());
        let departing = Departing::new(shared.workers.clone());
        let deciding = Deciding::new(shared.clone());
        let catching = Catching::new(shared.clone(), catch);
        let snapshot = Arc::default();
        Control {
            shared,
            facts,
            snapshot,
            catching,
            entrypoints,
            checker: Checker::new(events),
            verdicts,
            failures,
            allocator,
            departing,
            deciding,
            kept,
        }
    }

    /// The first table: its instances are believed until their first probe, a restart must not black out everybody.
    pub(super) fn first(&mut self, snapshot: &Arc<Snapshot>) {
        self.take(snapshot.clone());
        self.listen();
        self.facts.newcomer = Verdict::Unknown;
    }

    pub(super) async fn run(mut self) {
        let mut changes = self.shared.store.changes();
        // What came between the first table and this.
        changes.mark_changed();
        let mut phase = self.shared.phase.clone();
        let mut retry = tokio::time::interval(RETRY);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reread = self.shared.reread.clone();
        loop {
            tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => {
                        changes.mark_unchanged();
                        self.take(self.shared.store.load());
                    }
                    Err(_) => break,
                },
                Some(changed) = self.verdicts.recv() => self.judge(changed),
                Some(endpoint) = self.failures.recv() => self.judge(Changed {
                    endpoint,
                    verdict: Verdict::Unhealthy,
                    reason: "refused a connection".into(),
                }),
                Some(happened) = self.departing.next() => {
                    self.departing.take(happened, &self.shared.table.load());
                }
                () = self.deciding.due() => self.deciding.act(),
                () = reread.notified() => self.reread(),
                _ = look.tick() => {
                    self.shared.access.host.look();
                    self.departing.look();
                    self.kept.certificates.look();
                    if self.kept.reload.look() {
                        self.configured();
                    } else if self.entrypoints.look() {
                        self.listen();
                    }
                }
                _ = retry.tick() => {
                    self.look_at_places();
                    if self.shared.entrypoints.load().iter().any(|one| one.reason().is_some()) {
                        self.listen();
                    }
                    self.allocator.allocate(&self.snapshot);
                }
                _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
            }
        }
        self.catching.stop();
        self.entrypoints.stop();
    }

    fn reread(&mut self) {
        if self.kept.reload.asked() {
            self.configured();
        }
    }

    fn configured(&mut self) {
        self.kept.certificates.configured();
        self.listen();
    }

    /// The wanted entrypoints listen; what is our own is known to whoever registers, and to every table.
    fn listen(&mut self) {
        let file = self.shared.file_entrypoints.load_full();
        let records = self.snapshot.entrypoints.iter().map(|(name, record)| (name, &record.value));
        let listed = self.entrypoints.reconcile(&file, records);
        let before = self.shared.entrypoints.load_full();
        if *before == listed {
            return;
        }
        for one in listed.iter().filter(|one| !before.contains(one)) {
            let Some(reason) = one.reason() else { continue };
            let serving_former = one.state.is_ok();
            tracing::error!(entrypoint = %one.name, %reason, serving_former, "entrypoint refused");
        }
        let addresses = listed.iter().filter_map(|one| {
            let address = one.state.as_ref().ok()?;
            Some((*address, format!("entrypoint `{}`", one.name)))
        });
        let own = self.facts.own.with_entrypoints(addresses.collect());
        self.shared.https_port.store(Listed::https_port(&listed).unwrap_or(0), Relaxed);
        self.shared.entrypoints.store(Arc::new(listed));
        self.shared.relisted.notify_one();
        self.shared.own.store(Arc::new(own.clone()));
        self.facts.own = own;
        let table = self.shared.table.load_full();
        let refreshed = |job: &Arc<JobEntry>| {
            table.refresh_job(&self.facts, &self.snapshot, &job.label, &mut random_start)
        };
        let former: Vec<_> = table.jobs().filter_map(refreshed).collect();
        self.departing.changed(&former, &table);
    }

    fn take(&mut self, snapshot: Arc<Snapshot>) {
        let old = std::mem::replace(&mut self.snapshot, snapshot);
        if !old.entrypoints.ptr_eq(&self.snapshot.entrypoints) {
            self.listen();
        }
        self.kept.certificates.take(&self.snapshot.certs);
        self.deciding.take(&self.snapshot);
        let before = self.shared.table.load_full();
        let (table, delta, former) = before.updated(&self.facts, &old, &self.snapshot, &mut random_start);
        let table = Arc::new(table);
        self.shared.table.store(table.clone());
        let Some(delta) = delta else { return };
        self.departing.changed(&former, &table);
        for label in &delta.jobs | &delta.instances {
            self.checker.reconcile_job(&table, &label);
        }
        if !delta.jobs.is_empty() {
            let (before, now) =
                (wishes(&self.shared, &before, &old), wishes(&self.shared, &table, &self.snapshot));
            self.catching.follow(&delta.jobs, before, now);
            self.allocator.changed(&delta.jobs, &self.snapshot);
        }
        for label in &delta.instances {
            self.release_failed(&table, label);
        }
    }

    /// What could not be caught may be free by now.
    fn look_at_places(&mut self) {
        let table = self.shared.table.load_full();
        self.catching.look(wishes(&self.shared, &table, &self.snapshot));
    }

    /// A verdict changed: the job's turn order is made anew.
    fn judge(&mut self, first: Changed) {
        let table = self.shared.table.load_full();
        let mut failed = Vec::new();
        let mut labels: BTreeSet<Label> = BTreeSet::new();
        let more = std::iter::from_fn(|| self.verdicts.try_recv().ok());
        for Changed { endpoint, verdict, reason } in std::iter::once(first).chain(more) {
            let (job, address) = (&endpoint.job, endpoint.address);
            tracing::info!(%job, instance = %endpoint.id, %address, ?verdict, %reason, "health");
            labels.insert(job.clone());
            if verdict == Verdict::Unhealthy
                && table.job(job.as_str()).is_some_and(|job| job.closes_unhealthy())
            {
                failed.push(endpoint);
            }
        }
        self.departing.failed(failed);
        for label in labels {
            table.refresh_job(&self.facts, &self.snapshot, &label, &mut random_start);
            self.release_failed(&table, &label);
        }
    }

    /// Ends the holds of instances at none of whose ports anybody answers: the registry was right about them.
    fn release_failed(&self, table: &Table, label: &Label) {
        let Some(held) = self.snapshot.held.get(label) else { return };
        let Some(job) = table.job(label.as_str()) else { return };
        for id in held.keys().copied() {
            let mut ports = job.ports.iter().filter_map(|port| port.endpoints().find(id).cloned()).peekable();
            let failed =
                |endpoint: Arc<Endpoint>| endpoint.held && endpoint.live.verdict() == Verdict::Unhealthy;
            if ports.peek().is_some() && ports.all(failed) {
                let (holds, which) = (self.shared.holds.clone(), Release::Failed(label.clone(), id));
                tokio::spawn(async move { holds.release(which).await });
            }
        }
    }
}

fn wishes<'a>(shared: &'a Shared, table: &'a Table, snapshot: &'a Snapshot) -> Wishes<'a> {
    Wishes { table, snapshot, hubs: &shared.settings.names.hub_addresses }
}

fn random_start() -> usize {
    rand::random_range(0..1 << 20)
}
