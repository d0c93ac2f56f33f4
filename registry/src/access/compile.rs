//! From snapshots to tables. One writer keeps a [`Compiler`] and brings it along from snapshot to snapshot; it costs what
//! differs between them.
//!
//! ```text
//! rules  ─► groups, by what they are to ──┐
//! guards ─► by what they cover ───────────┼─► the policies of the jobs that they are about ─┐
//! jobs ───────────────────────────────────┘                                                 ├─► Table
//! instances, held ─► residents ─► places ───────────────────────────────────────────────────┘
//! ```

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use imbl::ordmap::DiffItem;
use roundhouse_config::{JobName, Label, Selector};
use smallvec::SmallVec;

use super::group::{Compiled, Group};
use super::place::{Place, Resident, Subject, are_the_same};
use super::policy::{Otherwise, Policy};
use super::table::{Address, Table};
use super::tags::{ByPattern, Interner, Pattern, Tags};
use crate::record::{DefaultAccess, Guard, InstanceId, Name, Rule, Target, Timestamp};
use crate::snapshot::{Records, Snapshot, Versioned};

/// Values that no record has any more are forgotten once they may be most of what is kept, and more than this.
const MAY_BE_FORGOTTEN: usize = 1 << 16;

#[derive(Default)]
pub struct Compiler {
    interner: Interner,
    /// How many values there were when all were of records.
    interned: usize,
    subjects: HashMap<Label, Arc<Subject>, RandomState>,
    /// The rules to one job by its label, and to JOBNAMEs.
    to_jobs: HashMap<Label, Arc<Group>, RandomState>,
    to_names: ByPattern<Arc<Group>>,
    guards: Guards,
    expiries: BTreeSet<(Timestamp, Name)>,
    snapshot: Arc<Snapshot>,
    table: Arc<Table>,
}

/// Guards by what they cover.
#[derive(Default)]
struct Guards {
    subtrees: ByPattern<Selector>,
    jobs: HashMap<Label, Selector, RandomState>,
    names: HashMap<Arc<str>, Selector, RandomState>,
}

/// Of whom a decision may have become another one.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// Jobs that are asked for.
    pub jobs: HashSet<Label>,
    /// Peers.
    pub addresses: HashSet<IpAddr>,
}

impl Changed {
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.addresses.is_empty()
    }

    pub fn add(&mut self, more: Changed) {
        self.jobs.extend(more.jobs);
        self.addresses.extend(more.addresses);
    }
}

impl Compiler {
    /// The table of the snapshot that it was last brought to; at first it is of none, and has no job.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// When the first rule expires that has not by `now`: decisions are other ones from then on, without any change.
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let after = (now + std::time::Duration::from_secs(1), BEFORE_ALL.clone());
        self.expiries.range(after..).next().map(|(at, _)| *at)
    }

    /// The jobs that rules are about which expired after `since` and by `now`.
    pub fn expired(&self, since: Timestamp, now: Timestamp) -> Changed {
        let after = (since + std::time::Duration::from_secs(1), BEFORE_ALL.clone());
        let before = (now + std::time::Duration::from_secs(1), BEFORE_ALL.clone());
        if before <= after {
            return Changed::default();
        }
        let rules = self.expiries.range(after..before).filter_map(|(_, id)| self.snapshot.rules.get(id));
        let targets: Vec<&Target> = rules.map(|record| &record.value.to).collect();
        Changed { jobs: self.jobs_of(&targets), addresses: HashSet::new() }
    }

    /// Brings the table to the snapshot; of whom decisions may be other ones now.
    pub fn update(&mut self, snapshot: &Arc<Snapshot>) -> Changed {
        if self.interner.len() > 2 * self.interned + MAY_BE_FORGOTTEN {
            *self = Compiler::default();
        }
        let old = std::mem::replace(&mut self.snapshot, snapshot.clone());
        let mut table = Table { revision: snapshot.revision, ..Table::clone(&self.table) };
        let mut changed = Changed::default();
        let jobs = changed_keys(&old.jobs, &snapshot.jobs);
        let targets = self.follow_rules(&old, snapshot);
        let mut affected = self.jobs_of(&targets.iter().collect::<Vec<_>>());
        if !old.guards.ptr_eq(&snapshot.guards) && self.guards_differ(&old, snapshot) {
            // A guard covers any number of jobs, and there are as many guards as jobs.
            self.guards = Guards::of(&snapshot.guards, &mut self.interner);
            affected.extend(snapshot.jobs.keys().cloned());
        }
        let renamed = self.follow_subjects(&jobs, &old, snapshot);
        affected.extend(jobs);
        for job in affected {
            if self.follow_policy(&mut table, &job, snapshot) {
                changed.jobs.insert(job);
            }
        }
        self.follow_residents(&mut table, &old, snapshot, &renamed, &mut changed.addresses);
        if self.interned == 0 {
            self.interned = self.interner.len();
        }
        self.table = Arc::new(table);
        changed
    }

    /// What the rules that came, went or changed are to.
    fn follow_rules(&mut self, old: &Snapshot, new: &Snapshot) -> Vec<Target> {
        if old.rules.is_empty() {
            return self.take_rules(new);
        }
        let mut targets = Vec::new();
        for item in old.rules.diff(&new.rules) {
            let (before, now) = match item {
                DiffItem::Add(id, record) => (None, Some((id, record))),
                DiffItem::Remove(id, record) => (Some((id, record)), None),
                DiffItem::Update { old, new } => (Some(old), Some(new)),
            };
            if let Some((id, record)) = before {
                let rule = self.compiled(id, record);
                self.group(&rule.rule().to.clone(), |group| group.remove(&rule));
                targets.push(record.value.to.clone());
                if let Some(at) = record.value.expires {
                    self.expiries.remove(&(at, id.clone()));
                }
            }
            if let Some((id, record)) = now {
                let rule = self.compiled(id, record);
                self.group(&record.value.to, |group| group.insert(rule));
                targets.push(record.value.to.clone());
                self.note_expiry(id, record);
            }
        }
        targets
    }

    /// The same where there were none: by the group, as ten thousand may be of one.
    fn take_rules(&mut self, new: &Snapshot) -> Vec<Target> {
        let mut by_target: HashMap<Target, Vec<Arc<Compiled>>, RandomState> = HashMap::default();
        for (id, record) in &new.rules {
            let rule = self.compiled(id, record);
            by_target.entry(record.value.to.clone()).or_default().push(rule);
            self.note_expiry(id, record);
        }
        let targets = by_target.keys().cloned().collect();
        for (target, rules) in by_target {
            self.group(&target, |group| group.insert_all(rules));
        }
        targets
    }

    fn note_expiry(&mut self, id: &Name, record: &Versioned<Rule>) {
        if let Some(at) = record.value.expires {
            self.expiries.insert((at, id.clone()));
        }
    }

    fn compiled(&mut self, id: &Name, record: &Arc<Versioned<Rule>>) -> Arc<Compiled> {
        let subject = match record.value.from.jobname() {
            Some(selector) => self.interner.pattern(selector),
            None => Pattern::default(),
        };
        Arc::new(Compiled { id: id.clone(), record: record.clone(), subject })
    }

    /// Changes the group of a target, of which earlier tables keep their own.
    fn group(&mut self, target: &Target, change: impl FnOnce(&mut Group)) {
        match target {
            Target::Job(label) => {
                let group = self.to_jobs.entry(label.clone()).or_default();
                change(Arc::make_mut(group));
                if group.is_empty() {
                    self.to_jobs.remove(label);
                }
            }
            Target::JobName(selector) => {
                let pattern = self.interner.pattern(selector);
                let group = self.to_names.entry(&pattern, Arc::default);
                change(Arc::make_mut(group));
                if group.is_empty() {
                    self.to_names.remove(&pattern);
                }
            }
        }
    }

    /// The jobs that are there and that one of the targets names.
    fn jobs_of(&self, targets: &[&Target]) -> HashSet<Label> {
        let mut jobs = HashSet::new();
        let mut selectors: BTreeSet<&Selector> = BTreeSet::new();
        for target in targets {
            match target {
                Target::Job(label) => drop(jobs.insert(label.clone())),
                Target::JobName(selector) => drop(selectors.insert(selector)),
            }
        }
        jobs.retain(|label| self.snapshot.jobs.contains_key(label));
        if selectors.is_empty() {
            return jobs;
        }
        for (label, record) in &self.snapshot.jobs {
            if selectors.iter().any(|selector| selector.matches(&record.value.jobname)) {
                jobs.insert(label.clone());
            }
        }
        jobs
    }

    fn guards_differ(&self, old: &Snapshot, new: &Snapshot) -> bool {
        let same = |a: &Arc<Versioned<Guard>>, b: &Arc<Versioned<Guard>>| a.value.job == b.value.job;
        old.guards.len() != new.guards.len()
            || old.guards.iter().zip(&new.guards).any(|((a, x), (b, y))| a != b || !same(x, y))
    }

    /// Jobs whose JOBNAME is another one now.
    fn follow_subjects(&mut self, jobs: &BTreeSet<Label>, old: &Snapshot, new: &Snapshot) -> Vec<Label> {
        let name =
            |snapshot: &Snapshot, job: &Label| snapshot.jobs.get(job).map(|job| job.value.jobname.clone());
        let renamed = jobs.iter().filter(|job| name(old, job) != name(new, job));
        renamed.inspect(|job| drop(self.subjects.remove(*job))).cloned().collect()
    }

    fn subject(&mut self, job: &Label, snapshot: &Snapshot) -> Arc<Subject> {
        if let Some(subject) = self.subjects.get(job) {
            return subject.clone();
        }
        let record = snapshot.jobs.get(job);
        // An instance whose job cannot be read is still one, and of the name that it would have without a record.
        let jobname = record.map_or_else(|| JobName::implicit(job), |record| record.value.jobname.clone());
        let tags = self.interner.tags(&jobname);
        let subject = Arc::new(Subject { job: job.clone(), jobname, tags });
        self.subjects.insert(job.clone(), subject.clone());
        subject
    }

    /// Whether there is another policy for the job now.
    fn follow_policy(&mut self, table: &mut Table, job: &Label, snapshot: &Snapshot) -> bool {
        let Some(record) = snapshot.jobs.get(job) else {
            return table.policies.remove(job);
        };
        let jobname = &record.value.jobname;
        let tags = self.interner.tags(jobname);
        let groups: SmallVec<[Arc<Group>; 3]> =
            self.to_jobs.get(job).into_iter().chain(self.to_names.matching(Some(&tags))).cloned().collect();
        let otherwise = match self.guards.over(job, jobname, &tags) {
            Some(guard) => Otherwise::Guarded(guard.clone()),
            None if record.value.access == DefaultAccess::Deny => Otherwise::Deny,
            None => Otherwise::Allow,
        };
        let policy = Policy {
            job: job.clone(),
            jobname: jobname.clone(),
            otherwise,
            outage: record.value.outage.clone(),
            ports: record.value.ports.iter().map(|port| (port.name.clone(), port.port)).collect(),
            tries_guard: groups.iter().any(|group| group.rules().any(|rule| rule.is_dry_allow())),
            groups,
        };
        if table.policies.get(job).is_some_and(|former| former.is_the_same(&policy)) {
            return false;
        }
        table.policies.insert(job.clone(), Arc::new(policy));
        true
    }

    fn follow_residents(
        &mut self,
        table: &mut Table,
        old: &Snapshot,
        new: &Snapshot,
        renamed: &[Label],
        changed: &mut HashSet<IpAddr>,
    ) {
        let mut moves: HashMap<IpAddr, Moves, RandomState> = HashMap::default();
        let jobs = &changed_keys(&old.instances, &new.instances) | &changed_keys(&old.held, &new.held);
        for job in jobs.iter().chain(renamed.iter().filter(|job| !jobs.contains(*job))) {
            let subject = self.subject(job, new);
            for id in changed_ids(old, new, job, renamed.contains(job)) {
                if let Some(before) = resident(old, &subject, job, id) {
                    moves.entry(before.address()).or_default().gone.insert((job.clone(), id));
                }
                if let Some(now) = resident(new, &subject, job, id) {
                    moves.entry(now.address()).or_default().come.push(now);
                }
            }
            if !new.instances.contains_key(job) && !new.held.contains_key(job) {
                self.subjects.remove(job);
            }
        }
        for (address, Moves { gone, come }) in moves {
            let before = table.places.get(&Address::of(address)).cloned();
            let stays = before
                .iter()
                .flat_map(Place::all)
                .filter(|one| !gone.contains(&(one.subject.job.clone(), one.id)));
            let now = Place::new(&stays.cloned().chain(come).collect::<Vec<_>>());
            if !are_the_same(before.as_ref(), now.as_ref()) {
                changed.insert(address);
            }
            match now {
                Some(place) => table.places.insert(Address::of(address), place),
                None => drop(table.places.remove(&Address::of(address))),
            }
        }
    }
}

/// Before every name in a sorted set of moments and names: names begin with a letter or a digit.
#[allow(clippy::expect_used)]
static BEFORE_ALL: std::sync::LazyLock<Name> =
    std::sync::LazyLock::new(|| "0".parse().expect("`0` is a name"));

/// Who leaves an address, and who comes to it.
#[derive(Default)]
struct Moves {
    gone: HashSet<(Label, InstanceId)>,
    come: Vec<Resident>,
}

impl Guards {
    fn of(records: &Records<Selector, Guard>, interner: &mut Interner) -> Guards {
        let mut guards = Guards::default();
        for (selector, record) in records {
            match &record.value.job {
                None => guards.subtrees.insert(&interner.pattern(selector), selector.clone()),
                Some(job) => {
                    guards.jobs.insert(job.clone(), selector.clone());
                    guards.names.insert(selector.as_str().into(), selector.clone());
                }
            }
        }
        guards
    }

    fn over(&self, job: &Label, name: &JobName, tags: &Tags) -> Option<&Selector> {
        let alone = self.jobs.get(job).or_else(|| self.names.get(name.as_str()));
        alone.or_else(|| self.subtrees.matching(Some(tags)).into_iter().min())
    }
}

impl Policy {
    /// Whether it decides the same. Groups are kept for as long as they say the same, so that they are compared by pointer.
    fn is_the_same(&self, other: &Policy) -> bool {
        self.jobname == other.jobname
            && self.otherwise == other.otherwise
            && self.outage == other.outage
            && self.ports == other.ports
            && self.groups.len() == other.groups.len()
            && self.groups.iter().zip(&other.groups).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

fn resident(snapshot: &Snapshot, subject: &Arc<Subject>, job: &Label, id: InstanceId) -> Option<Resident> {
    let live = snapshot.instance(job, id).map(|record| Resident::live(subject, id, record));
    live.or_else(|| Some(Resident::held(subject, id, snapshot.held.get(job)?.get(&id)?)))
}

fn changed_keys<K: Ord + Clone, V: PartialEq>(
    old: &imbl::OrdMap<K, V>,
    new: &imbl::OrdMap<K, V>,
) -> BTreeSet<K> {
    let key = |item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => {
            K::clone(key)
        }
    };
    old.diff(new).map(key).collect()
}

/// The job's instances that are other ones now, live or held; `all`: each.
fn changed_ids(old: &Snapshot, new: &Snapshot, job: &Label, all: bool) -> BTreeSet<InstanceId> {
    let [a, b] = [old, new].map(|snapshot| snapshot.instances.get(job).cloned().unwrap_or_default());
    let [x, y] = [old, new].map(|snapshot| snapshot.held.get(job).cloned().unwrap_or_default());
    match all {
        true => a.keys().chain(b.keys()).chain(x.keys()).chain(y.keys()).copied().collect(),
        false => &changed_keys(&a, &b) | &changed_keys(&x, &y),
    }
}
