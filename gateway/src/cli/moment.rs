//! Moments as people write and read them: `2h`, `2027-01-31T18:00:00Z`, `in 1d12h`.

use std::str::FromStr;
use std::time::Duration;

use roundhouse_config::duration;
use roundhouse_registry::record::Timestamp;
use toml::value::Datetime;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// `2h` from now, or a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    After(Duration),
    At(Timestamp),
}

impl Expiry {
    /// Whoever writes an end that is past has mistaken a unit or a date.
    pub(super) fn from(self, now: Timestamp) -> Result<Timestamp, String> {
        let at = match self {
            Expiry::After(duration) => now + duration,
            Expiry::At(at) => at,
        };
        if at <= now {
            let ago = until(at, now);
            return Err(format!("--expires is no time to come ({ago}); write 2h, or 2027-01-31T18:00:00Z"));
        }
        Ok(at)
    }
}

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Expiry, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let seconds: Result<Timestamp, _> = serde_json::from_str(text);
            return seconds.map(Expiry::At).map_err(|error| {
                format!(
                    "{error}; a number alone is seconds since the epoch, and a duration has a unit, as in 2h"
                )
            });
        }
        if text.contains('-') {
            let wrong = |_| format!("`{text}` is no moment; write as in 2027-01-31T18:00:00Z");
            return of_datetime(&text.parse().map_err(wrong)?).map(Expiry::At);
        }
        duration::parse(text).map(Expiry::After).map_err(|error| error.to_string())
    }
}

/// The moment that a date and time with an offset mean (RFC 3339).
pub(super) fn of_datetime(datetime: &Datetime) -> Result<Timestamp, String> {
    let (Some(date), Some(time), Some(offset)) = (datetime.date, datetime.time, datetime.offset) else {
        return Err(format!(
            "`{datetime}` is a moment only with date, time and offset; write as in 2027-01-31T18:00:00Z"
        ));
    };
    let ahead = match offset {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes) * 60,
    };
    let of_day = [(time.hour, 3_600), (time.minute, 60), (time.second.unwrap_or(0), 1)];
    let of_day: i64 = of_day.into_iter().map(|(count, seconds)| i64::from(count) * seconds).sum();
    let days = days(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let seconds = u64::try_from(days * 86_400 + of_day - ahead);
    seconds.map(Timestamp::from_seconds).map_err(|_| format!("`{datetime}` is before 1970"))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, counted from the first of March of the year 0 (Hinnant,
/// chrono-Compatible Low-Level Date Algorithms, `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

/// `in 1d12h`, or `expired 5m ago`.
pub(super) fn until(expires: Timestamp, now: Timestamp) -> String {
    match expires <= now {
        true => format!("expired {} ago", coarse(now.since(expires))),
        false => format!("in {}", coarse(expires.since(now))),
    }
}

/// `5m ago`.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", coarse(now.since(then)))
}

/// Whoever waits for days does not count seconds.
fn coarse(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let unit = match seconds {
        DAY.. => HOUR,
        HOUR.. => 60,
        _ => 1,
    };
    duration::format(Duration::from_secs(seconds - seconds % unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Result<u64, String> {
        match text.parse()? {
            Expiry::At(at) => Ok(at.seconds()),
            Expiry::After(duration) => Err(format!("after {}", duration.as_secs())),
        }
    }

    #[test]
    fn an_end_is_a_duration_or_a_moment() {
        assert_eq!(at("2h"), Err("after 7200".into()));
        assert_eq!(at("1767225600"), Ok(1_767_225_600));
        for text in ["2026-01-01T00:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T08:00:00+08:00"] {
            assert_eq!(at(text), Ok(1_767_225_600), "{text}");
        }
        assert_eq!(at("2000-02-29T23:59:59.5Z"), Ok(951_868_799));
        for (text, wrong) in [
            ("2026-01-01", "only with date, time and offset"),
            ("2026-01-01T00:00:00", "only with date, time and offset"),
            ("2026-02-30T00:00:00Z", "is no moment"),
            ("1960-01-01T00:00:00Z", "is before 1970"),
            ("1767225600000", "not milliseconds"),
            ("soon", "is no duration"),
            ("", "a duration is empty"),
        ] {
            let error = at(text).unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }

    #[test]
    fn an_end_is_to_come() {
        let now = Timestamp::from_seconds(1_000);
        assert_eq!(Expiry::After(Duration::from_secs(7)).from(now).unwrap().seconds(), 1_007);
        for past in ["10", "1000", "0s"] {
            let error = past.parse::<Expiry>().unwrap().from(now).unwrap_err();
            assert!(error.contains("is no time to come (expired "), "{error}");
        }
    }

    #[test]
    fn moments_are_told_from_now() {
        let now = Timestamp::from_seconds(10_000_000);
        let then = |seconds: i64| Timestamp::from_seconds(10_000_000u64.saturating_add_signed(seconds));
        assert_eq!(until(then(90), now), "in 1m30s");
        assert_eq!(until(then(2 * 86_400 + 3_661), now), "in 2d1h");
        assert_eq!(until(then(-3_661), now), "expired 1h1m ago");
        assert_eq!(ago(then(-5), now), "5s ago");
    }

    proptest! {
        /// The naive twin counts day by day.
        #[test]
        fn days_follow_each_other(year in 1970i64..9999, month in 1i64..=12) {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let next = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
            prop_assert_eq!(days(year, month, length) + 1, next);
            prop_assert_eq!(days(1970, 1, 1), 0);
        }
    }
}
