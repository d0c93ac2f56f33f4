//! The registry's records: what a key and its value mean.
//!
//! [`Key`] parses the path, the modules below parse the values. Both refuse what cannot be right with a sentence that
//! says what, where and what to write instead; the caller decides whether that is an HTTP 422 (a write) or the
//! quarantine (something found in the store). Unknown fields are ignored on read, so that a newer writer may add some.

mod domain;
mod gateway;
mod instance;
mod job;
mod key;
mod value;
mod vip;

pub use domain::{Destination, Domain, Route, RouteMatch};
pub use gateway::Gateway;
pub use instance::{Instance, InstanceId, State};
pub use job::{Balance, DefaultAccess, Job, Policy};
pub use key::{Key, KeyError};
pub(crate) use value::nests_too_deep;
pub use value::{MAX_VALUE, ValueError, decode, encode};
pub use vip::{Vip, VipOwner};
