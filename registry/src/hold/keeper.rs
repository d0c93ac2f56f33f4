//! Decides what is held and what no longer is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roundhouse_config::{Label, Protocol};

use super::window::{Who, Window};
use super::{Away, Now, Policy, retain};
use crate::apply::versioned;
use crate::kv::{Batch, Change, Entry, Revision};
use crate::record::{Held, Instance, InstanceId, Job, Key, State, read};
use crate::snapshot::{Snapshot, Versioned};

/// Which holds a person, or a failed check, ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    All,
    Job(Label),
    Instance(Label, InstanceId),
    /// Its check fails here. For everybody only if this gateway's hold it is, or its gateway is gone: another one's way to
    /// the instance may be better than ours.
    Failed(Label, InstanceId),
    /// A record other than an instance, kept from another history.
    Record(String),
}

impl Release {
    fn wants(&self, job: &Label, id: InstanceId) -> bool {
        match self {
            Release::All => true,
            Release::Job(label) => label == job,
            Release::Instance(label, one) | Release::Failed(label, one) => label == job && *one == id,
            Release::Record(_) => false,
        }
    }
}

/// A hold that was ended here. Its record may still come: the write of it may be on its way.
struct Released {
    recorded: bool,
    /// Else it is only not served here.
    delete: bool,
    since: Instant,
}

impl Released {
    /// Calls end within a few seconds, and only one is on its way at a time.
    fn is_on_its_way(&self, now: Now) -> bool {
        const ON_ITS_WAY: Duration = Duration::from_secs(10);
        !self.recorded && now.monotonic.saturating_duration_since(self.since) < ON_ITS_WAY
    }
}

/// A hold that is to be recorded.
pub(super) type New = (Label, InstanceId, Arc<Versioned<Held>>);

/// What the registry's records lack of the decisions made here.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    pub(super) put: Vec<New>,
    pub(super) delete: Vec<Who>,
}

/// The follower's memory of departures and of its own decisions.
pub struct Keeper {
    policy: Policy,
    /// Who decides, for the records: the gateway's id.
    by: Box<str>,
    /// Whether somebody probes what is held and ends the hold when the check fails.
    probes: bool,
    window: Window,
    /// Jobs whose losses may weigh otherwise than at the last decision: one went, or the job's record changed.
    unweighed: BTreeSet<Label>,
    /// Held here and not yet in the registry.
    local: BTreeSet<Who>,
    /// Released here; the registry may still have the record.
    released: BTreeMap<Who, Released>,
    /// How many were held since nothing was.
    episode: usize,
    decided: u64,
}

impl Keeper {
    pub fn new(policy: Policy, by: impl Into<Box<str>>, probes: bool) -> Keeper {
        Keeper {
            policy,
            by: by.into(),
            probes,
            window: Window::default(),
            unweighed: BTreeSet::new(),
            local: BTreeSet::new(),
            released: BTreeMap::new(),
            episode: 0,
            decided: 0,
        }
    }

    /// Takes over what an earlier run of this program decided and could not record.
    pub fn resume(&mut self, saved: &Snapshot) {
        let local = all_held(saved).filter(|(.., held)| is_local(held));
        self.local.extend(local.map(|(job, id, _)| (job.clone(), *id)));
    }

    /// How many holds were ever decided here.
    pub fn decided(&self) -> u64 {
        self.decided
    }

    /// Looks at a batch before it is applied: who leaves, and how.
    pub fn observe(&mut self, before: &Snapshot, batch: &Batch, now: Now) {
        // A farewell may stand in the same batch as the departure.
        let mut puts: HashMap<&str, &Entry> = HashMap::new();
        for change in &batch.changes {
            if !["instances/", "held/", "jobs/"].iter().any(|kind| change.key().starts_with(kind)) {
                continue;
            }
            match (Key::parse(change.key()), change) {
                (Ok(Key::Job(job)), _) => drop(self.unweighed.insert(job)),
                (Ok(Key::Instance(job, id)), Change::Put(entry)) => {
                    self.window.remove(&(job, id));
                    puts.insert(&entry.key, entry);
                }
                (Ok(Key::Instance(job, id)), Change::Delete { key, .. }) => {
                    self.unweighed.insert(job.clone());
                    let record = match puts.remove(key.as_str()) {
                        Some(entry) => {
                            read::<Instance>(&entry.value).ok().map(|value| versioned(value, entry))
                        }
                        None => before.instance(&job, id).cloned(),
                    };
                    if let Some(record) = record {
                        self.depart(before, (job, id), record, now);
                    }
                }
                // Another gateway has judged of it, one way or the other.
                (Ok(Key::Held(job, id)), Change::Put(_)) => self.window.decided(&(job, id)),
                (Ok(Key::Held(job, id)), Change::Delete { .. }) => {
                    // Whoever deleted it: there is nothing left to be written.
                    let who = (job, id);
                    self.window.decided(&who);
                    self.released.remove(&who);
                }
                _ => {}
            }
        }
    }

    /// After batches were applied: what went is held if it is too much.
    pub fn decide(&mut self, next: &mut Snapshot, now: Now) {
        self.settle(next);
        let unweighed = std::mem::take(&mut self.unweighed);
        if !self.window.waits() {
            return;
        }
        let live = next.instance_count();
        self.window.forget(self.policy.window(live), now.monotonic);
        let of_all = self.policy.is_mass(self.window.len(), live);
        // After a mass crash ten thousand wait: only those are looked at whose case may have changed.
        let jobs: Vec<&Label> =
            if of_all { self.window.jobs().collect() } else { unweighed.iter().collect() };
        let mut losses = Vec::new();
        for job in jobs {
            if let Some(reason) = self.loss(next, job, of_all, live) {
                let waiting = self.window.waiting_of(job);
                losses.extend(
                    waiting.map(|(who, departure)| (who, departure.record.value.clone(), reason.clone())),
                );
            }
        }
        for (who, instance, reason) in losses {
            self.window.decided(&who);
            self.hold(next, who, instance, reason, now);
        }
    }

    /// A listing took the place of a stream that broke: what is missing departed while nobody looked, and what was held
    /// here stays held.
    pub fn relisted(&mut self, old: &Snapshot, fresh: &mut Snapshot, away: Away, now: Now) {
        for (job, id) in &self.local {
            if let Some(held) = held(old, job, *id)
                && held_or_live(fresh, job, *id).is_none()
            {
                insert(fresh, job, *id, held.clone());
            }
        }
        fresh.shut_as(old);
        self.released
            .retain(|(job, id), released| held(fresh, job, *id).is_some() || released.is_on_its_way(now));
        retain::carry(old, fresh);
        let missing = || old.all_instances().filter(|(job, id, _)| held_or_live(fresh, job, **id).is_none());
        let same_history = retain::is_same_history(old, fresh, away);
        if same_history && away.time < self.policy.deadline {
            let missing: Vec<_> =
                missing().map(|(job, id, record)| (job.clone(), *id, record.clone())).collect();
            for (job, id, record) in missing {
                self.depart(old, (job, id), record, now);
            }
        } else if !same_history {
            let reason = another_history(old.revision, fresh.revision);
            tracing::error!(reason, "what it does not have is kept");
            // A file that old says what was, not what is lost; but what guards doors has no deadline.
            let in_time = !(away.from_disk && away.time >= self.policy.deadline);
            let missing: Vec<_> = missing()
                .filter(|(job, _, record)| in_time && !is_clean(record) && may_hold(old, job))
                .map(|(job, id, record)| ((job.clone(), *id), record.value.clone()))
                .collect();
            let until = now.wall + self.policy.deadline;
            retain::retain(old, fresh, |key| in_time || retain::guards_doors(key), &reason, now.wall, until);
            for (who, instance) in missing {
                self.hold(fresh, who, instance, reason.clone(), now);
            }
        }
        // Any job's record may be another one.
        self.unweighed.extend(self.window.jobs().cloned());
        self.decide(fresh, now);
    }

    /// Once a second: ends the holds whose time is over. Whether the snapshot changed.
    pub(crate) fn tick(&mut self, snapshot: &mut Snapshot, now: Now) -> bool {
        if self.window.len() > 0 {
            self.window.forget(self.policy.window(snapshot.instance_count()), now.monotonic);
        }
        self.released.retain(|_, released| released.recorded || released.is_on_its_way(now));
        if snapshot.held.is_empty() && snapshot.retained.is_empty() {
            self.episode = 0;
            return false;
        }
        let over = self.over(snapshot, now);
        let ended = !over.is_empty();
        for (who, why) in over {
            tracing::info!(job = %who.0, instance = %who.1, why, "no longer held");
            self.end(snapshot, who, true, now);
        }
        retain::expire(snapshot, now.wall) || ended
    }

    /// What the registry's records lack, if it is anything.
    pub(crate) fn unwritten(&self, snapshot: &Snapshot) -> Option<Unwritten> {
        if self.local.is_empty() && self.released.is_empty() {
            return None;
        }
        let new = |(job, id): &Who| Some((job.clone(), *id, held(snapshot, job, *id)?.clone()));
        let delete = self.released.iter().filter(|(_, released)| released.delete);
        let delete = delete.map(|(who, _)| who.clone()).collect();
        Some(Unwritten { put: self.local.iter().filter_map(new).collect(), delete })
    }

    /// Ends holds at once. Answers how many.
    pub fn release(&mut self, snapshot: &mut Snapshot, which: &Release, now: Now) -> usize {
        let wanted: Vec<Who> = all_held(snapshot)
            .filter(|(job, id, _)| which.wants(job, **id))
            .map(|(job, id, _)| (job.clone(), *id))
            .collect();
        let instances = wanted.len();
        for who in wanted {
            let delete = !matches!(which, Release::Failed(..)) || self.decides(snapshot, &who);
            self.end(snapshot, who, delete, now);
        }
        instances
            + match which {
                Release::All => retain::release(snapshot, None),
                Release::Record(key) => retain::release(snapshot, Some(key)),
                Release::Job(_) | Release::Instance(..) | Release::Failed(..) => 0,
            }
    }

    fn depart(&mut self, before: &Snapshot, who: Who, record: Arc<Versioned<Instance>>, now: Now) {
        if is_clean(&record) || !may_hold(before, &who.0) {
            self.window.remove(&who);
        } else {
            self.window.add(who, record, now.monotonic);
        }
    }

    /// The records follow the decisions: what is recorded is no longer local, what lives is not held, and what was
    /// released is not held either, for as long as its record stands.
    fn settle(&mut self, next: &mut Snapshot) {
        self.local.retain(|(job, id)| {
            let own = held(next, job, *id).is_some_and(|held| is_local(held));
            if own && next.instance(job, *id).is_some() {
                remove(next, job, *id);
                return false;
            }
            own
        });
        for ((job, id), released) in &mut self.released {
            released.recorded |= remove(next, job, *id);
        }
    }

    /// Why this job's departures are too much, if they are.
    fn loss(&self, next: &Snapshot, job: &Label, of_all: bool, live: usize) -> Option<String> {
        if self.policy.share >= 1.0 {
            return None;
        }
        let departed = self.window.of_job(job);
        let live_of_job = next.instances.get(job).map_or(0, imbl::OrdMap::len);
        let seconds = self.policy.window(live).as_secs();
        let sentence = |departed: usize, live: usize, of: &str| {
            format!("{departed} of {} {of} went within {seconds} s without a farewell", departed + live)
        };
        if self.policy.is_mass(departed, live_of_job) {
            Some(sentence(departed, live_of_job, "instances of the job"))
        } else if of_all {
            Some(sentence(self.window.len(), live, "instances"))
        } else if live_of_job == 0 && next.jobs.get(job).is_some_and(|job| is_vouched_for(&job.value)) {
            // A check can tell a dead instance from a forgotten one, so even the only one is not given up unasked.
            Some(sentence(departed, 0, "instances of the job"))
        } else {
            None
        }
    }

    fn hold(&mut self, next: &mut Snapshot, who: Who, instance: Instance, reason: String, now: Now) {
        if held_or_live(next, &who.0, who.1).is_some() {
            return;
        }
        let vouched = next.jobs.get(&who.0).is_some_and(|job| is_vouched_for(&job.value));
        let until = (!vouched).then(|| now.wall + self.policy.deadline);
        tracing::warn!(job = %who.0, instance = %who.1, reason, "held");
        let value = Held { instance, since: now.wall, until, reason: reason.into(), by: self.by.clone() };
        let record = Versioned { value, created: Revision(0), modified: Revision(0), lease: None };
        insert(next, &who.0, who.1, Arc::new(record));
        self.released.remove(&who);
        self.local.insert(who);
        self.episode += 1;
        self.decided += 1;
    }

    /// Whether this gateway's word ends the hold for everybody.
    fn decides(&self, snapshot: &Snapshot, (job, id): &Who) -> bool {
        held(snapshot, job, *id)
            .is_none_or(|held| held.value.by == self.by || !snapshot.gateways.contains_key(&*held.value.by))
    }

    /// `delete`: its record too, if it has one.
    fn end(&mut self, snapshot: &mut Snapshot, who: Who, delete: bool, now: Now) {
        let Some(ended) = held(snapshot, &who.0, who.1).cloned() else { return };
        remove(snapshot, &who.0, who.1);
        let own = self.local.remove(&who);
        // One of another program that is not recorded is that program's to end.
        if own || !is_local(&ended) {
            let recorded = !is_local(&ended);
            self.released.insert(who, Released { recorded, delete, since: now.monotonic });
        }
    }

    fn over(&self, snapshot: &Snapshot, now: Now) -> Vec<(Who, &'static str)> {
        let steady = self.is_steady(snapshot);
        let mut owners = None;
        let mut over = Vec::new();
        for (job, id, held) in all_held(snapshot) {
            let vouched = snapshot.jobs.get(job).is_some_and(|job| is_vouched_for(&job.value));
            let deadline = match held.value.until {
                Some(until) => Some(until),
                // While a check passes; whether one does is for those to say who probe.
                None if self.probes && vouched => None,
                None if !self.probes && !is_local(held) => None,
                None => Some(held.value.since + self.policy.deadline),
            };
            let owners = owners.get_or_insert_with(|| addresses(snapshot));
            let why = if snapshot.instance(job, *id).is_some() {
                "it registered again"
            } else if held.value.instance.socket_addrs().any(|address| owners.contains(&address)) {
                "its address has a new owner"
            } else if deadline.is_some_and(|deadline| now.wall >= deadline) {
                "its deadline passed"
            } else if steady && !(vouched && self.probes) && (self.probes || is_local(held)) {
                "the registry is steady and it did not come back"
            } else {
                continue;
            };
            over.push(((job.clone(), *id), why));
        }
        over
    }

    /// A window without a loss, and most of what was lost is back: the registry works, and those who did not come back
    /// are gone.
    fn is_steady(&self, snapshot: &Snapshot) -> bool {
        let held = snapshot.held_count();
        self.window.len() == 0
            && snapshot.retained.is_empty()
            && self.episode >= self.policy.least
            && (held as f64) <= self.policy.share * self.episode as f64
    }
}

/// A registrar that leaves, and a DELETE by the API, write their state first.
fn is_clean(record: &Versioned<Instance>) -> bool {
    matches!(record.value.state, State::Draining | State::Down)
}

fn may_hold(snapshot: &Snapshot, job: &Label) -> bool {
    snapshot.jobs.get(job).is_none_or(|job| job.value.hold)
}

/// Whether a check tells the living from the dead. A TCP probe says nothing of a UDP port.
fn is_vouched_for(job: &Job) -> bool {
    job.check.is_some() && job.ports.iter().any(|port| port.protocol != Protocol::Udp)
}

fn is_local(held: &Versioned<Held>) -> bool {
    held.modified == Revision(0)
}

fn another_history(old: Revision, fresh: Revision) -> String {
    format!(
        "the registry came back with another history (revision {fresh}; it was {old}): its data was wiped, or an older \
         state restored"
    )
}

fn held<'a>(snapshot: &'a Snapshot, job: &Label, id: InstanceId) -> Option<&'a Arc<Versioned<Held>>> {
    snapshot.held.get(job)?.get(&id)
}

fn held_or_live(snapshot: &Snapshot, job: &Label, id: InstanceId) -> Option<()> {
    (held(snapshot, job, id).is_some() || snapshot.instance(job, id).is_some()).then_some(())
}

fn all_held(snapshot: &Snapshot) -> impl Iterator<Item = (&Label, &InstanceId, &Arc<Versioned<Held>>)> {
    snapshot.held.iter().flat_map(|(job, held)| held.iter().map(move |(id, held)| (job, id, held)))
}

fn insert(snapshot: &mut Snapshot, job: &Label, id: InstanceId, held: Arc<Versioned<Held>>) {
    snapshot.held.entry(job.clone()).or_default().insert(id, held);
}

/// Whether it was there.
fn remove(snapshot: &mut Snapshot, job: &Label, id: InstanceId) -> bool {
    let Some(held) = snapshot.held.get_mut(job) else { return false };
    let was = held.remove(&id).is_some();
    if held.is_empty() {
        snapshot.held.remove(job);
    }
    was
}

fn addresses(snapshot: &Snapshot) -> HashSet<SocketAddr> {
    snapshot.all_instances().flat_map(|(_, _, record)| record.value.socket_addrs()).collect()
}
