//! System calls that neither the standard library nor rustix offers in a safe form.
//!
//! Each module wraps one call and is the only kind of place where `unsafe` is allowed. None of them decides
//! anything: what is sent, blocked or ignored is said by the callers.

pub(crate) mod before_main;
pub(crate) mod disposition;
pub(crate) mod kill;
pub(crate) mod mask;
pub(crate) mod pre_exec;
pub(crate) mod session;
pub(crate) mod signalfd;
pub(crate) mod tty;

use std::io;

/// The error convention of libc: -1 means that errno says why.
fn checked(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}
