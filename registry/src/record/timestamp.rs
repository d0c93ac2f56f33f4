//! Moments that outlive a process: compared across machines and restarts, so they are wall-clock time.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize};

/// 31 December 9999. A larger number is milliseconds, or a mistake.
const LATEST: u64 = 253_402_300_799;

/// Whole seconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// `seconds` since the epoch, at most the end of the year 9999.
    pub fn from_seconds(seconds: u64) -> Timestamp {
        Timestamp(seconds.min(LATEST))
    }

    pub fn of(time: SystemTime) -> Timestamp {
        Timestamp::from_seconds(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }

    pub fn now() -> Timestamp {
        Timestamp::of(SystemTime::now())
    }

    pub fn seconds(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is to come.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        Timestamp::from_seconds(self.0.saturating_add(duration.as_secs()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        struct Number;

        impl serde::de::Visitor<'_> for Number {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("whole seconds since the epoch, as `date +%s` prints them")
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Timestamp, E> {
                if seconds > LATEST {
                    let message =
                        format!("{seconds} is after the year 9999; write seconds, not milliseconds");
                    return Err(E::custom(message));
                }
                Ok(Timestamp(seconds))
            }
        }

        deserializer.deserialize_u64(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_and_nothing_else() {
        assert_eq!(serde_json::from_str::<Timestamp>("1767225600").unwrap().seconds(), 1_767_225_600);
        let error = |text: &str| serde_json::from_str::<Timestamp>(text).unwrap_err().to_string();
        assert!(error("1767225600000").contains("not milliseconds"));
        assert!(error("\"2026-01-01T00:00:00Z\"").contains("whole seconds since the epoch"));
        assert!(error("-1").contains("whole seconds since the epoch"));
    }

    #[test]
    fn time_that_is_to_come_is_not_past() {
        let now = Timestamp::from_seconds(10);
        assert_eq!(now.since(now + Duration::from_secs(5)), Duration::ZERO);
        assert_eq!((now + Duration::from_secs(5)).since(now), Duration::from_secs(5));
    }
}
