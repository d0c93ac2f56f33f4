//! kill(2). rustix has it too, but cannot name real-time signals.
#![allow(unsafe_code)] // Any foreign function is unsafe to call; this one takes two numbers.

use std::io;

use super::checked;

/// Sends `signal` to a process, or to a process group where `target` is negative; signal 0 only asks whether
/// there is anyone.
pub(crate) fn kill(target: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes and returns numbers; the kernel checks both.
    checked(unsafe { libc::kill(target, signal) }).map(drop)
}
