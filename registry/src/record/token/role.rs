//! What the bearer of a token may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Each includes `read`. Of the others only `admin` includes all:
///
/// ```text
/// admin ─┬─ operate ── register ─┬─ read
///        └─ hub ─────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Every GET, without secrets.
    Read,
    /// Its own instances.
    Register,
    /// Everything but tokens and certificates' keys.
    Operate,
    /// Reads everything, secrets included, and writes what gateways write. It operates nothing.
    Hub,
    Admin,
}

impl Role {
    pub const ALL: [Role; 5] = [Role::Read, Role::Register, Role::Operate, Role::Hub, Role::Admin];

    /// Whether whoever has this role may do what the other may.
    pub fn includes(self, other: Role) -> bool {
        match self {
            Role::Admin => true,
            Role::Operate => matches!(other, Role::Operate | Role::Register | Role::Read),
            Role::Register | Role::Hub => other == self || other == Role::Read,
            Role::Read => other == Role::Read,
        }
    }

    /// Whether the role reads certificates' keys and tokens' hashes.
    pub fn sees_secrets(self) -> bool {
        self.includes(Role::Hub)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Register => "register",
            Role::Operate => "operate",
            Role::Hub => "hub",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_includes_whom() {
        let included =
            |role: Role| Role::ALL.into_iter().filter(|other| role.includes(*other)).collect::<Vec<_>>();
        assert_eq!(included(Role::Read), [Role::Read]);
        assert_eq!(included(Role::Register), [Role::Read, Role::Register]);
        assert_eq!(included(Role::Operate), [Role::Read, Role::Register, Role::Operate]);
        assert_eq!(included(Role::Hub), [Role::Read, Role::Hub]);
        assert_eq!(included(Role::Admin), Role::ALL);
        let secrets: Vec<Role> = Role::ALL.into_iter().filter(|role| role.sees_secrets()).collect();
        assert_eq!(secrets, [Role::Hub, Role::Admin]);
    }

    #[test]
    fn a_role_is_written_as_it_is_shown() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
    }
}
