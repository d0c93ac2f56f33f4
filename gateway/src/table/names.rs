//! What names and VIPs lead to, in maps that a changed table shares with the one before: the next table costs what changed,
//! not what there is.
//!
//! A job stands under its label, its JOBNAME's DNS name, its VIP and, in a hub, its port numbers. All but the label may
//! be claimed by several, so all claims are kept ([`Claims`]): when the one that has it goes, the next one gets it.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use imbl::{HashMap, OrdMap};
use roundhouse_config::{DomainName, Label};
use roundhouse_registry::Revision;

use super::{DomainEntry, HubPorts, JobEntry};

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) jobs: OrdMap<Label, Arc<JobEntry>>,
    /// By JOBNAMEs as DNS names, zone excluded.
    jobnames: Claims<Arc<str>>,
    /// What stands above JOBNAMEs' DNS names, and above how many: `app.coding` and `coding` for `app2.app.coding`.
    above: HashMap<Arc<str>, usize>,
    by_vip: Claims<IpAddr>,
    domains: HashMap<DomainName, Arc<DomainEntry>>,
    /// By what stands after `*.`: a lookup needs no name made for it.
    wildcards: HashMap<Arc<str>, Arc<DomainEntry>>,
    /// Of a hub whose names resolve to itself.
    pub(super) hub: Option<HubPorts>,
}

/// Who claims what, the oldest record first.
#[derive(Clone, Debug)]
struct Claims<K>(HashMap<K, Arc<[Arc<JobEntry>]>>);

impl Names {
    pub(super) fn new(hub: bool) -> Names {
        Names { hub: hub.then(HubPorts::default), ..Names::default() }
    }

    pub(super) fn add_job(&mut self, job: &Arc<JobEntry>) {
        let name: Arc<str> = job.jobname.dns_labels().into();
        for up in above(&name) {
            *self.above.entry(up.into()).or_insert(0) += 1;
        }
        self.jobnames.add(name, job);
        if let Some(vip) = job.vip {
            self.by_vip.add(vip, job);
        }
        if let Some(hub) = &mut self.hub {
            hub.add(job);
        }
        self.jobs.insert(job.label.clone(), job.clone());
    }

    pub(super) fn remove_job(&mut self, job: &JobEntry) {
        let name: Arc<str> = job.jobname.dns_labels().into();
        for up in above(&name) {
            match self.above.get_mut(up) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.above.remove(up)),
            }
        }
        self.jobnames.remove(&name, job);
        if let Some(vip) = job.vip {
            self.by_vip.remove(&vip, job);
        }
        if let Some(hub) = &mut self.hub {
            hub.remove(job);
        }
        self.jobs.remove(&job.label);
    }

    pub(super) fn put_domain(&mut self, domain: &Arc<DomainEntry>) {
        match domain.name.as_str().strip_prefix("*.") {
            Some(rest) => self.wildcards.insert(rest.into(), domain.clone()),
            None => self.domains.insert(domain.name.clone(), domain.clone()),
        };
    }

    pub(super) fn remove_domain(&mut self, name: &DomainName) {
        match name.as_str().strip_prefix("*.") {
            Some(rest) => self.wildcards.remove(rest),
            None => self.domains.remove(name),
        };
    }

    /// Of two jobs that claim one JOBNAME the older record keeps it.
    pub(super) fn by_jobname(&self, name: &str) -> Option<&Arc<JobEntry>> {
        self.jobnames.0.get(name)?.first()
    }

    /// Of two jobs with one VIP the younger has it: the other is what a registry forgot that gave its offset away again.
    pub(super) fn by_vip(&self, vip: IpAddr) -> Option<&Arc<JobEntry>> {
        self.by_vip.0.get(&vip)?.last()
    }

    /// Those that have their VIP, each once.
    pub(super) fn at_vips(&self) -> impl Iterator<Item = &Arc<JobEntry>> {
        self.by_vip.0.values().filter_map(|jobs| jobs.last())
    }

    pub(super) fn is_above_a_jobname(&self, name: &str) -> bool {
        self.above.contains_key(name)
    }

    /// The exact domain, else the wildcard one label up (RFC 6125, 6.4.3: `*` stands for one label).
    pub(super) fn domain(&self, name: &str) -> Option<&Arc<DomainEntry>> {
        self.domains.get(name).or_else(|| self.wildcards.get(name.split_once('.')?.1))
    }

    /// By the name that its record has.
    pub(super) fn domain_entry(&self, name: &DomainName) -> Option<&Arc<DomainEntry>> {
        match name.as_str().strip_prefix("*.") {
            Some(rest) => self.wildcards.get(rest),
            None => self.domains.get(name),
        }
    }

    pub(super) fn domains(&self) -> impl Iterator<Item = &Arc<DomainEntry>> {
        self.domains.values().chain(self.wildcards.values())
    }
}

impl<K: Hash + Eq + Clone> Claims<K> {
    fn add(&mut self, key: K, job: &Arc<JobEntry>) {
        let claims = match self.0.get(&key) {
            None => Arc::from([job.clone()]),
            Some(jobs) => {
                let at = jobs.partition_point(|other| age(other) < age(job));
                jobs[..at].iter().chain([job]).chain(&jobs[at..]).cloned().collect()
            }
        };
        self.0.insert(key, claims);
    }

    fn remove(&mut self, key: &K, job: &JobEntry) {
        let Some(jobs) = self.0.get(key) else { return };
        let rest: Arc<[_]> = jobs.iter().filter(|other| other.label != job.label).cloned().collect();
        match rest.is_empty() {
            true => drop(self.0.remove(key)),
            false => drop(self.0.insert(key.clone(), rest)),
        }
    }
}

impl<K> Default for Claims<K> {
    fn default() -> Self {
        Claims(HashMap::new())
    }
}

/// Jobs in the order in which they were made; those of one transaction by label.
fn age(job: &JobEntry) -> (Revision, &Label) {
    (job.record.created, &job.label)
}

/// The names above a DNS name, nearest first.
fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| Some(name.split_once('.')?.1)).skip(1)
}
