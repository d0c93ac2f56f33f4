//! Starts the command: with what init itself was given, not with what init made of it.
//!
//! The standard library lets a child inherit the blocked signals of its parent and sets SIGPIPE to its default.
//! Init blocks everything, so both are put back to what they were when init was started.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::stdio::stdin;
use rustix::termios::isatty;

use crate::signal::Signal;
use crate::sys::mask::SignalSet;
use crate::sys::pre_exec::on_pre_exec;
use crate::sys::signalfd::SignalFd;
use crate::sys::{before_main, disposition, session, tty};

/// What the command inherits. Plain values: the child reads them between fork and exec.
#[derive(Clone, Copy)]
pub(crate) struct Inheritance {
    mask: SignalSet,
    sigpipe_ignored: bool,
    sigchld_ignored: bool,
    own_session: bool,
}

impl Inheritance {
    /// Blocks every signal and remembers how things were. Call it before any thread exists, so that none of them
    /// ever takes a signal.
    pub(crate) fn remember() -> io::Result<Self> {
        let mask = SignalSet::all().block()?;
        let sigchld_ignored = disposition::is_ignored(libc::SIGCHLD);
        // Children of a process that ignores SIGCHLD vanish without a status (waitpid(2), "Linux notes").
        disposition::set_ignored(libc::SIGCHLD, false)?;
        let sigpipe_ignored = before_main::sigpipe_was_ignored();
        Ok(Self { mask, sigpipe_ignored, sigchld_ignored, own_session: false })
    }

    /// With a session, and so a process group, of the command's own.
    pub(crate) fn with_own_session(self, own_session: bool) -> Self {
        Self { own_session, ..self }
    }

    /// Called in the child, between fork and exec: async-signal-safe calls only.
    pub(crate) fn take(&self) -> io::Result<()> {
        if self.own_session {
            setsid()?;
            // The session's terminal, with the command's group in its foreground (tty_ioctl(4)). It fails where
            // stdin is no terminal (ENOTTY), is gone (ENXIO, EIO), or belongs to another session, as on a host's
            // shell (EPERM). The command runs as well without.
            let _ = ioctl_tiocsctty(stdin());
        }
        disposition::set_ignored(libc::SIGPIPE, self.sigpipe_ignored)?;
        disposition::set_ignored(libc::SIGCHLD, self.sigchld_ignored)?;
        // Last, so that no pending signal ends the child half-way.
        self.mask.block().map(drop)
    }
}

/// The started command, known by its process id; its process group has the same number if it has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommandId(pub(crate) i32);

/// Starts `command` (a program and its arguments) with `variables` added to the environment.
pub(crate) fn start(
    command: &[OsString],
    variables: Vec<(String, String)>,
    inheritance: Inheritance,
) -> io::Result<CommandId> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    if inheritance.own_session {
        release_terminal()?;
    }
    let mut command = Command::new(program);
    command.args(arguments).envs(variables);
    on_pre_exec(&mut command, inheritance);
    // The handle is dropped unwaited on purpose: the main loop reaps everything.
    let child = command.spawn()?;
    i32::try_from(child.id()).map(CommandId).map_err(io::Error::other)
}

/// A terminal controls one session only: as its leader, as in a container with a terminal, init gives it up for
/// the command's session.
fn release_terminal() -> io::Result<()> {
    if !session::is_led_by_self() || !isatty(stdin()) || tty::give_up(stdin()).is_err() {
        return Ok(());
    }
    // The kernel has told init's group about it (tty_ioctl(4), TIOCNOTTY); nobody else meant these two.
    let told = SignalFd::new(&SignalSet::of(&[Signal::HUP.number(), Signal::CONT.number()]))?;
    while told.next()?.is_some() {}
    Ok(())
}
