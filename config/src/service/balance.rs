//! How a job's instances share its work.

use serde::{Deserialize, Serialize};

use crate::serde_as_text;
use crate::word::words;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Balance {
    #[serde(default)]
    pub policy: Policy,
}

/// Who gets the next connection or request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Policy {
    #[default]
    RoundRobin,
}

words!(Policy { RoundRobin = "round_robin" });
serde_as_text!(Policy);
