//! A way is proven before it is measured, by an exchange such as the row has later.

use std::io;
use std::time::{Duration, Instant};

/// An attempt may wait so long; the way is tried again until the caller's patience ends.
pub const ATTEMPT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(20);

/// Until an attempt succeeds; else what the last one said.
pub fn within(patience: Duration, attempt: impl Fn() -> io::Result<()>) -> Result<(), String> {
    let end = Instant::now() + patience;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= end => return Err(error.to_string()),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
