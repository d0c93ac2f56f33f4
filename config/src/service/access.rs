//! Who may come to a job.

use crate::serde_as_text;
use crate::word::words;

/// What happens to a peer that no access rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DefaultAccess {
    #[default]
    Allow,
    Deny,
}

words!(DefaultAccess { Allow = "allow", Deny = "deny" });
serde_as_text!(DefaultAccess);
