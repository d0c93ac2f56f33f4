//! What the embedded store holds and how a request changes it: pure, the clock is an argument.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::super::{Batch, Change, Commit, Condition, Entry, KvError, LeaseId, Listing, Op, Revision, Txn};

/// Commits a watch may start behind; beyond it lists again.
const HISTORY: usize = 10_000;
/// As etcd: a transaction of more operations is refused.
const MAX_OPS: usize = 128;
/// etcd clamps a lease to its election timeout; a lease too short to keep alive is a mistake.
const MIN_TTL: Duration = Duration::from_secs(1);
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);

pub(super) enum Request {
    List,
    Newest,
    Range(String),
    Get(String),
    Commit(Txn),
    Grant(Duration),
    KeepAlive(LeaseId),
    Revoke(LeaseId),
}

#[derive(Debug)]
pub(super) enum Outcome {
    Listing(Listing),
    Revision(Revision),
    Entries(Vec<Entry>),
    Entry(Option<Entry>),
    Commit(Commit),
    Lease(LeaseId),
    Done,
}

/// What a turn changed, for the disk and the watchers.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) batches: Vec<Batch>,
    pub(super) granted: Vec<(LeaseId, Duration)>,
    pub(super) ended: Vec<LeaseId>,
}

struct Lease {
    ttl: Duration,
    ends: Instant,
    keys: BTreeSet<String>,
}

pub(super) struct State {
    origin: String,
    revision: Revision,
    compacted: Revision,
    entries: BTreeMap<String, Entry>,
    leases: HashMap<LeaseId, Lease>,
    expiries: BTreeSet<(Instant, LeaseId)>,
    next_lease: i64,
    history: VecDeque<Batch>,
    effects: Effects,
}

impl State {
    /// The state read from disk; every lease starts with its full TTL. New lease ids count from `first_lease`, which
    /// differs at every start: an id that ended must never come to mean somebody else's lease.
    pub(super) fn new(
        origin: String,
        first_lease: LeaseId,
        revision: Revision,
        entries: Vec<Entry>,
        leases: Vec<(LeaseId, Duration)>,
        now: Instant,
    ) -> State {
        let mut state = State {
            origin,
            revision,
            compacted: revision,
            entries: BTreeMap::new(),
            leases: HashMap::new(),
            expiries: BTreeSet::new(),
            next_lease: first_lease.0,
            history: VecDeque::new(),
            effects: Effects::default(),
        };
        for (id, ttl) in leases {
            state.arm(id, ttl, now);
        }
        for entry in entries {
            if let Some(lease) = entry.lease.and_then(|id| state.leases.get_mut(&id)) {
                lease.keys.insert(entry.key.clone());
            }
            state.entries.insert(entry.key.clone(), entry);
        }
        state
    }

    pub(super) fn handle(&mut self, request: Request, now: Instant) -> Result<Outcome, KvError> {
        match request {
            Request::List => Ok(Outcome::Listing(Listing {
                origin: self.origin.clone(),
                revision: self.revision,
                entries: self.entries.values().cloned().collect(),
            })),
            Request::Range(prefix) => {
                let range = self.entries.range(prefix.clone()..);
                let inside = range.take_while(|(key, _)| key.starts_with(&prefix));
                Ok(Outcome::Entries(inside.map(|(_, entry)| entry.clone()).collect()))
            }
            Request::Newest => Ok(Outcome::Revision(self.revision)),
            Request::Get(key) => Ok(Outcome::Entry(self.entries.get(&key).cloned())),
            Request::Commit(txn) => self.commit(txn).map(Outcome::Commit),
            Request::Grant(ttl) => {
                let id = LeaseId(self.next_lease);
                self.next_lease += 1;
                let ttl = ttl.clamp(MIN_TTL, MAX_TTL);
                self.arm(id, ttl, now);
                self.effects.granted.push((id, ttl));
                Ok(Outcome::Lease(id))
            }
            Request::KeepAlive(id) => {
                let lease = self.leases.get_mut(&id).ok_or(KvError::NoLease(id))?;
                self.expiries.remove(&(lease.ends, id));
                lease.ends = now + lease.ttl;
                self.expiries.insert((lease.ends, id));
                Ok(Outcome::Done)
            }
            Request::Revoke(id) => {
                self.end_lease(id);
                Ok(Outcome::Done)
            }
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Ends the leases whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((at, id)) = self.expiries.first().copied() {
            if at > now {
                return;
            }
            self.end_lease(id);
        }
    }

    pub(super) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// The commits after `after`, oldest first.
    pub(super) fn since(&self, after: Revision) -> Result<Vec<Batch>, KvError> {
        if after < self.compacted || after > self.revision {
            return Err(KvError::Compacted(self.compacted));
        }
        Ok(self.history.iter().filter(|batch| batch.revision > after).cloned().collect())
    }

    fn commit(&mut self, txn: Txn) -> Result<Commit, KvError> {
        check_form(&txn)?;
        let holds = txn.when.iter().all(|condition| match condition {
            Condition::Absent(key) => !self.entries.contains_key(key),
            Condition::At(key, at) => {
                self.entries.get(key).map_or(Revision(0), |entry| entry.modified) == *at
            }
            Condition::Vacant(prefix) => {
                self.entries.range(prefix.clone()..).next().is_none_or(|(key, _)| !key.starts_with(prefix))
            }
        });
        if !holds {
            return Ok(Commit::Refused);
        }
        for op in &txn.then {
            if let Op::Put { lease: Some(lease), .. } = op
                && !self.leases.contains_key(lease)
            {
                return Err(KvError::NoLease(*lease));
            }
        }
        let next = Revision(self.revision.0 + 1);
        let mut changes = Vec::with_capacity(txn.then.len());
        for op in txn.then {
            match op {
                Op::Put { key, value, lease } => {
                    let created = self.entries.get(&key).map_or(next, |entry| entry.created);
                    let entry = Entry { key, value, created, modified: next, lease };
                    self.attach(&entry);
                    changes.push(Change::Put(entry));
                }
                Op::Delete(key) => {
                    if let Some(entry) = self.entries.remove(&key) {
                        self.detach(&entry);
                        changes.push(Change::Delete { key, revision: next });
                    }
                }
            }
        }
        self.record(next, changes);
        Ok(Commit::Done(self.revision))
    }

    /// A commit that changed nothing has no revision, as in etcd.
    fn record(&mut self, revision: Revision, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        self.revision = revision;
        let batch = Batch { revision, changes };
        self.history.push_back(batch.clone());
        if self.history.len() > HISTORY
            && let Some(oldest) = self.history.pop_front()
        {
            self.compacted = oldest.revision;
        }
        self.effects.batches.push(batch);
    }

    fn attach(&mut self, entry: &Entry) {
        if let Some(old) = self.entries.insert(entry.key.clone(), entry.clone()) {
            self.detach(&old);
        }
        if let Some(lease) = entry.lease.and_then(|id| self.leases.get_mut(&id)) {
            lease.keys.insert(entry.key.clone());
        }
    }

    fn detach(&mut self, entry: &Entry) {
        if let Some(lease) = entry.lease.and_then(|id| self.leases.get_mut(&id)) {
            lease.keys.remove(&entry.key);
        }
    }

    fn arm(&mut self, id: LeaseId, ttl: Duration, now: Instant) {
        let ends = now + ttl;
        self.expiries.insert((ends, id));
        self.leases.insert(id, Lease { ttl, ends, keys: BTreeSet::new() });
    }

    fn end_lease(&mut self, id: LeaseId) {
        let Some(lease) = self.leases.remove(&id) else { return };
        self.expiries.remove(&(lease.ends, id));
        self.effects.ended.push(id);
        let next = Revision(self.revision.0 + 1);
        let mut changes = Vec::with_capacity(lease.keys.len());
        for key in lease.keys {
            self.entries.remove(&key);
            changes.push(Change::Delete { key, revision: next });
        }
        self.record(next, changes);
    }
}

/// What etcd refuses whatever the conditions say: too much of either kind, or a key put that is also written otherwise.
fn check_form(txn: &Txn) -> Result<(), KvError> {
    let size = txn.then.len().max(txn.when.len());
    if size > MAX_OPS {
        return Err(KvError::Invalid(format!(
            "{size} operations or conditions in one transaction; {MAX_OPS} is the most"
        )));
    }
    let (mut put, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    for op in &txn.then {
        let (key, once) = match op {
            Op::Put { key, .. } => (key, put.insert(key) && !deleted.contains(key)),
            Op::Delete(key) => (key, {
                deleted.insert(key);
                !put.contains(key)
            }),
        };
        if !once {
            return Err(KvError::Invalid(format!("{key} is written twice in one transaction")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(now: Instant) -> State {
        State::new("test".into(), LeaseId(1), Revision(0), Vec::new(), Vec::new(), now)
    }

    fn grant(state: &mut State, seconds: u64, now: Instant) -> LeaseId {
        match state.handle(Request::Grant(Duration::from_secs(seconds)), now).unwrap() {
            Outcome::Lease(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn put(state: &mut State, key: &str, lease: Option<LeaseId>) -> Commit {
        state.commit(Txn::new().put(key, "v", lease)).unwrap()
    }

    #[test]
    fn a_lease_ends_with_its_keys_in_one_commit() {
        let now = Instant::now();
        let mut state = state(now);
        let lease = grant(&mut state, 10, now);
        put(&mut state, "a", Some(lease));
        put(&mut state, "b", Some(lease));
        put(&mut state, "c", None);
        state.expire(now + Duration::from_millis(9_999));
        assert_eq!(state.entries.len(), 3);
        state.expire(now + Duration::from_secs(10));
        assert_eq!(state.entries.keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(state.revision, Revision(4));
        assert!(matches!(
            state.handle(Request::KeepAlive(lease), now),
            Err(KvError::NoLease(id)) if id == lease
        ));
    }

    #[test]
    fn a_key_put_again_without_its_lease_outlives_it() {
        let now = Instant::now();
        let mut state = state(now);
        let lease = grant(&mut state, 10, now);
        put(&mut state, "a", Some(lease));
        put(&mut state, "a", None);
        state.expire(now + Duration::from_secs(60));
        assert!(state.entries.contains_key("a"));
    }

    #[test]
    fn keep_alive_moves_the_end() {
        let now = Instant::now();
        let mut state = state(now);
        let lease = grant(&mut state, 10, now);
        put(&mut state, "a", Some(lease));
        state.handle(Request::KeepAlive(lease), now + Duration::from_secs(9)).unwrap();
        state.expire(now + Duration::from_secs(18));
        assert!(state.entries.contains_key("a"));
        assert_eq!(state.next_expiry(), Some(now + Duration::from_secs(19)));
    }

    #[test]
    fn history_is_bounded_and_says_so() {
        let now = Instant::now();
        let mut state = state(now);
        for _ in 0..HISTORY + 5 {
            put(&mut state, "a", None);
        }
        assert!(matches!(state.since(Revision(4)), Err(KvError::Compacted(Revision(5)))));
        assert_eq!(state.since(Revision(5)).unwrap().len(), HISTORY);
        assert!(state.since(Revision(HISTORY as u64 + 6)).is_err(), "the future is no place to watch from");
    }

    #[test]
    fn conditions_hold_together_or_nothing_is_written() {
        let now = Instant::now();
        let mut state = state(now);
        put(&mut state, "a", None);
        let txn = Txn::new()
            .when(Condition::At("a".into(), Revision(1)))
            .when(Condition::Absent("b".into()))
            .put("b", "v", None);
        assert_eq!(state.commit(txn.clone()).unwrap(), Commit::Done(Revision(2)));
        assert_eq!(state.commit(txn).unwrap(), Commit::Refused);
        assert_eq!(state.revision, Revision(2));
    }
}
