//! A record of one's own in a registry that somebody else runs: what an instance's [registrar](crate::registrar) and a
//! director's [presence](crate::presence) have in common.
//!
//! ```text
//! target      where the record is kept: etcd itself, or a gateway's HTTP API
//! retry       when to ask again after a refusal, and what it means until then
//! heartbeat   when the lease is due, and until when it surely lives
//! report      what whoever started it is told
//! ```
//!
//! Neither of them ever gives up. All clocks are monotonic.

mod heartbeat;
mod report;
mod retry;
mod target;

use std::time::Duration;

use roundhouse_config::RegistryUrl;

pub(crate) use self::heartbeat::Heartbeat;
pub(crate) use self::report::Report;
pub(crate) use self::retry::{LOST, Retry, jittered};
#[cfg(feature = "etcd")]
pub(crate) use self::target::unreachable;
pub(crate) use self::target::{Refusal, Target};

/// Whoever leaves does not wait longer for a registry that may be gone: the lease runs out anyway.
pub(crate) const LEAVE_DEADLINE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not registered now; the last thing that went wrong. A registry that is away for less than a TTL is no reason: the
    /// lease lives on.
    Pending {
        error: Option<String>,
    },
    Registered,
    /// Registered still, and the registry refuses what it is told since: heartbeats, a change, the farewell.
    Failing {
        reason: String,
    },
    /// The registry said no. It is asked again every TTL, since the cause may go.
    Refused {
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    #[error("`{0}` is this gateway's own store; name an etcd:// or http:// registry")]
    NotRemote(RegistryUrl),
    #[error("this program was built without support for {0}")]
    NotBuilt(RegistryUrl),
    #[error("{0}")]
    Token(String),
}
