//! What an instance costs in a snapshot, counted by the allocator: at most 600 bytes beyond its strings.

#![allow(clippy::unwrap_used)]
// The one way to count allocations; both calls go to the system's allocator unchanged.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use roundhouse_registry::Snapshot;
use roundhouse_registry::kv::{Entry, LeaseId, Listing, Revision};

/// Bytes an instance, its strings not counted (the design's "Speed").
const MOST: usize = 600;

static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(chunk(layout.size()), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(chunk(layout.size()), Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }
}

/// What glibc takes for it: a header of 8 bytes, rounded up to 16, at least 32.
fn chunk(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

/// A record, and how many bytes of it are strings of its own.
type Make = fn(usize) -> (String, usize);

/// A record as job-init writes it.
fn full(n: usize) -> (String, usize) {
    let (host, version) = (format!("core-app-{n}"), "59559fd");
    let value = format!(
        r#"{{"address":"10.{}.{}.{}","ports":{{"main":{},"admin":2222}},"host":"{host}","line":"telecom","zone":"rack-7",
            "weight":100,"state":"up","version":"{version}","started":1767225600,"proof":"{}","meta":{{}}}}"#,
        n >> 16 & 255,
        n >> 8 & 255,
        n & 255,
        // Ports of its own, as a container gets them: nothing to share.
        10_000 + n % 50_000,
        "5e".repeat(32),
    );
    (value, host.len() + version.len())
}

fn short(n: usize) -> (String, usize) {
    let address = format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255);
    (format!(r#"{{"address":"{address}","ports":{{"main":1111}}}}"#), 0)
}

/// Bytes an instance beyond its strings, in a snapshot of `jobs` times `each`.
fn measure(jobs: usize, each: usize, record: Make) -> usize {
    let count = jobs * each;
    let mut strings = 0;
    let mut entries = Vec::new();
    for n in 0..count {
        let (value, bytes) = record(n);
        strings += bytes;
        // As UUIDs are, in no order of their making.
        let id = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let key =
            format!("instances/app{}/{:08x}-0000-4000-8000-{:012x}", n % jobs, id >> 32, id & 0xffff_ffff);
        let (created, modified) = (Revision(n as u64), Revision(n as u64));
        entries.push(Entry {
            key,
            value: value.into(),
            created,
            modified,
            lease: Some(LeaseId(n as i64 + 1)),
        });
    }
    let listed: usize =
        entries.iter().map(|entry| chunk(entry.key.capacity()) + chunk(entry.value.len())).sum::<usize>()
            + chunk(entries.capacity() * size_of::<Entry>());
    let before = LIVE.load(Ordering::Relaxed) - listed;
    let snapshot = Snapshot::from_listing(Listing { origin: "test".into(), revision: Revision(1), entries });
    let live = LIVE.load(Ordering::Relaxed) - before;
    assert!(snapshot.quarantine.is_empty(), "{:?}", snapshot.quarantine);
    assert_eq!(snapshot.all_instances().count(), count);
    (live - strings) / count
}

#[test]
fn an_instance_costs_at_most_600_bytes_beyond_its_strings() {
    for (jobs, each, records) in [
        (10, 100, [short as Make, full].as_slice()),
        (100, 100, &[short, full]),
        // As many again takes a test build seconds; the dearer record will do.
        (1_000, 100, &[full]),
    ] {
        for record in records {
            let bytes = measure(jobs, each, *record);
            println!("{jobs} jobs x {each} instances, {}: {bytes} bytes an instance", record(0).0);
            assert!(bytes <= MOST, "{jobs} jobs x {each} instances: {bytes} bytes an instance");
        }
    }
    println!(
        "10000 jobs of one instance: {} bytes an instance, with its job's map",
        measure(10_000, 1, short)
    );
}
