//! init's own check: whether the command answers, before it is registered and after.
//!
//! A command that starts slowly gets no traffic until a connect to its address succeeds; one that stops answering
//! is marked `down` after three failures in a row, and `up` again at the first success.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use roundhouse_registry::probe;
use thiserror::Error;

/// Long for a connect to the own host, short enough that three failures are noticed within a TTL.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// The first retry; a command that needs little time is registered without delay.
const FIRST_RETRY: Duration = Duration::from_millis(100);

/// The slowest retry, and the interval once registered.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// One lost packet or one full accept queue is no reason to take an instance out.
const FAILURES_TO_FALL: u32 = 3;

/// `--check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckKind {
    /// A TCP connect to the first port that is not UDP.
    Tcp,
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("write `tcp` or `none`")]
pub(crate) struct CheckKindError;

impl FromStr for CheckKind {
    type Err = CheckKindError;

    fn from_str(text: &str) -> Result<Self, CheckKindError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "none" => Ok(Self::None),
            _ => Err(CheckKindError),
        }
    }
}

/// One check.
pub(crate) async fn connect(target: SocketAddr) -> Result<(), String> {
    probe::tcp(target, CONNECT_LIMIT).await
}

/// The waits between attempts that have not succeeded yet: doubling from 100 ms to 1 s.
pub(crate) fn retries() -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(FIRST_RETRY), |wait| Some((*wait * 2).min(INTERVAL)))
}

/// What the checks after registration have shown.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
}

/// A change that the registry should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Up,
    Down,
}

impl Health {
    /// Counts one result; `Some` where it changes what is registered.
    pub(crate) fn count(&mut self, passed: bool) -> Option<Verdict> {
        let was_down = self.failures >= FAILURES_TO_FALL;
        self.failures = if passed { 0 } else { self.failures.saturating_add(1) };
        match (was_down, self.failures >= FAILURES_TO_FALL) {
            (false, true) => Some(Verdict::Down),
            (true, false) => Some(Verdict::Up),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_fall_and_one_success_rises() {
        let mut health = Health::default();
        let verdicts: Vec<_> = [true, false, false, true, false, false, false, false, true, true]
            .into_iter()
            .map(|passed| health.count(passed))
            .collect();
        let mut expected = [None; 10];
        expected[6] = Some(Verdict::Down);
        expected[8] = Some(Verdict::Up);
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn retries_back_off_to_a_second() {
        let waits: Vec<u128> = retries().take(6).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    }
}
