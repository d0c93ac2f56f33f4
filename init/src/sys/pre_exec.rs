//! What the child does between fork and exec.
#![allow(unsafe_code)] // `CommandExt::pre_exec` is unsafe: between fork and exec little is allowed.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::command::Inheritance;

/// Has the child take its inheritance, last before exec, after the standard library's own preparations.
pub(crate) fn on_pre_exec(command: &mut Command, inheritance: Inheritance) {
    // SAFETY: only async-signal-safe calls are allowed here: no allocation, no locks (signal-safety(7)).
    // `Inheritance::take` makes nothing but plain system calls, on values that own nothing.
    unsafe { command.pre_exec(move || inheritance.take()) };
}
