//! Durations such as `500ms`, `5s` and `1m30s`, to the millisecond.
//!
//! Use the module itself as serde's `with`, and [`optional`] for an `Option<Duration>`.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};
use thiserror::Error;

use crate::text::quoted;

/// The units, largest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What is wrong with a duration, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DurationError {
    #[error("a duration is empty; write one such as `10s`")]
    Empty,

    #[error("duration `{text}` has no unit; write `{text}s` for seconds or `{text}ms` for milliseconds")]
    NoUnit { text: String },

    #[error("duration `{text}` is a fraction; write whole numbers, such as `1s500ms`")]
    Fraction { text: String },

    #[error("duration `{text}` has the unknown unit `{unit}`; the units are ms, s, m, h, d")]
    UnknownUnit { text: String, unit: String },

    #[error("duration `{text}` does not go from large units to small; write as in `1h30m`")]
    Order { text: String },

    #[error("`{text}` is no duration; write one such as `10s` or `1m30s`")]
    NoNumber { text: String },

    #[error("duration `{text}` is too long; the longest is about 584 million years")]
    TooLong { text: String },
}

/// Reads `500ms`, `5s`, `2m`, `1h`, `1d` and sums from large units to small, each at most once.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let shown = || quoted(text);
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smaller_than = u64::MAX;
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, next) = split_where(after, |c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(DurationError::NoNumber { text: shown() });
        }
        if unit.is_empty() {
            return Err(DurationError::NoUnit { text: shown() });
        }
        if unit == "." || unit == "," {
            return Err(DurationError::Fraction { text: shown() });
        }
        let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit { text: shown(), unit: quoted(unit) });
        };
        if *millis >= smaller_than {
            return Err(DurationError::Order { text: shown() });
        }
        smaller_than = *millis;
        total = digits
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(*millis))
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| DurationError::TooLong { text: shown() })?;
        rest = next;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration largest unit first and without empty parts: `1m30s`, `36h` as `1d12h`, nothing as `0s`.
/// What is below a millisecond is dropped; otherwise [`parse`] gives the same duration back.
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS {
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// Serde's `with` for an `Option<Duration>`; nothing is `null`. Add `#[serde(default)]` so that it may be
/// left out.
pub mod optional {
    use super::{Cow, Deserialize, Deserializer, Duration, Serializer, format, parse};

    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_some(&format(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
        text.map(|text| parse(&text)).transpose().map_err(serde::de::Error::custom)
    }
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_and_sums() {
        for (text, millis) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("0s", 0),
            ("1m30s", 90_000),
            ("1s500ms", 1_500),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(format(Duration::from_millis(millis)), text);
        }
        assert_eq!(parse("90s"), parse("1m30s"));
        assert_eq!(format(Duration::from_micros(1_999)), "1ms");
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refusal = |text: &str| parse(text).unwrap_err().to_string();
        assert!(refusal("10").contains("write `10s`"));
        assert!(refusal("").contains("such as `10s`"));
        assert!(refusal("1.5s").contains("`1s500ms`"));
        assert!(refusal("5 s").contains("unknown unit ` s`"));
        assert!(refusal("5S").contains("the units are ms, s, m, h, d"));
        assert!(refusal("30s1m").contains("large units to small"));
        assert!(refusal("1s1s").contains("large units to small"));
        assert!(refusal("soon").contains("is no duration"));
        assert!(refusal("-1s").contains("is no duration"));
        assert!(refusal("99999999999999999999d").contains("too long"));
        assert!(refusal("18446744073709551615d").contains("too long"));
    }

    #[test]
    fn serde_reads_and_writes_text() {
        #[derive(serde::Serialize, Deserialize)]
        struct Timers {
            #[serde(with = "super")]
            ttl: Duration,
            #[serde(default, with = "super::optional")]
            drain: Option<Duration>,
        }
        let timers: Timers = serde_json::from_str(r#"{"ttl":"10s"}"#).unwrap();
        assert_eq!(serde_json::to_string(&timers).unwrap(), r#"{"ttl":"10s","drain":null}"#);
        let timers: Timers = serde_json::from_str(r#"{"ttl":"10s","drain":"30s"}"#).unwrap();
        assert_eq!(timers.drain, Some(Duration::from_secs(30)));
        assert!(serde_json::from_str::<Timers>(r#"{"ttl":10}"#).is_err());
    }

    proptest! {
        #[test]
        fn parse_inverts_format(millis: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|([0-9]{0,21}(ms|s|m|h|d|x)?){0,4}") {
            if let Ok(duration) = parse(&text) {
                prop_assert_eq!(parse(&format(duration)), Ok(duration));
            }
        }
    }
}
