//! `[hold]`: when a registry's loss of instances is too large to be believed.

use std::time::Duration;

use super::reader::Section;

/// When a registry's loss of instances is too large to be believed, and how long it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldSettings {
    /// Percent of a job's, or of all, instances: if more than that vanish together without a farewell, they are
    /// held. Default 30: more than a host or a rack usually carries. 100 turns this off; a registry that comes back with
    /// another history empties nothing all the same.
    pub share: u32,
    /// And at least so many. Default 3: one of two is a crash, not a sign.
    pub least: u32,
    /// What counts as together. Default 30s: leases of 10s that are lost at one moment run out within it.
    pub window: Duration,
    /// How long an instance without an active check is held. Default 10m: time for a person to look.
    pub deadline: Duration,
}

impl HoldSettings {
    pub(super) fn read(section: &Section<'_>) -> Self {
        const HOUR: u64 = 3600;
        let seconds = Duration::from_secs;
        let default = Self::default();
        let settings = Self {
            share: section.count("share", default.share, 1..=100),
            least: section.count("least", default.least, 1..=1_000_000),
            window: section.duration("window", default.window, seconds(1)..=seconds(HOUR)),
            deadline: section.duration("deadline", default.deadline, seconds(1)..=seconds(24 * HOUR)),
        };
        section.refuse_unknown();
        settings
    }
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self { share: 30, least: 3, window: Duration::from_secs(30), deadline: Duration::from_secs(600) }
    }
}
