//! What a check costs in memory, counted by the allocator: nothing.

#![allow(clippy::unwrap_used, clippy::panic)]
// The one way to count allocations; both calls go to the system's allocator unchanged.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::IpAddr;
use std::time::Instant;

use roundhouse_registry::access::guard::{Ask, Guard, Options};
use roundhouse_registry::access::{Claim, Reason};

/// Checks that are counted.
const CHECKS: u32 = 10_000;

thread_local! {
    /// Of this thread alone: the guard's own may do what it likes.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread at its end has no counter any more.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

const FILE: &str = r#"{
    "jobs/redis": {"jobname": "job.redis_cop.x", "ports": [{"name": "main", "port": 6379}]},
    "rules/app": {"to": {"job": "redis"}, "from": {"jobname": "job.app"}, "action": "allow", "ports": ["main"]},
    "rules/bad": {"to": {"job": "redis"}, "from": {"cidr": ["10.0.0.66/32"]}, "action": "deny"},
    "instances/app/0a1b2c3d-0000-4000-8000-000000000001":
        {"address": "10.0.0.7", "ports": {"main": 1111}, "shared_ip": true},
    "instances/app/0a1b2c3d-0000-4000-8000-000000000003": {"address": "10.0.0.66", "ports": {"main": 1111}},
    "instances/other/0a1b2c3d-0000-4000-8000-000000000002":
        {"address": "10.0.0.7", "ports": {"main": 1112}, "shared_ip": true}
}"#;

#[test]
fn a_check_allocates_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), FILE).unwrap();
    // Port 9 (discard): nobody is there.
    let mut options = Options::new("etcd://127.0.0.1:9".parse().unwrap(), "redis".parse().unwrap());
    options.bootstrap = Some(file.path().to_owned());
    let guard = Guard::open(options).unwrap();
    let peer = |text: &str| text.parse::<IpAddr>().unwrap();
    let ask = Ask::new(peer("10.0.0.7"), 6379);
    for (what, ask, reason) in [
        ("one of two jobs", ask.claiming(Some("job.app")), Reason::Rule),
        ("which of two jobs is not said", ask, Reason::Guarded),
        ("a false claim", ask.claiming(Some("job.none")), Reason::FalseClaim),
        ("a stranger", Ask { peer: peer("192.0.2.1"), ..ask }, Reason::Guarded),
        ("a denied address, IPv4-mapped", Ask { peer: peer("::ffff:10.0.0.66"), ..ask }, Reason::Rule),
        ("a token of nobody", Ask { token: Some("rh_x"), claim: Claim::Garbled, ..ask }, Reason::FalseClaim),
        ("a request", ask.claiming(Some("job.app")).requesting("GET", "/a/b?c=d"), Reason::Rule),
    ] {
        // The first look of a thread makes room for its looks.
        assert_eq!(guard.check_with(&ask).reason, reason, "{what}");
        let (before, began) = (ALLOCATIONS.get(), Instant::now());
        for _ in 0..CHECKS {
            std::hint::black_box(guard.check_with(std::hint::black_box(&ask)));
        }
        let (allocated, took) = (ALLOCATIONS.get() - before, began.elapsed() / CHECKS);
        println!("{what}: {took:?} a check, {allocated} allocations");
        assert_eq!(allocated, 0, "{what}");
    }
}
