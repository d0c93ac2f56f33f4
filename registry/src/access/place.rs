//! Who is at an address: the live instances there, of which a newer one evicts an older one of another job.

use std::net::IpAddr;
use std::sync::Arc;

use roundhouse_config::{JobName, Label};

use super::tags::Tags;
use crate::kv::Revision;
use crate::record::{CGROUP, Digest, Held, Instance, InstanceId};
use crate::snapshot::Versioned;

/// A job, as one that asks.
#[derive(Debug)]
pub struct Subject {
    pub job: Label,
    pub jobname: JobName,
    pub(super) tags: Tags,
}

/// An instance at an address.
#[derive(Clone, Debug)]
pub struct Resident {
    pub subject: Arc<Subject>,
    pub id: InstanceId,
    record: Presence,
    cgroup: Option<u64>,
    shared: bool,
    /// Its subject's, at hand.
    pub(super) tags: Tags,
    /// Enough of its JOBNAME to tell it from most others, so that those need not be looked at.
    print: Print,
}

/// The length of a name, and bytes from behind its first tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print(u64);

impl Print {
    pub(super) fn of(name: &str) -> Print {
        const JOB: usize = "job.".len();
        let rest = name.as_bytes().get(JOB..).unwrap_or_default();
        let start = match rest.first_chunk::<8>() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => rest.iter().fold(0, |start, byte| start << 8 | u64::from(*byte)),
        };
        // Whoever is alike all the same is compared.
        Print(start.rotate_left(16) ^ name.len() as u64)
    }
}

#[derive(Clone, Debug)]
enum Presence {
    Live(Arc<Versioned<Instance>>),
    Held(Arc<Versioned<Held>>),
}

/// All instances at one address. Small, and kept in the table itself: each look away from it is a cache miss.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Those that live there first, job by job; then those that were evicted, who are back if the newer ones leave.
    residents: Arc<[Resident]>,
    live: usize,
    /// What most questions ask of those who live there, so that they need not be looked at one by one.
    pub(super) known: Known,
    /// Where they are of several jobs: the first of each, by its name.
    jobs: Arc<[(Print, u32)]>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Jobs, each once.
    pub(super) candidates: u32,
    /// They have different JOBNAMEs.
    pub(super) several: bool,
    /// One of them says that others live there too.
    pub(super) shared: bool,
}

impl Resident {
    pub(super) fn live(
        subject: &Arc<Subject>,
        id: InstanceId,
        record: &Arc<Versioned<Instance>>,
    ) -> Resident {
        Resident::new(subject, id, Presence::Live(record.clone()))
    }

    pub(super) fn held(subject: &Arc<Subject>, id: InstanceId, record: &Arc<Versioned<Held>>) -> Resident {
        Resident::new(subject, id, Presence::Held(record.clone()))
    }

    fn new(subject: &Arc<Subject>, id: InstanceId, record: Presence) -> Resident {
        let print = Print::of(subject.jobname.as_str());
        let mut resident = Resident {
            subject: subject.clone(),
            id,
            record,
            cgroup: None,
            shared: false,
            print,
            tags: subject.tags,
        };
        let instance = resident.instance();
        let cgroup = instance.meta.get(CGROUP).and_then(|cgroup| cgroup.parse().ok());
        (resident.cgroup, resident.shared) = (cgroup, resident.instance().shared_ip);
        resident
    }

    pub fn instance(&self) -> &Instance {
        match &self.record {
            Presence::Live(record) => &record.value,
            Presence::Held(record) => &record.value.instance,
        }
    }

    pub(super) fn address(&self) -> IpAddr {
        self.instance().address.to_canonical()
    }

    /// Which cgroup its sockets are of, where its registrar says so.
    pub fn cgroup(&self) -> Option<u64> {
        self.cgroup
    }

    /// Others live at its address too.
    pub fn shares_address(&self) -> bool {
        self.shared
    }

    /// Whether it may have the name that this is of.
    pub(super) fn may_be(&self, print: Print) -> bool {
        self.print == print
    }

    /// Whether the token whose hash this is proves that somebody is this instance.
    pub(super) fn is_proved_by(&self, token: &Digest) -> bool {
        self.instance().proof.is_some_and(|proof| proof.matches(token))
    }

    /// When its key was made. One that is held has none, so that whoever has a key at its address came later.
    fn since(&self) -> Revision {
        match &self.record {
            Presence::Live(record) => record.created,
            Presence::Held(_) => Revision(0),
        }
    }

    /// Whether it is who it was, for all that depends on who somebody is.
    fn is_the_same(&self, other: &Resident) -> bool {
        Arc::ptr_eq(&self.subject, &other.subject)
            && self.id == other.id
            && self.cgroup == other.cgroup
            && self.shares_address() == other.shares_address()
            && self.instance().proof == other.instance().proof
    }
}

impl Place {
    /// `None`: nobody is there.
    pub(super) fn new(residents: &[Resident]) -> Option<Place> {
        if residents.is_empty() {
            return None;
        }
        let any = Newest::of(residents.iter());
        let alone = Newest::of(residents.iter().filter(|one| !one.shares_address()));
        let (mut live, mut evicted) = (Vec::with_capacity(residents.len()), Vec::new());
        for one in residents {
            let newest = if one.shares_address() { &alone } else { &any };
            match newest.other_than(&one.subject.job).is_some_and(|since| since > one.since()) {
                true => evicted.push(one.clone()),
                false => live.push(one.clone()),
            }
        }
        let by_job = |a: &Resident, b: &Resident| (&a.subject.job, a.id).cmp(&(&b.subject.job, b.id));
        live.sort_by(by_job);
        evicted.sort_by(by_job);
        let jobs: Vec<(Print, u32)> = live
            .chunk_by(|a, b| Arc::ptr_eq(&a.subject, &b.subject))
            .scan(0, |next, same| {
                let first = *next;
                *next += same.len() as u32;
                Some((same[0].print, first))
            })
            .collect();
        let first = live.first().map(|one| &one.subject.jobname);
        let known = Known {
            candidates: jobs.len() as u32,
            several: live.iter().any(|one| Some(&one.subject.jobname) != first),
            shared: live.iter().any(Resident::shares_address),
        };
        let jobs = if jobs.len() > 1 { jobs.into() } else { Arc::default() };
        let count = live.len();
        live.append(&mut evicted);
        Some(Place { residents: live.into(), live: count, known, jobs })
    }

    /// Those that live there, job by job.
    pub(super) fn live(&self) -> &[Resident] {
        &self.residents[..self.live]
    }

    /// The first instance of the job with this JOBNAME, if it lives there.
    pub(super) fn named(&self, name: &str) -> Option<&Resident> {
        let print = Print::of(name);
        let is_it = |one: &&Resident| one.print == print && one.subject.jobname.as_str() == name;
        if self.jobs.is_empty() {
            return self.live().first().filter(is_it);
        }
        let alike = self.jobs.iter().filter(|(known, _)| *known == print);
        alike.filter_map(|(_, first)| self.residents.get(*first as usize)).find(is_it)
    }

    /// Those that a newer one evicted.
    pub(super) fn evicted(&self) -> &[Resident] {
        &self.residents[self.live..]
    }

    pub(super) fn all(&self) -> &[Resident] {
        &self.residents
    }
}

/// Whether those who live there are the same to everybody who asks who they are.
pub(super) fn are_the_same(before: Option<&Place>, now: Option<&Place>) -> bool {
    let live = |place: Option<&Place>| place.map_or(0, |place| place.live);
    let (Some(before), Some(now)) = (before, now) else { return live(before) == live(now) };
    before.live == now.live && before.live().iter().zip(now.live()).all(|(a, b)| a.is_the_same(b))
}

/// The newest key among instances, and the newest of another job.
struct Newest<'a> {
    first: Option<(&'a Label, Revision)>,
    second: Option<Revision>,
}

impl<'a> Newest<'a> {
    fn of(residents: impl Iterator<Item = &'a Resident>) -> Newest<'a> {
        let mut newest = Newest { first: None, second: None };
        for resident in residents {
            let (job, since) = (&resident.subject.job, resident.since());
            match newest.first {
                Some((first, at)) if first == job => newest.first = Some((first, at.max(since))),
                Some((_, at)) if at >= since => newest.second = newest.second.max(Some(since)),
                former => {
                    newest.second = newest.second.max(former.map(|(_, at)| at));
                    newest.first = Some((job, since));
                }
            }
        }
        newest
    }

    fn other_than(&self, job: &Label) -> Option<Revision> {
        match self.first {
            Some((first, _)) if first == job => self.second,
            first => first.map(|(_, since)| since),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::access::tags::Interner;
    use crate::record::Sorted;

    fn resident(job: &str, since: u64, shared: bool) -> Resident {
        let jobname: JobName = format!("job.{job}").parse().unwrap();
        let tags = Interner::default().tags(&jobname);
        let subject = Subject { job: job.parse().unwrap(), jobname, tags };
        let mut instance = Instance::new("10.0.0.7".parse().unwrap(), Sorted::default());
        instance.shared_ip = shared;
        let at = Revision(since);
        let record = Versioned { value: instance, created: at, modified: at, lease: None };
        Resident::live(&Arc::new(subject), InstanceId::random(), &Arc::new(record))
    }

    fn live(residents: &[Resident]) -> Vec<String> {
        let place = Place::new(residents).unwrap();
        place.live().iter().map(|one| one.subject.job.to_string()).collect()
    }

    #[test]
    fn a_newer_owner_evicts_unless_both_share() {
        assert_eq!(live(&[resident("a", 1, false), resident("b", 2, false)]), ["b"]);
        assert_eq!(live(&[resident("a", 1, true), resident("b", 2, false)]), ["b"]);
        assert_eq!(live(&[resident("a", 1, false), resident("b", 2, true)]), ["b"]);
        assert_eq!(live(&[resident("a", 1, true), resident("b", 2, true)]), ["a", "b"]);
        // Of one transaction: nobody is the newer one.
        assert_eq!(live(&[resident("a", 1, false), resident("b", 1, false)]), ["a", "b"]);
        // Of one job: nobody is another.
        assert_eq!(live(&[resident("a", 1, false), resident("a", 2, false)]), ["a", "a"]);
        assert!(Place::new(&[]).is_none());
    }

    proptest! {
        #[test]
        fn eviction_is_what_each_pair_says(all in prop::collection::vec((0u8..3, 1u64..6, any::<bool>()), 1..8)) {
            let residents: Vec<Resident> = all
                .iter()
                .map(|(job, since, shared)| resident(&format!("j{job}"), *since, *shared))
                .collect();
            let evicts = |newer: &Resident, older: &Resident| {
                newer.subject.job != older.subject.job
                    && newer.since() > older.since()
                    && !(newer.shares_address() && older.shares_address())
            };
            let mut expected: Vec<InstanceId> = residents
                .iter()
                .filter(|older| !residents.iter().any(|newer| evicts(newer, older)))
                .map(|one| one.id)
                .collect();
            expected.sort();
            let place = Place::new(&residents).unwrap();
            let mut found: Vec<InstanceId> = place.live().iter().map(|one| one.id).collect();
            found.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
