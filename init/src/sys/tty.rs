//! ioctl(2) TIOCNOTTY: gives up the controlling terminal.
#![allow(unsafe_code)] // ioctl(2) is variadic; rustix does not wrap this request.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::checked;

/// Detaches the calling process from its controlling terminal; when a session leader does it, the terminal is
/// free for another session, and the kernel sends SIGHUP and SIGCONT to its foreground group.
pub(crate) fn give_up(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the request takes no argument, and the descriptor is open as long as it is borrowed.
    checked(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY) }).map(drop)
}
