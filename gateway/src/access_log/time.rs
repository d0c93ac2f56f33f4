//! Time stamps: RFC 3339 with milliseconds, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// The text of the last moment. The next one is nearly always of the same second, and often of the same millisecond: then
/// nothing or three digits are written anew.
#[derive(Debug)]
pub(super) struct Stamp {
    text: [u8; 24],
    second: u64,
    millisecond: u32,
}

impl Stamp {
    pub(super) fn new() -> Stamp {
        Stamp { text: *b"1970-01-01T00:00:00.000Z", second: 0, millisecond: 0 }
    }

    /// A clock before 1970 is not set, and shown as 1970.
    pub(super) fn of(&mut self, time: SystemTime) -> &[u8; 24] {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (second, millisecond) = (since.as_secs(), since.subsec_millis());
        if second != self.second {
            self.second = second;
            self.write_second(second);
        }
        if millisecond != self.millisecond {
            self.millisecond = millisecond;
            digits(&mut self.text[20..23], millisecond.into());
        }
        &self.text
    }

    fn write_second(&mut self, second: u64) {
        let (days, of_day) = (second / 86_400, second % 86_400);
        let (year, month, day) = date(days);
        for (range, number) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, of_day / 3_600),
            (14..16, of_day / 60 % 60),
            (17..19, of_day % 60),
        ] {
            digits(&mut self.text[range], number);
        }
    }
}

/// Year, month and day in the Gregorian calendar, so many days after 1970-01-01. Counted from the first of March of the
/// year 0, so that the day that comes every four years is a year's last, and months have lengths in a pattern of five
/// (Hinnant, chrono-Compatible Low-Level Date Algorithms, `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    // To 0000-03-01; an era is 400 years, after which the calendar repeats.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let day = day - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

fn digits(out: &mut [u8], mut number: u64) {
    for byte in out.iter_mut().rev() {
        *byte = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn text(stamp: &mut Stamp, millis: u64) -> String {
        String::from_utf8(stamp.of(UNIX_EPOCH + Duration::from_millis(millis)).to_vec()).unwrap()
    }

    #[test]
    fn known_moments_are_shown() {
        let mut stamp = Stamp::new();
        for (millis, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (999, "1970-01-01T00:00:00.999Z"),
            (951_782_399_001, "2000-02-28T23:59:59.001Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(text(&mut stamp, millis), shown);
        }
        assert_eq!(stamp.of(UNIX_EPOCH - Duration::from_secs(5)), b"1970-01-01T00:00:00.000Z");
    }

    /// Counted day by day.
    #[test]
    fn each_day_of_three_centuries_is_the_next_one() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..109_500 {
            assert_eq!(date(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    proptest! {
        /// What is kept of the last moment does not show in the next.
        #[test]
        fn a_used_stamp_is_a_new_one(first in 0..4_000_000_000_000u64, then in 0..2_000u64) {
            let mut used = Stamp::new();
            text(&mut used, first);
            prop_assert_eq!(text(&mut used, first + then), text(&mut Stamp::new(), first + then));
        }
    }
}
