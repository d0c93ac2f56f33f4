//! Signals as people write them: `TERM`, `SIGTERM`, `15`, `RTMIN+1`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The number of a signal the kernel knows, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal(i32);

/// signal(7), "Standard signals" in x86 and ARM numbering, from the C library so that others come out right too.
const NAMES: [(i32, &str); 31] = [
    (libc::SIGHUP, "HUP"),
    (libc::SIGINT, "INT"),
    (libc::SIGQUIT, "QUIT"),
    (libc::SIGILL, "ILL"),
    (libc::SIGTRAP, "TRAP"),
    (libc::SIGABRT, "ABRT"),
    (libc::SIGBUS, "BUS"),
    (libc::SIGFPE, "FPE"),
    (libc::SIGKILL, "KILL"),
    (libc::SIGUSR1, "USR1"),
    (libc::SIGSEGV, "SEGV"),
    (libc::SIGUSR2, "USR2"),
    (libc::SIGPIPE, "PIPE"),
    (libc::SIGALRM, "ALRM"),
    (libc::SIGTERM, "TERM"),
    (libc::SIGSTKFLT, "STKFLT"),
    (libc::SIGCHLD, "CHLD"),
    (libc::SIGCONT, "CONT"),
    (libc::SIGSTOP, "STOP"),
    (libc::SIGTSTP, "TSTP"),
    (libc::SIGTTIN, "TTIN"),
    (libc::SIGTTOU, "TTOU"),
    (libc::SIGURG, "URG"),
    (libc::SIGXCPU, "XCPU"),
    (libc::SIGXFSZ, "XFSZ"),
    (libc::SIGVTALRM, "VTALRM"),
    (libc::SIGPROF, "PROF"),
    (libc::SIGWINCH, "WINCH"),
    (libc::SIGIO, "IO"),
    (libc::SIGPWR, "PWR"),
    (libc::SIGSYS, "SYS"),
];

/// The kernel's highest signal number (`_NSIG`).
const HIGHEST: i32 = 64;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no signal; write a name such as `TERM`, `RTMIN+1` or a number from 1 to 64")]
pub(crate) struct SignalError {
    text: String,
}

impl Signal {
    pub(crate) const CHLD: Self = Self(libc::SIGCHLD);
    pub(crate) const CONT: Self = Self(libc::SIGCONT);
    pub(crate) const HUP: Self = Self(libc::SIGHUP);
    pub(crate) const INT: Self = Self(libc::SIGINT);
    pub(crate) const KILL: Self = Self(libc::SIGKILL);
    pub(crate) const STOP: Self = Self(libc::SIGSTOP);
    pub(crate) const TERM: Self = Self(libc::SIGTERM);

    pub(crate) fn new(number: i32) -> Option<Self> {
        (1..=HIGHEST).contains(&number).then_some(Self(number))
    }

    pub(crate) fn number(self) -> i32 {
        self.0
    }

    /// Whether this asks a service to end.
    pub(crate) fn asks_to_stop(self) -> bool {
        [Self::TERM, Self::INT].contains(&self)
    }

    /// Whether this is one of the stop signals that terminals and shells send, and that may be caught.
    pub(crate) fn is_job_control(self) -> bool {
        [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&self.0)
    }
}

impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let refused = || SignalError { text: text.chars().take(48).collect() };
        if let Ok(number) = text.parse() {
            return Self::new(number).ok_or_else(refused);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some((number, _)) = NAMES.iter().find(|(_, known)| *known == name) {
            return Ok(Self(*number));
        }
        let offset = match name.strip_prefix("RTMIN").ok_or_else(refused)? {
            "" => 0,
            more => more.strip_prefix('+').and_then(|n| n.parse::<i32>().ok()).ok_or_else(refused)?,
        };
        let number = libc::SIGRTMIN().checked_add(offset).ok_or_else(refused)?;
        Self::new(number).ok_or_else(refused)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_the_same_signals() {
        for text in ["TERM", "SIGTERM", "sigterm", "15"] {
            assert_eq!(text.parse(), Ok(Signal::TERM), "{text}");
        }
        assert_eq!("RTMIN+2".parse::<Signal>().unwrap().number(), libc::SIGRTMIN() + 2);
        assert_eq!(Signal::TERM.to_string(), "SIGTERM");
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in ["", "0", "65", "-1", "SIG", "TERMINATE", "RTMIN-1", "RTMIN+31", "RTMIN+99999999999"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}
