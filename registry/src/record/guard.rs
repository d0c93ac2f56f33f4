//! `guards/<selector>`: the jobs under this selector are default-deny, also those that come later.
//!
//! The selector is the key. Written in the transaction of the first allow rule that is enforced there, and removed by a
//! person only: that rules are deleted or expire opens nothing.

use roundhouse_config::Label;
use serde::{Deserialize, Serialize};

use super::text::check_note;
use super::{Name, Timestamp, ValueError};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// It covers this job alone, and whatever has the JOBNAME that the selector spells; absent: the whole subtree. A job
    /// that a rule names by its label is guarded so: its selector may well cover others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Label>,
    /// The rule that brought it; it may be gone.
    #[serde(default)]
    pub rule: Option<Name>,
    #[serde(default)]
    pub since: Option<Timestamp>,
    #[serde(default)]
    pub note: Box<str>,
}

impl Guard {
    pub fn validate(&self) -> Result<(), ValueError> {
        check_note("note", &self.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn an_empty_guard_guards() {
        assert_eq!(decode::<Guard>(b"{}").unwrap(), Guard::default());
        let guard: Guard =
            decode(br#"{"rule":"redis-1","since":1767225600,"note":"see the runbook"}"#).unwrap();
        assert_eq!(guard.validate(), Ok(()));
        assert_eq!(decode::<Guard>(&encode(&guard)).unwrap(), guard);
    }

    #[test]
    fn refusals_say_what_to_write() {
        let error = |text: &str| decode::<Guard>(text.as_bytes()).unwrap_err().to_string();
        assert!(error(r#"{"rule":"Redis 1"}"#).starts_with("rule: `Redis 1` is no name; write"));
        assert!(error(r#"{"since":"now"}"#).contains("whole seconds since the epoch"));
    }
}
