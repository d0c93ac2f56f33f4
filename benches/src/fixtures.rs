//! A registry of any size, made without a store.

use roundhouse::table::{Facts, Own};
use roundhouse_registry::Snapshot;
use roundhouse_registry::kv::{Entry, Listing, Revision};
use roundhouse_registry::probe::Verdict;

/// A gateway with two workers that listens nowhere.
///
/// # Panics
/// Never: the texts are right.
pub fn facts() -> Facts {
    let vips = "127.99.0.0/16".parse().expect("a prefix");
    Facts {
        zone: "jobs.coding.net".parse().expect("a zone"),
        vips,
        own: Own::new(vips, Vec::new()),
        workers: 2,
        hub: false,
        newcomer: Verdict::Healthy,
    }
}

/// `jobs` jobs with `instances` instances each.
pub fn snapshot(jobs: usize, instances: usize) -> Snapshot {
    let at = Revision(1);
    let entry = |key: String, value: String| Entry {
        key,
        value: value.into(),
        created: at,
        modified: at,
        lease: None,
    };
    let mut entries = Vec::with_capacity(jobs * (instances + 2));
    for job in 0..jobs {
        entries.push(entry(
            format!("jobs/app{job}"),
            format!(r#"{{"jobname":"job.app{job}","ports":[{{"name":"main","port":1111}}]}}"#),
        ));
        entries.push(entry(format!("vips/app{job}"), format!(r#"{{"offset":{}}}"#, job + 1)));
        for instance in 0..instances {
            entries.push(instance_entry(job, instance, at));
        }
    }
    Snapshot::from_listing(Listing { origin: "bench".into(), revision: at, entries })
}

/// `count` jobs without instances, each with a VIP and a JOBNAME of its own, and as many domains, each second of which is
/// a wildcard.
pub fn names(count: usize) -> Snapshot {
    let entries = (0..count).flat_map(|n| {
        let domain = if n % 2 == 0 { format!("d{n}.example.net") } else { format!("*.d{n}.example.net") };
        let jobname = format!("job.app{n}_service.s{}_cop.coding", n % 100);
        [
            (
                format!("jobs/app{n}"),
                format!(r#"{{"jobname":"{jobname}","ports":[{{"name":"main","port":1111}}]}}"#),
            ),
            (format!("vips/app{n}"), format!(r#"{{"offset":{}}}"#, n + 1)),
            (format!("domains/{domain}"), format!(r#"{{"routes":[{{"to":[{{"job":"app{n}"}}]}}]}}"#)),
        ]
    });
    let at = Revision(1);
    let entry = |(key, value): (String, String)| Entry {
        key,
        value: value.into(),
        created: at,
        modified: at,
        lease: None,
    };
    let entries = entries.map(entry).collect();
    Snapshot::from_listing(Listing { origin: "bench".into(), revision: at, entries })
}

/// One instance of one job.
pub fn instance_entry(job: usize, instance: usize, at: Revision) -> Entry {
    let n = job * 1_000 + instance;
    Entry {
        key: format!("instances/app{job}/0a1b2c3d-0000-4000-8000-{n:012}"),
        value: format!(
            r#"{{"address":"10.{}.{}.{}","ports":{{"main":1111}}}}"#,
            n >> 16 & 255,
            n >> 8 & 255,
            n & 255
        )
        .into(),
        created: at,
        modified: at,
        lease: None,
    }
}
