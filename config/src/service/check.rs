//! How an instance is asked whether it is well.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ServiceError;
use crate::serde_as_text;
use crate::text::quoted;
use crate::units::duration;

/// What a check does. `tcp`: a connection that is accepted is a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum CheckKind {
    #[default]
    Tcp,
}

/// A health check: `{"kind":"tcp","interval":"2s","timeout":"1s","rise":2,"fall":3}`, which is also the
/// default, of the whole and of each field left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawCheck")]
pub struct Check {
    pub kind: CheckKind,
    /// From the start of one probe to the start of the next; `100ms` to `1h`.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// How long one probe may take; `10ms` to `1m`.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Passes in a row until an instance that failed is well again; 1 to 100.
    pub rise: u32,
    /// Failures in a row until an instance counts as failed; 1 to 100.
    pub fall: u32,
}

impl Check {
    /// The check itself if every field is within its bounds.
    pub fn validated(self) -> Result<Self, ServiceError> {
        match self.out_of_bounds().next() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// Each field that is out of its bounds.
    pub(crate) fn out_of_bounds(&self) -> impl Iterator<Item = ServiceError> + use<> {
        let millis = Duration::from_millis;
        let count = |count: u32| count.to_string();
        [
            // Faster than ten a second, probes are load; slower than one an hour, they tell nothing.
            within("interval", self.interval, [millis(100), millis(3_600_000)], duration::format),
            // Under 10 ms a scheduling hiccup fails the check; after a minute nobody waits for the answer.
            within("timeout", self.timeout, [millis(10), millis(60_000)], duration::format),
            within("rise", self.rise, [1, 100], count),
            within("fall", self.fall, [1, 100], count),
        ]
        .into_iter()
        .flatten()
    }
}

impl Default for Check {
    fn default() -> Self {
        Self {
            kind: CheckKind::Tcp,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct RawCheck {
    kind: CheckKind,
    #[serde(with = "duration")]
    interval: Duration,
    #[serde(with = "duration")]
    timeout: Duration,
    rise: u32,
    fall: u32,
}

impl Default for RawCheck {
    fn default() -> Self {
        let Check { kind, interval, timeout, rise, fall } = Check::default();
        Self { kind, interval, timeout, rise, fall }
    }
}

impl TryFrom<RawCheck> for Check {
    type Error = ServiceError;

    fn try_from(raw: RawCheck) -> Result<Self, Self::Error> {
        let RawCheck { kind, interval, timeout, rise, fall } = raw;
        Self { kind, interval, timeout, rise, fall }.validated()
    }
}

impl FromStr for CheckKind {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self::Tcp),
            _ => Err(ServiceError::CheckKind { text: quoted(text) }),
        }
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.pad("tcp"),
        }
    }
}

serde_as_text!(CheckKind);

fn within<T: PartialOrd + Copy>(
    field: &'static str,
    value: T,
    [least, most]: [T; 2],
    show: impl Fn(T) -> String,
) -> Option<ServiceError> {
    (value < least || value > most).then(|| ServiceError::Bounds {
        field,
        value: show(value),
        least: show(least),
        most: show(most),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        serde_json::from_str::<Check>(json).unwrap_err().to_string()
    }

    #[test]
    fn the_shape_and_its_defaults_are_the_api_s() {
        let json = r#"{"kind":"tcp","interval":"2s","timeout":"1s","rise":2,"fall":3}"#;
        assert_eq!(serde_json::to_string(&Check::default()).unwrap(), json);
        assert_eq!(serde_json::from_str::<Check>(json).unwrap(), Check::default());
        assert_eq!(serde_json::from_str::<Check>("{}").unwrap(), Check::default());
    }

    #[test]
    fn bounds_are_kept() {
        assert!(
            refusal(r#"{"interval":"99ms"}"#)
                .contains("interval `99ms` is out of bounds; write `100ms` to `1h`")
        );
        assert!(refusal(r#"{"interval":"2h"}"#).contains("interval"));
        assert!(refusal(r#"{"timeout":"61s"}"#).contains("write `10ms` to `1m`"));
        assert!(refusal(r#"{"rise":0}"#).contains("rise `0`"));
        assert!(refusal(r#"{"fall":101}"#).contains("fall `101`"));
        assert!(
            serde_json::from_str::<Check>(r#"{"interval":"1h","timeout":"60s","rise":100,"fall":1}"#).is_ok()
        );
    }

    #[test]
    fn an_unknown_kind_is_told_the_known_ones() {
        assert!(refusal(r#"{"kind":"http"}"#).contains("unknown check kind `http`; this version knows tcp"));
    }
}
