//! Whether SIGPIPE was ignored when this program was started.
//!
//! Rust's runtime sets SIGPIPE to ignored before `main`, so the answer has to be taken earlier: the C library
//! calls what stands in `.init_array` before it calls the runtime.
#![allow(unsafe_code)] // A constructor must be placed in a named section, which only `unsafe` may do.

use std::sync::atomic::{AtomicBool, Ordering};

use super::disposition;

static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

// SAFETY: the section holds pointers to functions of the C calling convention that the C library calls once,
// before `main`; this one makes a single async-signal-safe system call and needs nothing of Rust's runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = remember;

extern "C" fn remember() {
    SIGPIPE_IGNORED.store(disposition::is_ignored(libc::SIGPIPE), Ordering::Relaxed);
}

pub(crate) fn sigpipe_was_ignored() -> bool {
    SIGPIPE_IGNORED.load(Ordering::Relaxed)
}
