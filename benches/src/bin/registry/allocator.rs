//! An allocator that counts what is live, while it is told to.

// The one way to count allocations; both calls go to the system's allocator unchanged.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

pub(crate) struct Counting;

/// Off, it costs a predicted branch.
static COUNTS: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicIsize = AtomicIsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|| chunk(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(|| -chunk(layout.size()));
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(|| chunk(size) - chunk(layout.size()));
        unsafe { System.realloc(memory, layout, size) }
    }
}

fn count(bytes: impl FnOnce() -> isize) {
    if COUNTS.load(Relaxed) {
        LIVE.fetch_add(bytes(), Relaxed);
    }
}

/// What glibc takes for it: a header of 8 bytes, rounded up to 16, at least 32.
pub(crate) fn chunk(size: usize) -> isize {
    (size + 8).next_multiple_of(16).max(32) as isize
}

/// What `make` makes, and by how many bytes more are live after it. Nothing else may run meanwhile.
pub(crate) fn grown<T>(make: impl FnOnce() -> T) -> (T, isize) {
    LIVE.store(0, Relaxed);
    COUNTS.store(true, Relaxed);
    let made = make();
    COUNTS.store(false, Relaxed);
    (made, LIVE.load(Relaxed))
}
