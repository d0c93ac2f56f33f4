//! `--rewrite from:to`: which signal the command gets in place of the one that arrived.

use std::str::FromStr;

use thiserror::Error;

use crate::signal::{Signal, SignalError};

/// One rule. `to` is `None` where the signal is dropped (written `0`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rewrite {
    from: Signal,
    to: Option<Signal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum RewriteError {
    #[error("write `from:to`, such as `TERM:QUIT`, or `HUP:0` to drop a signal")]
    Shape,
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error("{0} cannot be caught, so it cannot be rewritten")]
    Uncatchable(Signal),
    #[error("{0} tells that a child ended and is never forwarded")]
    Child(Signal),
}

/// All rules. A later rule for the same signal wins, as a later option does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rewrites(Vec<Rewrite>);

/// What becomes of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rewritten {
    Unchanged,
    To(Signal),
    Dropped,
}

impl Rewrites {
    pub(crate) fn new(rules: Vec<Rewrite>) -> Self {
        Self(rules)
    }

    pub(crate) fn apply(&self, signal: Signal) -> Rewritten {
        match self.0.iter().rev().find(|rule| rule.from == signal) {
            None => Rewritten::Unchanged,
            Some(Rewrite { to: Some(to), .. }) => Rewritten::To(*to),
            Some(Rewrite { to: None, .. }) => Rewritten::Dropped,
        }
    }
}

impl FromStr for Rewrite {
    type Err = RewriteError;

    fn from_str(text: &str) -> Result<Self, RewriteError> {
        let (from, to) = text.split_once(':').ok_or(RewriteError::Shape)?;
        let from: Signal = from.trim().parse()?;
        let to = match to.trim() {
            "0" => None,
            to => Some(to.parse()?),
        };
        match from {
            Signal::KILL | Signal::STOP => Err(RewriteError::Uncatchable(from)),
            Signal::CHLD => Err(RewriteError::Child(from)),
            _ => Ok(Self { from, to }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrites(rules: &[&str]) -> Rewrites {
        Rewrites::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    #[test]
    fn a_rule_replaces_drops_or_leaves() {
        let rewrites = rewrites(&["TERM:QUIT", "1:0"]);
        assert_eq!(rewrites.apply(Signal::TERM), Rewritten::To("QUIT".parse().unwrap()));
        assert_eq!(rewrites.apply(Signal::HUP), Rewritten::Dropped);
        assert_eq!(rewrites.apply(Signal::INT), Rewritten::Unchanged);
    }

    #[test]
    fn the_last_rule_for_a_signal_wins() {
        assert_eq!(rewrites(&["15:3", "15:2"]).apply(Signal::TERM), Rewritten::To(Signal::INT));
    }

    #[test]
    fn rules_that_cannot_work_are_refused() {
        for text in ["", "15", "15:", ":15", "15:65", "x:15", "KILL:TERM", "STOP:0", "CHLD:HUP", "15:3:2"] {
            assert!(text.parse::<Rewrite>().is_err(), "{text}");
        }
    }
}
