//! Two sizes of one test: short in every run of the suite, in full under `make soak`.

use std::io::Write;
use std::time::Duration;

/// Whether this is `make soak`.
pub fn is_soak() -> bool {
    std::env::var_os("ROUNDHOUSE_SOAK").is_some()
}

/// A number in both sizes.
pub fn scaled<T>(short: T, full: T) -> T {
    if is_soak() { full } else { short }
}

/// A limit that is promised. The soak runs one test at a time and keeps to it; the suite runs many on a machine that
/// compiles, and gives twice the time.
pub fn promised(limit: Duration) -> Duration {
    scaled(limit * 2, limit)
}

/// A line for the soak's report, past the test's captured output; the suite keeps it with the test.
pub fn report(scenario: &str, numbers: &str) {
    let line = format!("{scenario:<44} {numbers}\n");
    if is_soak() {
        // Not print!, which a passing test swallows.
        let _ = std::io::stderr().write_all(format!("\n  {line}").as_bytes());
    } else {
        eprint!("{line}");
    }
}
