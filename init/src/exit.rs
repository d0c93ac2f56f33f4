//! Exit statuses, as the shell has them.
//!
//! POSIX.1-2024, Shell and Utilities, 2.8.2: the command's own status, 128 + n when signal n ended it, 127 when
//! it was not found, 126 when it was found and could not be executed. 125 is ours: job-init itself could not do
//! its work (the number that env(1), nohup(1) and container engines use for the same).

use std::io;
use std::process::ExitCode;
use std::str::FromStr;

use thiserror::Error;

/// A status a parent can see, 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExitStatus(u8);

impl ExitStatus {
    pub(crate) const INIT_FAILED: Self = Self(125);
    pub(crate) const NOT_EXECUTABLE: Self = Self(126);
    pub(crate) const NOT_FOUND: Self = Self(127);

    /// A command that ended by itself.
    pub(crate) fn exited(code: i32) -> Self {
        // Only the low byte of an exit status reaches the parent (wait(2)), so nothing is lost here.
        Self(code.to_le_bytes()[0])
    }

    /// A command that a signal ended.
    pub(crate) fn signalled(signal: i32) -> Self {
        Self::exited(128 + signal)
    }

    /// A command that could not be started.
    pub(crate) fn not_started(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NOT_FOUND,
            _ => Self::NOT_EXECUTABLE,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.0)
    }
}

/// One rule of `--map-exit from:to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapExit {
    from: u8,
    to: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("write `from:to` with two exit statuses from 0 to 255, such as `143:0`")]
pub(crate) struct MapExitError;

/// All rules; applied once, so that `1:2` with `2:1` swaps. A later rule for the same status wins.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExitMap(Vec<MapExit>);

impl ExitMap {
    pub(crate) fn new(rules: Vec<MapExit>) -> Self {
        Self(rules)
    }

    pub(crate) fn apply(&self, status: ExitStatus) -> ExitStatus {
        self.0.iter().rev().find(|rule| rule.from == status.0).map_or(status, |rule| ExitStatus(rule.to))
    }
}

impl FromStr for MapExit {
    type Err = MapExitError;

    fn from_str(text: &str) -> Result<Self, MapExitError> {
        let (from, to) = text.split_once(':').ok_or(MapExitError)?;
        let status = |text: &str| text.trim().parse().map_err(|_| MapExitError);
        Ok(Self { from: status(from)?, to: status(to)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_shells() {
        assert_eq!(ExitStatus::exited(7), ExitStatus(7));
        assert_eq!(ExitStatus::signalled(15), ExitStatus(143));
        assert_eq!(ExitStatus::signalled(64), ExitStatus(192));
        assert_eq!(ExitStatus::not_started(&io::ErrorKind::NotFound.into()), ExitStatus(127));
        assert_eq!(ExitStatus::not_started(&io::ErrorKind::PermissionDenied.into()), ExitStatus(126));
    }

    #[test]
    fn the_map_is_applied_once_and_the_last_rule_wins() {
        let map = ExitMap::new(["1:2", "2:1", "143:9", "143:0"].map(|rule| rule.parse().unwrap()).to_vec());
        assert_eq!(map.apply(ExitStatus(1)), ExitStatus(2));
        assert_eq!(map.apply(ExitStatus(2)), ExitStatus(1));
        assert_eq!(map.apply(ExitStatus(143)), ExitStatus(0));
        assert_eq!(map.apply(ExitStatus(3)), ExitStatus(3));
    }

    #[test]
    fn wrong_rules_are_refused() {
        for text in ["", "1", "1:", ":1", "256:0", "1:-1", "1:2:3"] {
            assert!(text.parse::<MapExit>().is_err(), "{text}");
        }
    }
}
