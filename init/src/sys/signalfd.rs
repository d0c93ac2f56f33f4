//! signalfd(2): blocked signals, read like a file.
#![allow(unsafe_code)] // The descriptor comes as a number, and what is read from it is a C struct.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{checked, mask::SignalSet};

/// A descriptor that is readable while one of its signals is pending. Never blocks; closed on exec.
pub(crate) struct SignalFd(OwnedFd);

impl SignalFd {
    /// `signals` must be blocked, or they take their action instead of arriving here.
    pub(crate) fn new(signals: &SignalSet) -> io::Result<Self> {
        // SAFETY: the set lives through the call; -1 asks for a new descriptor, which nobody else owns.
        unsafe {
            let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
            let descriptor = checked(libc::signalfd(-1, signals.as_ptr(), flags))?;
            Ok(Self(OwnedFd::from_raw_fd(descriptor)))
        }
    }

    /// The number of the next pending signal, or `None` when there is none.
    pub(crate) fn next(&self) -> io::Result<Option<i32>> {
        // SAFETY: the kernel writes whole structs only, into one of the size it is told; zeroes are a valid one.
        let (read, info) = unsafe {
            let mut info: libc::signalfd_siginfo = std::mem::zeroed();
            let size = size_of::<libc::signalfd_siginfo>();
            (libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size), info)
        };
        if read >= 0 {
            return Ok(i32::try_from(info.ssi_signo).ok());
        }
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
