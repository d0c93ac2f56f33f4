//! A balancer's table, as the registry wants it and as a sink shows it: one type for both, so that a difference is a
//! comparison and nothing else.
//!
//! ```text
//! ServiceKey (VIP:port, firewall mark, target group) ─► Service ─► Settings, address ─► Destination
//! ```
//!
//! What a kernel says is kept whatever it is: a scheduler that nobody here knows is a name, a forwarding method that nobody
//! here knows is a number. Only what is wanted is narrow.

mod destination;
mod key;
mod op;
mod service;
mod table;

pub use self::destination::{Checksum, Destination, Encapsulation, Forwarding};
pub use self::key::{Family, KeyFormError, ServiceKey, Transport};
pub use self::op::Op;
pub use self::service::{Flags, Persistence, Scheduler, Service, Settings};
pub use self::table::{Actual, Services, Stats};
