//! HTTP Strict Transport Security (RFC 6797): a browser that was told comes by https alone from then on.

use std::ops::RangeInclusive;
use std::time::Duration;

use roundhouse_config::duration;
use serde::{Deserialize, Serialize};

use super::bounds;
use crate::record::ValueError;

const YEAR: Duration = Duration::from_secs(365 * bounds::DAY);
/// 0 tells browsers to forget it; ten years is longer than any of them remembers.
const MAX_AGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3_650 * bounds::DAY);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hsts {
    #[serde(with = "duration")]
    pub max_age: Duration,
    #[serde(default)]
    pub include_subdomains: bool,
    /// May be built into browsers, which cannot be taken back for months.
    #[serde(default)]
    pub preload: bool,
}

impl Hsts {
    pub(super) fn check(&self) -> Result<(), ValueError> {
        bounds::check_seconds("max_age", Some(self.max_age), &MAX_AGE)?;
        // What hstspreload.org asks for before it takes a domain.
        if self.preload && !(self.include_subdomains && self.max_age >= YEAR) {
            let message =
                "needs \"include_subdomains\": true and a max_age of \"365d\" or more; write them too";
            return Err(ValueError::field("preload", message));
        }
        Ok(())
    }
}
