//! Who may come to a job.

use super::ServiceError;
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

impl DefaultAccess {
    /// Refuses what this version would not do: a door that is said to be shut must not stand open.
    pub fn enforced(self) -> Result<Self, ServiceError> {
        match self {
            Self::Allow => Ok(self),
            Self::Deny => Err(ServiceError::Deny),
        }
    }
}
