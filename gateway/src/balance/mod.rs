//! Whose turn it is: one file a policy, each over one immutable endpoint set.

mod round_robin;

pub use round_robin::RoundRobin;
