//! On the kernel with IPVS: each in turn, on the same set.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lvs_sync::desired::Held;
use lvs_sync::ipvsadm;
use lvs_sync::model::Services;
use lvs_sync::plan::State;
use lvs_sync::sink::ipvs::Ipvs;
use lvs_sync::sync::{Round, StateFile, Sync};
use roundhouse_registry::Snapshot;
use roundhouse_registry::kv::{Entry, Listing, Revision};
use roundhouse_registry::record::{Sink, Timestamp};

use crate::figures::{Cost, Figures, MARK};
use crate::latency;

const SAVED: &str = "/run/saved";

pub(crate) fn run(services: usize, rounds: usize) {
    let snapshot = snapshot(services);
    let mut sync = fresh();
    let wanted = sync.wanted(&snapshot, Timestamp::now());
    let table: Services = wanted.services.into_iter().map(|(key, wanted)| (key, wanted.service)).collect();
    assert_eq!(table.len(), services);
    std::fs::write(SAVED, ipvsadm::table(&table)).expect("a file");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    let mut figures = Figures { kernel: kernel.trim().to_owned(), services, ..Figures::default() };
    for _ in 0..rounds {
        program("ipvsadm -C");
        figures.restore.push(program(&format!("ipvsadm -R <{SAVED}")));
        figures.save.push(program("ipvsadm -Sn >/dev/null"));
        program("ipvsadm -C");
        sync = fresh();
        let file = StateFile::open("/run/lvs-sync.state".as_ref()).expect("a file");
        let round = |sync: &mut Sync, look| {
            let round = Round { look, ..Round::default() };
            let done = sync.round(&snapshot, Timestamp::now(), round, |state| file.save(Sink::Ipvs, state));
            done.expect("a round").plan.ops.len()
        };
        figures.first_sync.push(own(|| assert_eq!(round(&mut sync, true), services * 11)));
        figures.look.push(own(|| assert_eq!(round(&mut sync, true), 0)));
        figures.second_operations += round(&mut sync, true) as u64;
    }
    program("ipvsadm -C");
    drop(sync);
    figures.latency = latency::run(services.min(latency::SERVICES));
    println!("{MARK}{}", serde_json::to_string(&figures).expect("figures"));
}

fn fresh() -> Sync {
    Sync::new(Box::new(Ipvs::new()), Held::All, State::default())
}

/// So many jobs with 10 instances and a pool each.
fn snapshot(services: usize) -> Snapshot {
    let entry = |(key, value): (String, String)| Entry {
        key,
        value: value.into(),
        created: Revision(1),
        modified: Revision(1),
        lease: None,
    };
    let entries = latency::records(services).map(entry).collect();
    Snapshot::from_listing(Listing { origin: "bench".into(), revision: Revision(1), entries })
}

/// What a program costs, its start and its end included.
fn program(script: &str) -> Cost {
    let (began, before) = (Instant::now(), usage(libc::RUSAGE_CHILDREN));
    let status = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).status().expect("a shell");
    assert!(status.success(), "{script}");
    Cost { cpu: (usage(libc::RUSAGE_CHILDREN) - before).as_secs_f64(), clock: began.elapsed().as_secs_f64() }
}

fn own(work: impl FnOnce()) -> Cost {
    let (began, before) = (Instant::now(), usage(libc::RUSAGE_SELF));
    work();
    Cost { cpu: (usage(libc::RUSAGE_SELF) - before).as_secs_f64(), clock: began.elapsed().as_secs_f64() }
}

/// User and system time (getrusage(2)).
#[allow(unsafe_code)] // No wrapper of ours or of a library's has it.
fn usage(who: libc::c_int) -> Duration {
    // SAFETY: the structure is plain numbers, and the call fills it or fails.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(who, &raw mut usage), 0);
        usage
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000);
    time(usage.ru_utime) + time(usage.ru_stime)
}
