//! sigprocmask(2): the set of blocked signals.
#![allow(unsafe_code)] // sigset_t is filled through raw pointers.

use std::{io, ptr};

use super::checked;

/// A set of signals.
#[derive(Clone, Copy)]
pub(crate) struct SignalSet(libc::sigset_t);

impl SignalSet {
    /// Every signal (KILL and STOP, which cannot be blocked, do no harm in it).
    pub(crate) fn all() -> Self {
        // SAFETY: sigfillset initialises the whole set, whatever it held.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut set);
            Self(set)
        }
    }

    pub(crate) fn of(signals: &[i32]) -> Self {
        // SAFETY: sigemptyset initialises the set; sigaddset refuses numbers that are no signals.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, *signal);
            }
            Self(set)
        }
    }

    /// Blocks exactly this set in the calling thread and returns what was blocked before. Threads started
    /// later inherit it. Async-signal-safe.
    pub(crate) fn block(&self) -> io::Result<Self> {
        // SAFETY: both pointers lead to sets that live through the call.
        unsafe {
            let mut before: libc::sigset_t = std::mem::zeroed();
            checked(libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, &raw mut before))?;
            Ok(Self(before))
        }
    }

    pub(super) fn as_ptr(&self) -> *const libc::sigset_t {
        ptr::from_ref(&self.0)
    }
}
