//! A small world in which everything happens often: few jobs, few addresses, few values of tags.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use roundhouse_config::{Label, PortName};

use super::super::{Claim, Http, Port, Query, Shown};
use crate::apply::apply;
use crate::kv::{Batch, Change, Entry, Revision};
use crate::record::{Digest, InstanceId, Timestamp};
use crate::snapshot::Snapshot;

const JOBNAMES: [&str; 7] = [
    "job.a_service.s_cop.x",
    "job.a_service.t_cop.x",
    "job.b_service.s_cop.y",
    "job.ab",
    "job.a",
    "job.b_cluster.c_owt.o_cop.x",
    "job.c_servicegroup.g_cop.y",
];
const SELECTORS: [&str; 10] = [
    "cop.x",
    "cop.*",
    "service.s",
    "job.a",
    "job.a_cop.x",
    "owt.o_cop.x",
    "job.*",
    "cluster.*",
    "cop.y",
    "job.a_service.s_cop.x",
];
const ADDRESSES: [&str; 6] =
    ["10.0.0.1", "10.0.0.2", "10.0.1.1", "::ffff:10.0.0.1", "2001:db8::1", "192.0.2.9"];
const RANGES: [&str; 8] = [
    "10.0.0.0/8",
    "10.0.0.0/24",
    "10.0.0.1/32",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "192.0.2.0/24",
    "10.0.0.0/31",
];
const PATHS: [&str; 4] = ["/", "/admin", "/admin/x", "/a"];

pub(super) struct World {
    pub(super) snapshot: Arc<Snapshot>,
    revision: u64,
}

#[derive(Debug)]
pub(super) struct Asked {
    pub(super) job: Label,
    peer: IpAddr,
    claim: Option<String>,
    garbled: bool,
    token: Option<Digest>,
    certificate: Option<String>,
    owner: Option<u64>,
    own: Vec<IpAddr>,
    port: (u16, PortName),
    http: Option<(&'static str, &'static str)>,
    seen: bool,
    now: u64,
    stale: u64,
}

impl Asked {
    pub(super) fn query(&self) -> Query<'_> {
        Query {
            peer: self.peer,
            claim: match &self.claim {
                _ if self.garbled => Claim::Garbled,
                None => Claim::None,
                Some(claim) => Claim::Name(claim),
            },
            proof: Shown { token: self.token, certificate: self.certificate.as_deref() },
            owner: self.owner,
            own: &self.own,
            port: Port { number: self.port.0, name: Some(&self.port.1) },
            http: match self.http {
                None => Http::Not,
                Some(_) if !self.seen => Http::Unseen,
                Some((method, path)) => Http::Seen { method, path },
            },
            now: Timestamp::from_seconds(self.now),
            stale: Duration::from_secs(self.stale),
        }
    }
}

fn one<'a, T: ?Sized>(rng: &mut SmallRng, of: &[&'a T]) -> &'a T {
    of[rng.random_range(0..of.len())]
}

fn token(n: u32) -> Digest {
    Digest::of(&n.to_be_bytes())
}

impl World {
    pub(super) fn new(rng: &mut SmallRng) -> World {
        let mut world = World { snapshot: Arc::default(), revision: 0 };
        for n in 0..JOBNAMES.len() {
            world.put_job(rng, n);
        }
        for _ in 0..rng.random_range(0..14) {
            world.put_instance(rng);
        }
        for _ in 0..rng.random_range(0..14) {
            world.put_rule(rng);
        }
        for _ in 0..rng.random_range(0..3) {
            world.put_guard(rng);
        }
        world
    }

    pub(super) fn change(&mut self, rng: &mut SmallRng) {
        match rng.random_range(0..10) {
            0 => {
                let n = rng.random_range(0..JOBNAMES.len());
                self.put_job(rng, n);
            }
            1..4 => self.put_instance(rng),
            4 => {
                let all: Vec<_> =
                    self.snapshot
                        .all_instances()
                        .map(|(job, id, _)| format!("instances/{job}/{id}"))
                        .chain(
                            self.snapshot.held.iter().flat_map(|(job, held)| {
                                held.keys().map(move |id| format!("held/{job}/{id}"))
                            }),
                        )
                        .collect();
                self.delete_one(rng, &all);
            }
            5..8 => self.put_rule(rng),
            8 => {
                let all: Vec<_> = self.snapshot.rules.keys().map(|id| format!("rules/{id}")).collect();
                self.delete_one(rng, &all);
            }
            _ => match rng.random_range(0..2) {
                0 => self.put_guard(rng),
                _ => {
                    let all: Vec<_> = self.snapshot.guards.keys().map(|id| format!("guards/{id}")).collect();
                    self.delete_one(rng, &all);
                }
            },
        }
    }

    pub(super) fn question(&self, rng: &mut SmallRng) -> Asked {
        let jobs: Vec<&Label> = self.snapshot.jobs.keys().collect();
        let port: u16 = rng.random_range(1..3);
        let optional =
            |rng: &mut SmallRng, of: &[&str]| rng.random_bool(0.4).then(|| one(rng, of).to_owned());
        let mut claim = optional(rng, &JOBNAMES);
        if rng.random_bool(0.2) {
            // The same name from the other end.
            claim = claim.map(|name| name.split('_').rev().collect::<Vec<_>>().join("_"));
        }
        let strange = rng.random_bool(0.1);
        Asked {
            job: jobs[rng.random_range(0..jobs.len())].clone(),
            peer: one(rng, &ADDRESSES).parse().unwrap(),
            garbled: rng.random_bool(0.03),
            token: rng.random_bool(0.3).then(|| token(rng.random_range(0..4))),
            certificate: optional(rng, &JOBNAMES),
            owner: rng.random_bool(0.2).then(|| rng.random_range(1..4)),
            own: if rng.random_bool(0.3) {
                vec!["10.0.0.1".parse().unwrap(), "10.0.1.1".parse().unwrap()]
            } else {
                Vec::new()
            },
            port: (port, if port == 1 { "main".parse().unwrap() } else { "admin".parse().unwrap() }),
            http: rng.random_bool(0.5).then(|| (one(rng, &["GET", "POST"]), one(rng, &PATHS))),
            seen: rng.random_bool(0.8),
            now: rng.random_range(90..110),
            stale: if rng.random_bool(0.7) { 0 } else { rng.random_range(0..30) },
            claim: if strange { Some("job.".into()) } else { claim },
        }
    }

    fn put_job(&mut self, rng: &mut SmallRng, n: usize) {
        let access = if rng.random_bool(0.8) { "allow" } else { "deny" };
        let outage = match rng.random_range(0..4) {
            0 => r#","outage":{"max_stale":"20s","then":"deny"}"#,
            1 => r#","outage":{"max_stale":"25s","proof_stale":"10s"}"#,
            _ => "",
        };
        // Now and then a job changes its name for one that is still another one's.
        let name = if rng.random_bool(0.9) { JOBNAMES[n] } else { one(rng, &JOBNAMES) };
        let ports = r#"[{"name":"main","port":1},{"name":"admin","port":2}]"#;
        self.put(
            format!("jobs/j{n}"),
            format!(r#"{{"jobname":"{name}","ports":{ports},"access":"{access}"{outage}}}"#),
        );
    }

    fn put_instance(&mut self, rng: &mut SmallRng) {
        let job = rng.random_range(0..JOBNAMES.len());
        let known: Vec<_> = self.snapshot.all_instances().map(|(job, id, _)| (job.clone(), *id)).collect();
        let (job, id) = match rng.random_bool(0.3) && !known.is_empty() {
            true => known[rng.random_range(0..known.len())].clone(),
            false => (format!("j{job}").parse().unwrap(), InstanceId::random()),
        };
        let mut fields = format!(r#""address":"{}","ports":{{"main":1}}"#, one(rng, &ADDRESSES));
        fields += &format!(r#","shared_ip":{}"#, rng.random_bool(0.6));
        if rng.random_bool(0.6) {
            fields += &format!(r#","proof":"{}""#, token(rng.random_range(0..3)));
        }
        if rng.random_bool(0.4) {
            fields += &format!(r#","meta":{{"cgroup":"{}"}}"#, rng.random_range(1..4));
        }
        match rng.random_bool(0.9) {
            true => self.put(format!("instances/{job}/{id}"), format!("{{{fields}}}")),
            false => {
                let held = format!(r#"{{"instance":{{{fields}}},"since":1,"by":"hub"}}"#);
                self.put(format!("held/{job}/{id}"), held);
            }
        }
    }

    fn put_rule(&mut self, rng: &mut SmallRng) {
        let to = match rng.random_bool(0.5) {
            true => format!(r#"{{"job":"j{}"}}"#, rng.random_range(0..JOBNAMES.len())),
            false => format!(r#"{{"jobname":"{}"}}"#, one(rng, &SELECTORS)),
        };
        let ranges: Vec<_> = match rng.random_range(0..4) {
            0 => Vec::new(),
            // Many, so that there is a trie.
            1 => RANGES.iter().chain(&RANGES[..2]).map(|range| format!("\"{range}\"")).take(8).collect(),
            n => (0..n - 1).map(|_| format!("\"{}\"", one(rng, &RANGES))).collect(),
        };
        let mut ranges = ranges;
        ranges.sort();
        ranges.dedup();
        let jobname = (ranges.is_empty() || rng.random_bool(0.6)).then(|| one(rng, &SELECTORS));
        let from = match jobname {
            Some(selector) => format!(r#"{{"jobname":"{selector}","cidr":[{}]}}"#, ranges.join(",")),
            None => format!(r#"{{"cidr":[{}]}}"#, ranges.join(",")),
        };
        let deny = rng.random_bool(0.3);
        let mut fields =
            format!(r#""to":{to},"from":{from},"action":"{}""#, if deny { "deny" } else { "allow" });
        if rng.random_bool(0.2) {
            fields += r#","dry_run":true"#;
        }
        if rng.random_bool(0.2) {
            fields += &format!(r#","expires":{}"#, rng.random_range(95..105));
        }
        if rng.random_bool(0.3) {
            fields += &format!(r#","ports":[{}]"#, one(rng, &["1", "\"admin\"", "2,\"main\""]));
        }
        if rng.random_bool(0.2) {
            fields += r#","methods":["GET"]"#;
        }
        if rng.random_bool(0.2) {
            fields += &format!(r#","paths":["{}"]"#, one(rng, &PATHS));
        }
        if !deny && rng.random_bool(0.3) {
            fields += &format!(r#","proof":"{}""#, one(rng, &["token", "mtls"]));
        }
        let id = rng.random_range(0..20);
        self.put(format!("rules/r{id}"), format!("{{{fields}}}"));
    }

    fn put_guard(&mut self, rng: &mut SmallRng) {
        let (selector, value) = match rng.random_bool(0.5) {
            true => (one(rng, &SELECTORS).to_owned(), "{}".to_owned()),
            false => {
                let n = rng.random_range(0..JOBNAMES.len());
                (one(rng, &JOBNAMES).to_owned(), format!(r#"{{"job":"j{n}"}}"#))
            }
        };
        self.put(format!("guards/{selector}"), value);
    }

    fn delete_one(&mut self, rng: &mut SmallRng, keys: &[String]) {
        if keys.is_empty() {
            return;
        }
        let key = keys[rng.random_range(0..keys.len())].clone();
        self.revision += 1;
        let revision = Revision(self.revision);
        self.commit(Change::Delete { key, revision });
    }

    pub(super) fn put(&mut self, key: String, value: String) {
        self.revision += 1;
        let modified = Revision(self.revision);
        let created = created_at(&self.snapshot, &key).unwrap_or(modified);
        self.commit(Change::Put(Entry { key, value: value.into(), created, modified, lease: None }));
    }

    fn commit(&mut self, change: Change) {
        let batch = Batch { revision: Revision(self.revision), changes: vec![change] };
        let next = apply(&self.snapshot, &batch);
        assert_eq!(next.quarantine.len(), 0, "{:?}", next.quarantine);
        self.snapshot = Arc::new(next);
    }
}

fn created_at(snapshot: &Snapshot, key: &str) -> Option<Revision> {
    snapshot.each_entry().find(|entry| entry.key == key).map(|entry| entry.created)
}
