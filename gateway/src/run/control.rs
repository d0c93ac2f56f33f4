//! The control plane: the one writer of the table.
//!
//! A new snapshot, a verdict or a refused connect comes in; the table (or one job's endpoint set) is rebuilt and
//! swapped, then the catch, the checks and the VIP allocator are told. Nothing here waits for the network.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use roundhouse_config::{Label, Protocol};
use roundhouse_registry::Snapshot;
use roundhouse_registry::hold::Release;
use roundhouse_registry::probe::Verdict;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::certificates::Keeper;
use super::departures::Departing;
use super::entrypoints::{Entrypoints, Listed};
use super::reload::Reload;
use super::vips::Allocator;
use crate::catch::{Catch, JobPort, NotCaught, Place, Transport, Wanted};
use crate::health::{Changed, Checker};
use crate::phase::Phase;
use crate::shared::Shared;
use crate::table::{Conflict, Endpoint, Facts, JobEntry, Table, vip_address};
use crate::worker::Site;

/// What could not be caught is tried again: the app in the way may have gone.
const RETRY: Duration = Duration::from_secs(2);
/// Between two looks at files, and at what becomes of endpoints that left.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Control {
    shared: Arc<Shared>,
    facts: Facts,
    /// What the table was built from.
    snapshot: Arc<Snapshot>,
    catch: Box<dyn Catch>,
    entrypoints: Entrypoints,
    checker: Checker,
    verdicts: mpsc::UnboundedReceiver<Changed>,
    failures: mpsc::UnboundedReceiver<Arc<Endpoint>>,
    allocator: Allocator,
    departing: Departing,
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
        let snapshot = Arc::default();
        Control {
            shared,
            facts,
            snapshot,
            catch,
            entrypoints,
            checker: Checker::new(events),
            verdicts,
            failures,
            allocator,
            departing,
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
                Some(answered) = self.departing.next() => self.departing.answered(answered),
                () = reread.notified() => self.reread(),
                _ = look.tick() => {
                    self.departing.look();
                    self.kept.certificates.look();
                    if self.kept.reload.look() {
                        self.configured();
                    } else if self.entrypoints.look() {
                        self.listen();
                    }
                }
                _ = retry.tick() => {
                    if self.catch.is_looked_after() || !self.shared.not_caught.load().is_empty() {
                        self.catch();
                    }
                    if self.shared.entrypoints.load().iter().any(|one| one.reason().is_some()) {
                        self.listen();
                    }
                    self.allocator.allocate(&self.snapshot);
                }
                _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
            }
        }
        self.catch.stop();
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
        let table = self.shared.table.load_full();
        let (table, delta, former) = table.updated(&self.facts, &old, &self.snapshot, &mut random_start);
        let table = Arc::new(table);
        self.shared.table.store(table.clone());
        let Some(delta) = delta else { return };
        self.departing.changed(&former, &table);
        if delta.names {
            self.checker.reconcile(&table);
            self.catch();
            self.allocator.allocate(&self.snapshot);
        }
        for label in &delta.instances {
            self.checker.reconcile_job(&table, label);
            self.release_failed(&table, label);
        }
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

    fn catch(&mut self) {
        let table = self.shared.table.load_full();
        let mut not_caught = self.outside_prefix(&table);
        let (wanted, conflicts) = wanted(&table, &self.shared.settings.names.hub_addresses);
        not_caught.extend(conflicts);
        not_caught.extend(self.catch.reconcile(&wanted));
        let before = self.shared.not_caught.load_full();
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
        if *before != not_caught {
            self.shared.not_caught.store(Arc::new(not_caught));
        }
    }

    /// Jobs whose offset another gateway's larger prefix allows and ours does not.
    fn outside_prefix(&self, table: &Table) -> Vec<NotCaught> {
        let mut outside = Vec::new();
        if self.facts.hub {
            return outside;
        }
        for (label, vip) in &self.snapshot.vips {
            let Some(job) = table.job(label.as_str()) else { continue };
            if vip_address(table.vips, vip.value.offset).is_some() {
                continue;
            }
            for port in &job.ports {
                outside.push(NotCaught {
                    job: label.clone(),
                    port: port.name().clone(),
                    address: SocketAddr::new(table.vips.network(), port.port.port),
                    transport: place(SocketAddr::new(table.vips.network(), 0), port.port.protocol).transport,
                    reason: format!(
                        "its VIP offset {} lies outside this gateway's names.vips {}; choose a prefix as large \
                         as the other gateways'",
                        vip.value.offset, table.vips
                    ),
                });
            }
        }
        outside
    }
}

/// Every place that is to be caught, and the job ports that cannot be.
fn wanted(table: &Table, hubs: &[IpAddr]) -> (Wanted, Vec<NotCaught>) {
    if hubs.is_empty() { (at_vips(table), Vec::new()) } else { at_hubs(table, hubs) }
}

fn at_vips(table: &Table) -> Wanted {
    let mut wanted = Wanted::new();
    for job in table.jobs() {
        let Some(vip) = job.vip else { continue };
        for port in &job.ports {
            let address = SocketAddr::new(vip, port.port.port);
            let job_port = JobPort { job: job.label.clone(), port: port.name().clone() };
            wanted.insert(place(address, port.port.protocol), (job_port, Site::Vip(address)));
        }
    }
    wanted
}

/// A hub's own addresses have one port of each number, which belongs to one job, or is shared by Host or SNI.
fn at_hubs(table: &Table, hubs: &[IpAddr]) -> (Wanted, Vec<NotCaught>) {
    let mut wanted = Wanted::new();
    for job in table.jobs() {
        for port in &job.ports {
            let job_port = JobPort { job: job.label.clone(), port: port.name().clone() };
            let taken = |conflict: &&Conflict| conflict.job == job.label && conflict.port == *port.name();
            if table.hub().conflicts().iter().any(|conflict| taken(&conflict)) {
                continue;
            }
            for hub in hubs {
                let address = SocketAddr::new(*hub, port.port.port);
                let at = place(address, port.port.protocol);
                wanted.entry(at).or_insert_with(|| (job_port.clone(), Site::Hub(address)));
            }
        }
    }
    let conflicts = table.hub().conflicts().iter().map(|conflict| NotCaught {
        job: conflict.job.clone(),
        port: conflict.port.clone(),
        address: SocketAddr::new(hubs[0], conflict.number),
        transport: if conflict.udp { Transport::Udp } else { Transport::Tcp },
        reason: format!(
            "port {} of the hub belongs to job `{}`, which speaks {} there and is the older one; give this job \
             another port, or an entrypoint",
            conflict.number, conflict.owner, conflict.spoken
        ),
    });
    let conflicts = conflicts.collect();
    (wanted, conflicts)
}

fn place(address: SocketAddr, protocol: Protocol) -> Place {
    let transport = if protocol == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
    Place { address, transport }
}

fn random_start() -> usize {
    rand::random_range(0..1 << 20)
}
