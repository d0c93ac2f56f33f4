//! The main loop: the only place that waits, reaps and sends.
//!
//! It sleeps in poll(2) on the signalfd and the registrar's pipe until one of them, or the next deadline, has
//! something for the [`Supervisor`], and carries out what that decides.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{WaitOptions, getpid, wait};

use crate::command::CommandId;
use crate::exit::ExitStatus;
use crate::log::log;
use crate::registrar::RegistrarThread;
use crate::signal::Signal;
use crate::supervise::{Action, News, Policy, Supervisor};
use crate::sys::kill::kill;
use crate::sys::signalfd::SignalFd;

pub(crate) struct Run {
    signals: SignalFd,
    registrar: Option<RegistrarThread>,
    supervisor: Supervisor,
    command: CommandId,
    /// For kill(2): the command, or minus its group; `None` once there is nobody, because numbers are reused.
    target: Option<i32>,
    /// The command leads a group of its own.
    has_group: bool,
}

impl Run {
    pub(crate) fn new(
        policy: Policy,
        signals: SignalFd,
        command: CommandId,
        registrar: Option<RegistrarThread>,
    ) -> Self {
        let has_group = policy.own_session;
        let target = Some(if has_group { -command.0 } else { command.0 });
        let supervisor = Supervisor::new(policy, registrar.is_some());
        Self { signals, registrar, supervisor, command, target, has_group }
    }

    /// Runs until the command and all that is to end with it have ended.
    pub(crate) fn until_finished(mut self) -> io::Result<ExitStatus> {
        let mut news_waits = false;
        loop {
            self.take_signals()?;
            if news_waits {
                self.take_news();
            }
            if self.supervisor.awaits_group() && self.group_is_gone() {
                self.target = None;
                self.supervisor.on_group_gone();
            }
            let due = self.supervisor.on_time(Instant::now());
            self.perform(&due);
            let now = Instant::now();
            if let Some(status) = self.supervisor.finished(now) {
                return Ok(status);
            }
            news_waits = self.wait(self.supervisor.wake_at(now))?;
        }
    }

    fn take_signals(&mut self) -> io::Result<()> {
        while let Some(number) = self.signals.next()? {
            match Signal::new(number) {
                Some(Signal::CHLD) => self.reap()?,
                Some(signal) => {
                    // News that came before the signal must be known when it is judged: whoever was told that the
                    // instance is registered may stop it, and it drains.
                    if self.has_news() {
                        self.take_news();
                    }
                    let actions = self.supervisor.on_signal(signal, Instant::now());
                    self.perform(&actions);
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Reaps until nothing is left: SIGCHLDs of several children coalesce into one.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            let (child, status) = match wait(WaitOptions::NOHANG) {
                Ok(Some(ended)) => ended,
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if child.as_raw_nonzero().get() != self.command.0 {
                continue;
            }
            let status = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => ExitStatus::exited(code),
                (None, Some(signal)) => ExitStatus::signalled(signal),
                (None, None) => continue,
            };
            if !self.has_group {
                self.target = None;
            }
            let actions = self.supervisor.on_command_ended(status, Instant::now());
            self.perform(&actions);
        }
    }

    fn take_news(&mut self) {
        let Some(registrar) = &mut self.registrar else { return };
        for news in registrar.news() {
            if news == News::Gone {
                // Its pipe would stay readable for ever.
                self.registrar = None;
            }
            let actions = self.supervisor.on_news(news, Instant::now());
            self.perform(&actions);
        }
    }

    fn perform(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Send(signal) => self.send(*signal),
                // Ignored where init is PID 1 of its namespace: nobody could continue it (pid_namespaces(7)).
                Action::StopSelf => {
                    let _ = kill(getpid().as_raw_nonzero().get(), Signal::STOP.number());
                }
                Action::Drain => self.registrar.iter().for_each(RegistrarThread::drain),
                Action::Leave => self.registrar.iter().for_each(RegistrarThread::leave),
            }
        }
    }

    fn send(&self, signal: Signal) {
        let Some(target) = self.target else { return };
        match kill(target, signal.number()) {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => log!("cannot send {signal}: {error}"),
            _ => {}
        }
    }

    fn group_is_gone(&self) -> bool {
        // EPERM would mean members that are not ours to signal: they are there.
        self.target.is_none_or(|target| kill(target, 0).is_err_and(|e| e.raw_os_error() == Some(libc::ESRCH)))
    }

    /// Sleeps until there is a signal, news or `wake_at`; says whether there is news.
    fn wait(&self, wake_at: Option<Instant>) -> io::Result<bool> {
        let mut descriptors: Vec<PollFd<'_>> = [Some(self.signals.as_fd()), self.news_descriptor()]
            .into_iter()
            .flatten()
            .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
            .collect();
        let timeout = wake_at.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut descriptors, timeout.as_ref()) {
            // Stopped and continued (signal(7), "Interruption of system calls by stop signals").
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(descriptors.get(1).is_some_and(|news| !news.revents().is_empty()))
    }

    fn has_news(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.news_descriptor().is_some_and(|news| {
            let mut news = [PollFd::from_borrowed_fd(news, PollFlags::IN)];
            poll(&mut news, Some(&now)).is_ok_and(|ready| ready > 0)
        })
    }

    fn news_descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.registrar.as_ref().map(AsFd::as_fd)
    }
}
