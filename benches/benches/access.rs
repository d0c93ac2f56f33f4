//! Access decisions under criterion: 10,000 rules, 100,000 instances. Half of the instances have an address of their own,
//! half share the 2,500 addresses of hosts, twenty on each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use roundhouse_config::Label;
use roundhouse_registry::access::{Claim, Compiler, Http, Query, Shown};
use roundhouse_registry::kv::{Batch, Change, Entry, Listing, Revision};
use roundhouse_registry::record::Timestamp;
use roundhouse_registry::{Snapshot, apply};

const JOBS: usize = 1_000;
const INSTANCES: usize = 100_000;
const RULES: usize = 10_000;
const OWN: usize = INSTANCES / 2;
const ON_A_HOST: usize = 20;

fn entry(key: String, value: String, at: u64) -> Entry {
    let at = Revision(at);
    Entry { key, value: value.into(), created: at, modified: at, lease: None }
}

fn jobname(n: usize) -> String {
    format!("job.j{n}_service.s{}_pdl.p{}_owt.o{}_cop.c{}", n / 2, n / 10, n / 50, n / 500)
}

/// Which job an instance is of, and where it is.
fn instance(n: usize) -> (usize, Ipv4Addr) {
    match n < OWN {
        true => (n % JOBS, Ipv4Addr::from(0x0a00_0000 + n as u32)),
        false => (n * 7 % JOBS, Ipv4Addr::from(0x0b00_0000 + ((n - OWN) / ON_A_HOST) as u32)),
    }
}

fn rule(n: usize) -> String {
    let job = n % JOBS;
    let from = match n % 5 {
        0 => format!("pdl.p{}_owt.o{}_cop.c{}", n % 100, n % 100 / 5, n % 100 / 50),
        1 => format!("owt.o{}_cop.c{}", n % 20, n % 20 / 10),
        _ => jobname(n * 13 % JOBS),
    };
    let range = ["[\"10.0.0.0/8\"]", "[\"10.0.0.0/8\",\"11.0.0.0/8\"]", "[]"][n % 3];
    let action = if n % 20 == 19 { "deny" } else { "allow" };
    match n % 10 {
        // A blocklist of the whole company.
        7 => format!(
            r#"{{"to":{{"jobname":"cop.c0"}},"from":{{"cidr":["172.{}.{}.0/24"]}},"action":"deny"}}"#,
            n / 2_560,
            n / 10 % 256
        ),
        8 => format!(
            r#"{{"to":{{"jobname":"pdl.p{}"}},"from":{{"jobname":"{from}","cidr":{range}}},"action":"{action}"}}"#,
            n % 100
        ),
        _ => format!(
            r#"{{"to":{{"job":"j{job}"}},"from":{{"jobname":"{from}","cidr":{range}}},"action":"{action}"}}"#
        ),
    }
}

fn world() -> Arc<Snapshot> {
    let mut entries = Vec::new();
    for n in 0..JOBS {
        let value = format!(r#"{{"jobname":"{}","ports":[{{"name":"main","port":1111}}]}}"#, jobname(n));
        entries.push(entry(format!("jobs/j{n}"), value, 1));
        entries.push(entry(format!("guards/{}", jobname(n)), format!(r#"{{"job":"j{n}"}}"#), 1));
    }
    for n in 0..INSTANCES {
        let (job, address) = instance(n);
        let key = roundhouse_benches::instance_key(&format!("j{job}"), n);
        let shared = n >= OWN;
        let value = format!(r#"{{"address":"{address}","ports":{{"main":1111}},"shared_ip":{shared}}}"#);
        entries.push(entry(key, value, 2));
    }
    for n in 0..RULES {
        entries.push(entry(format!("rules/r{n}"), rule(n), 3));
    }
    let listing = Listing { origin: "bench".into(), revision: Revision(3), entries };
    let snapshot = Snapshot::from_listing(listing);
    assert!(snapshot.quarantine.is_empty(), "{:?}", snapshot.quarantine);
    assert_eq!((snapshot.rules.len(), snapshot.live), (RULES, INSTANCES));
    Arc::new(snapshot)
}

struct Asked {
    job: Label,
    peer: IpAddr,
    claim: Option<String>,
}

/// `jobs`: how many are asked for. `claims`: whoever shares its address says who it is.
fn asked(rng: &mut SmallRng, jobs: usize, peers: std::ops::Range<usize>, claims: bool) -> Asked {
    let n = rng.random_range(peers);
    let (job, address) = instance(n);
    Asked {
        job: format!("j{}", rng.random_range(0..jobs)).parse().unwrap(),
        peer: address.into(),
        claim: (claims && n >= OWN).then(|| jobname(job)),
    }
}

/// Of addresses that are nobody's.
fn strangers() -> Vec<Asked> {
    let one = |n: usize| Asked {
        job: format!("j{}", n % JOBS).parse().unwrap(),
        peer: Ipv4Addr::from(0xac10_0000 + n as u32).into(),
        claim: None,
    };
    (0..1_000).map(one).collect()
}

fn decisions(c: &mut Criterion) {
    let snapshot = world();
    let mut compiler = Compiler::default();
    compiler.update(&snapshot);
    let table = compiler.table().clone();
    let mut rng = SmallRng::seed_from_u64(1);
    let mut set = |peers: usize, jobs, of: std::ops::Range<usize>, claims| -> Vec<Asked> {
        (0..peers).map(|_| asked(&mut rng, jobs, of.clone(), claims)).collect()
    };
    // A database proxy asks about one job, a hub about all.
    let sets: Vec<(&str, Vec<Asked>)> = vec![
        ("1,000 peers, one job: addresses of their own", set(1_000, 1, 0..OWN, true)),
        ("1,000 peers, one job: half on shared hosts with a claim", set(1_000, 1, 0..INSTANCES, true)),
        ("1,000 peers, one job: half on shared hosts without a claim", set(1_000, 1, 0..INSTANCES, false)),
        ("random peers, one job: half on shared hosts with a claim", set(200_000, 1, 0..INSTANCES, true)),
        ("1,000 peers, 1,000 jobs: addresses of their own", set(1_000, JOBS, 0..OWN, true)),
        ("1,000 peers, 1,000 jobs: half on shared hosts with a claim", set(1_000, JOBS, 0..INSTANCES, true)),
        (
            "random peers, 1,000 jobs: half on shared hosts with a claim",
            set(200_000, JOBS, 0..INSTANCES, true),
        ),
        ("1,000 strangers, 1,000 jobs", strangers()),
    ];
    for (what, set) in &sets {
        let mut next = 0;
        let mut allowed = 0u64;
        c.bench_function(&format!("decide: {what}"), |b| {
            b.iter(|| {
                let asked = &set[next];
                next = (next + 1) % set.len();
                let policy = table.policy(&asked.job).unwrap();
                let query = Query {
                    peer: asked.peer,
                    claim: asked.claim.as_deref().map_or(Claim::None, Claim::Name),
                    proof: Shown::default(),
                    owner: None,
                    own: &[],
                    port: policy.port(1111),
                    http: Http::Not,
                    now: Timestamp::from_seconds(1_800_000_000),
                    stale: Duration::ZERO,
                };
                let decision = table.decide(policy, black_box(&query));
                allowed += u64::from(decision.allows());
                decision.verdict
            });
        });
        assert!(
            allowed > 0 || what.contains("strangers"),
            "{what}: nobody was let in, which measures nothing"
        );
    }
}

fn compiling(c: &mut Criterion) {
    let snapshot = world();
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    group.bench_function("10,000 rules and 100,000 instances from nothing", |b| {
        b.iter(|| {
            let mut compiler = Compiler::default();
            compiler.update(black_box(&snapshot));
            compiler
        });
    });
    let change = |key: &str, value: String| {
        let at = Revision(4);
        let batch = Batch { revision: at, changes: vec![Change::Put(entry(key.into(), value, 4))] };
        Arc::new(apply(&snapshot, &batch))
    };
    let (job, id) = {
        let (job, id, _) = snapshot.all_instances().nth(500).unwrap();
        (job.clone(), *id)
    };
    for (what, next) in [
        ("one rule to a job", change("rules/r1", rule(11).replace("j11", "j1"))),
        ("one rule to a company of 500 jobs", change("rules/r7", rule(17))),
        ("one guard", change("guards/owt.o1", "{}".into())),
        (
            "one instance moves",
            change(
                &format!("instances/{job}/{id}"),
                r#"{"address":"10.9.9.9","ports":{"main":1111}}"#.into(),
            ),
        ),
    ] {
        let mut compiler = Compiler::default();
        compiler.update(&snapshot);
        let mut forth = false;
        group.bench_function(format!("{what}, there or back"), |b| {
            b.iter(|| {
                forth = !forth;
                compiler.update(if forth { &next } else { &snapshot })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decisions, compiling);
criterion_main!(benches);
