//! Whoever may no longer be where he is, is gone within a second; and nobody else is.

mod causes;
mod crowd;
mod datagrams;
mod dialling;
mod forwarded;
mod large;
mod live;
mod racing;
mod world;

use std::time::Duration;

/// A second is promised; a machine that compiles besides gets three.
const GONE: Duration = Duration::from_secs(3);
