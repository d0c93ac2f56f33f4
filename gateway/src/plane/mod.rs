//! What the data plane's threads have at hand: the shared part ([`Plane`]), and each worker's view of it ([`Context`]).
//!
//! The engines ([`crate::l4`], [`crate::l7`]) know this and not who runs them.

mod connections;
mod context;
mod counters;
mod reason;

pub use self::connections::{
    Connection, ConnectionId, Connections, Endpoints, Entered, Filter, Kind, Recheck, SWEEP, Said, Shown,
    Tick,
};
pub use self::context::{Context, Plane};
pub use self::counters::{Counters, Totals, count};
pub use self::reason::{Reason, Reasons};
