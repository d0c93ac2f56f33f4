//! Row 3: what an instance costs, in a snapshot by the allocator's count and in a whole gateway by the kernel's.

use roundhouse_benches::{Samples, instance_key, process};
use roundhouse_registry::Snapshot;
use roundhouse_registry::kv::{Entry, LeaseId, Listing, Revision};
use roundhouse_tests::Signal;

use crate::allocator::{chunk, grown};
use crate::options::Options;
use crate::report::{Figure, Report};
use crate::world::{EACH, JOBS, World, instance_record, saved};

/// Bytes an instance beyond its strings.
const AIM: f64 = 600.0;

pub(crate) fn run(_: &Options, world: &mut World, report: &mut Report) {
    for (jobs, each) in [(10, 100), (100, 100), (1_000, 100)] {
        let what = format!("snapshot of {jobs} jobs x {each}: an instance beyond its strings");
        report.add(Figure::single(3, what, "B", in_a_snapshot(jobs, each), jobs * each).at_most(AIM));
    }
    let what = "snapshot of 100000 jobs x 1: an instance with its job's map";
    report.add(Figure::single(3, what, "B", in_a_snapshot(100_000, 1), 100_000));
    report.note(
        3,
        "snapshot: live bytes as glibc rounds them; the records have a host, a line, a version, two ports",
    );
    whole_gateway(world, report);
}

fn in_a_snapshot(jobs: usize, each: usize) -> f64 {
    let count = jobs * each;
    let entries: Vec<Entry> = (0..count)
        .map(|n| Entry {
            key: instance_key(&format!("app{}", n % jobs), n),
            value: instance_record(n).into(),
            created: Revision(1),
            modified: Revision(1),
            lease: Some(LeaseId(n as i64 + 1)),
        })
        .collect();
    // Allocated before the count begins, freed while it runs.
    let listed: isize =
        entries.iter().map(|entry| chunk(entry.key.capacity()) + chunk(entry.value.len())).sum::<isize>()
            + chunk(entries.capacity() * size_of::<Entry>());
    let strings: usize = (0..count).map(|n| format!("core-app-{n}").len() + "59559fd".len()).sum();
    let listing = Listing { origin: "bench".into(), revision: Revision(1), entries };
    let (snapshot, live) = grown(|| Snapshot::from_listing(listing));
    assert!(snapshot.quarantine.is_empty(), "{:?}", snapshot.quarantine);
    assert_eq!(snapshot.instance_count(), count);
    (live + listed - strings as isize) as f64 / count as f64
}

fn whole_gateway(world: &mut World, report: &mut Report) {
    let mut at_none = 0.0;
    for each in [0, 1, 10, EACH] {
        world.grow(each);
        let mut gateway = world.gateway();
        gateway.run();
        saved(&gateway);
        let pid = gateway.process().pid();
        let (now, most) = (process::memory(pid, "VmRSS"), process::memory(pid, "VmHWM"));
        gateway.process().signal(Signal::TERM);
        gateway.stopped();

        let count = JOBS * each;
        let one = |value: f64| Samples::from_iter([value]);
        let what = format!("gateway process, {JOBS} jobs, {count} instances: RSS");
        report.add(Figure::new(3, what, "MiB", &one(now / 1_048_576.0)));
        if count == 0 {
            at_none = now;
        } else {
            let growth = (now - at_none) / count as f64;
            report.add(Figure::single(
                3,
                "  growth an instance, strings and table with it",
                "B",
                growth,
                count,
            ));
        }
        report.note(
            3,
            format!("gateway process at {count}: the most there ever was {:.0} MiB", most / 1_048_576.0),
        );
    }
}
