//! The registry's records: what a key and its value mean.
//!
//! [`Key`] parses the path, the modules below parse the values, a file a kind. Both refuse what cannot be right with a
//! sentence that says what, where and what to write instead; the caller decides whether that is an HTTP 422 (a write)
//! or the quarantine (something found in the store). Unknown fields are ignored on read, so that a newer writer may add
//! some; a value of a newer `schema` is refused.
//!
//! One record has one key: a name that could be spelled in two ways is refused in all but one.
//!
//! Two kinds hold secrets: certificates (private keys) and tokens (hashes). [`without_secrets`] is what readers get who
//! may not see them, and no error repeats what was written there.

mod cert;
mod digest;
mod director;
pub mod domain;
mod entrypoint;
mod gateway;
mod guard;
mod health;
mod held;
mod instance;
mod job;
mod key;
mod leader;
mod line;
mod pool;
mod read;
mod rule;
mod secrets;
mod sorted;
mod text;
mod timestamp;
mod token;
mod value;
mod vip;

pub use cert::{Cert, CertError, CertKey, Chain};
pub use digest::{Digest, DigestError};
pub use director::Director;
pub use domain::{Destination, Domain, Route, RouteMatch};
pub use gateway::Gateway;
pub use guard::Guard;
pub use health::Health;
pub use held::Held;
pub use instance::{CGROUP, Instance, InstanceId, State};
pub use job::Job;
pub use key::{Key, KeyError};
pub use leader::Leader;
pub use line::{Line, default_line};
pub use pool::{
    Persistence, Pool, PoolFallback, PoolFlag, PoolForwarding, PoolProtocol, PoolScheduler, PoolTarget,
    PoolVip, Sink, Tunnel, TunnelChecksum, TunnelKind,
};
pub use read::{Record, read};
pub use rule::{Action, Peers, Proof, Rule, RulePort, Target};
pub use secrets::without_secrets;
pub use sorted::Sorted;
pub use timestamp::Timestamp;
pub use token::{Role, Token, TokenText, TokenTextError};
pub(crate) use value::nests_too_deep;
pub use value::{MAX_VALUE, ValueError, decode, encode};
pub use vip::{Vip, VipOwner};

pub use roundhouse_config::{
    Balance, DefaultAccess, Entrypoint, EntrypointProtocol, JobLimits, Name, NameFormError, Network,
    NetworkError, OnUnhealthy, Policy, Timeouts,
};
