//! sigaction(2), as far as the choice between "ignored" and "default" goes.
#![allow(unsafe_code)] // sigaction(2) takes raw pointers.

use std::{io, ptr};

use super::checked;

/// Whether the process ignores a signal. A number that is no signal is ignored by nobody.
pub(crate) fn is_ignored(signal: i32) -> bool {
    // SAFETY: a zeroed sigaction is a valid one; the call only writes to it and changes nothing.
    let (returned, action) = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, ptr::null(), &raw mut action), action)
    };
    returned == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Ignores a signal or gives it its default action. Async-signal-safe.
pub(crate) fn set_ignored(signal: i32, ignored: bool) -> io::Result<()> {
    // SAFETY: a zeroed sigaction has an empty mask and no flags; neither SIG_IGN nor SIG_DFL runs code of ours.
    let returned = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        libc::sigaction(signal, &raw const action, ptr::null_mut())
    };
    checked(returned).map(drop)
}
