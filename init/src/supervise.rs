//! What PID 1 does next: a state machine that decides and never acts.
//!
//! ```text
//! Running ── TERM or INT, registered ──► Draining ── written, waited ──► Stopping ──► Ending ──► finished
//!    │                                      └── second TERM or INT ─────────►│          ▲
//!    ├── TERM or INT, not registered ───────────────────────────────────────►│          │
//!    └── the command ends, from any phase ──────────────────────────────────────────────┘
//! ```
//!
//! Facts come in through the `on_*` methods with the time they were seen; [`Action`]s come out, to be carried out
//! in order by [`run`](crate::run). Nothing here makes a system call, so every path is tested without a process.

use std::time::{Duration, Instant};

use crate::exit::ExitStatus;
use crate::rewrite::{Rewrites, Rewritten};
use crate::signal::Signal;

/// How long the state `draining` may take to be written before the stop goes on without it. A registry that does
/// not answer must not use up the time a container engine gives (10 s by default) before it kills.
const DRAIN_WRITE_LIMIT: Duration = Duration::from_secs(2);

/// How long the registrar may take to revoke the lease. What is left then expires with its TTL.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// How long to wait for a group after KILL: only a process stuck in the kernel outlives it, and waiting longer
/// for such a one helps nobody.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// How often a group without a leader is asked whether it still has members. The end of a child wakes init at
/// once; this is for members that are somebody else's children.
const GROUP_POLL: Duration = Duration::from_millis(20);

/// What the settings say about signals and time.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// The command leads a session and a process group of its own; otherwise signals reach only itself.
    pub(crate) own_session: bool,
    pub(crate) rewrites: Rewrites,
    /// From the end of the command until the rest of its group is killed.
    pub(crate) grace: Duration,
    /// From the written state `draining` until the command is told to stop.
    pub(crate) drain_wait: Duration,
}

/// What to do, in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send a signal to the command's group, or to the command alone with `--single-child`.
    Send(Signal),
    /// Stop init itself, as a shell expects after ^Z.
    StopSelf,
    /// Have the registrar write the state `draining`.
    Drain,
    /// Have the registrar revoke the lease and end.
    Leave,
}

/// What the registrar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// The instance is in the registry.
    Registered,
    /// It is not, or no longer, and the registrar works on it.
    Unregistered,
    /// The state `draining` is written.
    Drained,
    /// The registrar has ended: nothing of ours is in the registry any more, or nothing can be done about it.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// `stop` is withheld until `until`.
    Draining {
        stop: Signal,
        until: Instant,
    },
    Stopping,
    /// The command has ended with `status`. The rest of its group is being ended.
    Ending {
        status: ExitStatus,
        group: Group,
        leave_until: Instant,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Told { kill_at: Instant },
    Killed { give_up_at: Instant },
    Gone,
}

/// Where the registrar stands, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registrar {
    Unregistered,
    Registered,
    /// There is none, or it has ended.
    Gone,
}

pub(crate) struct Supervisor {
    policy: Policy,
    phase: Phase,
    registrar: Registrar,
    /// TERMs and INTs so far.
    stops: u32,
}

impl Supervisor {
    pub(crate) fn new(policy: Policy, has_registrar: bool) -> Self {
        let registrar = if has_registrar { Registrar::Unregistered } else { Registrar::Gone };
        Self { policy, phase: Phase::Running, registrar, stops: 0 }
    }

    /// A signal other than SIGCHLD has arrived.
    pub(crate) fn on_signal(&mut self, signal: Signal, now: Instant) -> Vec<Action> {
        let rewritten = self.policy.rewrites.apply(signal);
        let send = match rewritten {
            Rewritten::Dropped => return Vec::new(),
            Rewritten::To(other) => other,
            // A group of its own session is orphaned, and the kernel never stops such a group by TSTP, TTIN or
            // TTOU (setpgid(2), POSIX "orphaned process group"), so it gets the signal that always works.
            Rewritten::Unchanged if signal.is_job_control() && self.policy.own_session => Signal::STOP,
            Rewritten::Unchanged => signal,
        };
        if signal.asks_to_stop() || send.asks_to_stop() {
            return self.on_stop(send, now);
        }
        if signal.is_job_control() && (send == Signal::STOP || send.is_job_control()) {
            return vec![Action::Send(send), Action::StopSelf];
        }
        vec![Action::Send(send)]
    }

    /// The command itself has ended.
    pub(crate) fn on_command_ended(&mut self, status: ExitStatus, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.registrar != Registrar::Gone {
            actions.push(Action::Leave);
        }
        let group = if self.policy.own_session {
            // A stopped process gets TERM only when it continues.
            actions.extend([Action::Send(Signal::TERM), Action::Send(Signal::CONT)]);
            Group::Told { kill_at: now + self.policy.grace }
        } else {
            Group::Gone
        };
        self.phase = Phase::Ending { status, group, leave_until: now + LEAVE_LIMIT };
        actions
    }

    /// After the command's end: the group has no members left.
    pub(crate) fn on_group_gone(&mut self) {
        if let Phase::Ending { group, .. } = &mut self.phase {
            *group = Group::Gone;
        }
    }

    pub(crate) fn on_news(&mut self, news: News, now: Instant) -> Vec<Action> {
        match news {
            News::Registered => self.registrar = Registrar::Registered,
            News::Unregistered => self.registrar = Registrar::Unregistered,
            News::Drained => {
                if let Phase::Draining { until, .. } = &mut self.phase {
                    *until = now + self.policy.drain_wait;
                }
            }
            News::Gone => {
                self.registrar = Registrar::Gone;
                return self.stop_draining();
            }
        }
        Vec::new()
    }

    /// Time has passed: what was due by `now`.
    pub(crate) fn on_time(&mut self, now: Instant) -> Vec<Action> {
        match &mut self.phase {
            Phase::Draining { until, .. } if *until <= now => self.stop_draining(),
            Phase::Ending { group, .. } => match *group {
                Group::Told { kill_at } if kill_at <= now => {
                    *group = Group::Killed { give_up_at: now + AFTER_KILL };
                    vec![Action::Send(Signal::KILL)]
                }
                Group::Killed { give_up_at } if give_up_at <= now => {
                    *group = Group::Gone;
                    Vec::new()
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// When to call [`Self::on_time`] at the latest.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        match self.phase {
            Phase::Running | Phase::Stopping => None,
            Phase::Draining { until, .. } => Some(until),
            Phase::Ending { group: Group::Gone, leave_until, .. } => Some(leave_until),
            Phase::Ending {
                group: Group::Told { kill_at: end } | Group::Killed { give_up_at: end }, ..
            } => Some(end.min(now + GROUP_POLL)),
        }
    }

    /// Whether the command has ended and its group is still to be watched.
    pub(crate) fn awaits_group(&self) -> bool {
        matches!(self.phase, Phase::Ending { group: Group::Told { .. } | Group::Killed { .. }, .. })
    }

    /// The command's status, once nothing is left to do.
    pub(crate) fn finished(&self, now: Instant) -> Option<ExitStatus> {
        match self.phase {
            Phase::Ending { status, group: Group::Gone, leave_until } => {
                (self.registrar == Registrar::Gone || leave_until <= now).then_some(status)
            }
            _ => None,
        }
    }

    fn on_stop(&mut self, send: Signal, now: Instant) -> Vec<Action> {
        self.stops = self.stops.saturating_add(1);
        if self.stops > 2 {
            return vec![Action::Send(Signal::KILL)];
        }
        match (self.phase, self.registrar) {
            (Phase::Running, Registrar::Registered) => {
                self.phase = Phase::Draining { stop: send, until: now + DRAIN_WRITE_LIMIT };
                vec![Action::Drain]
            }
            (Phase::Running, Registrar::Unregistered) => {
                self.phase = Phase::Stopping;
                // Nobody is to be sent here while the command shuts down.
                vec![Action::Leave, Action::Send(send)]
            }
            (Phase::Running, Registrar::Gone) => {
                self.phase = Phase::Stopping;
                vec![Action::Send(send)]
            }
            // It skips the drain and no more: sent on as well, an INT could end the command before it has
            // handled the withheld TERM.
            (Phase::Draining { .. }, _) => self.stop_draining(),
            (Phase::Stopping | Phase::Ending { .. }, _) => vec![Action::Send(send)],
        }
    }

    /// Hands over the withheld signal.
    fn stop_draining(&mut self) -> Vec<Action> {
        let Phase::Draining { stop, .. } = self.phase else { return Vec::new() };
        self.phase = Phase::Stopping;
        vec![Action::Send(stop)]
    }
}

#[cfg(test)]
#[path = "supervise_tests.rs"]
mod tests;
