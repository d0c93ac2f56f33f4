//! What the log counts, and what its thread is told. Shared by workers, writer, `/metrics` and SIGHUP.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
pub struct State {
    written: AtomicU64,
    dropped: AtomicU64,
    errors: AtomicU64,
    reopen: AtomicBool,
}

impl State {
    /// Lines that the file has.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Lines that it has not: the writer was too slow, or the file could not be written.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Writes and opens that failed.
    pub fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }

    /// The file is opened anew within a second, whatever it is now.
    pub fn reopen(&self) {
        self.reopen.store(true, Relaxed);
    }

    pub(super) fn is_to_reopen(&self) -> bool {
        self.reopen.swap(false, Relaxed)
    }

    pub(super) fn add_written(&self, lines: u64) {
        self.written.fetch_add(lines, Relaxed);
    }

    pub(super) fn add_dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Relaxed);
    }

    pub(super) fn add_error(&self) {
        self.errors.fetch_add(1, Relaxed);
    }
}
