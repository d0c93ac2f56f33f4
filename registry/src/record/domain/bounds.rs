//! Durations of a domain's parts within their bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use roundhouse_config::duration;

use crate::record::ValueError;

pub(super) const DAY: u64 = 24 * 3600;

pub(super) fn check(
    field: &str,
    value: Option<Duration>,
    bounds: &RangeInclusive<Duration>,
) -> Result<(), ValueError> {
    let Some(value) = value.filter(|value| !bounds.contains(value)) else { return Ok(()) };
    let [value, least, most] = [value, *bounds.start(), *bounds.end()].map(duration::format);
    let message = format!("\"{value}\" is out of bounds; write \"{least}\" to \"{most}\"");
    Err(ValueError::field(field, message))
}

/// The same of what goes over the wire in seconds.
pub(super) fn check_seconds(
    field: &str,
    value: Option<Duration>,
    bounds: &RangeInclusive<Duration>,
) -> Result<(), ValueError> {
    check(field, value, bounds)?;
    match value.filter(|value| value.subsec_nanos() != 0) {
        None => Ok(()),
        Some(value) => {
            let message = format!("\"{}\" is no whole number of seconds; write one", duration::format(value));
            Err(ValueError::field(field, message))
        }
    }
}
