//! Reads quantities within bounds: durations, sizes and counts.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::Section;
use crate::units::{ByteSize, duration};

impl Section<'_> {
    /// A duration within `bounds`.
    pub(super) fn duration(
        &self,
        key: &'static str,
        default: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        let example = format!("\"{}\"", duration::format(default));
        let Some(value) = self.scalar(key, &example, duration::parse) else { return default };
        let show = |bound: &Duration| format!("\"{}\"", duration::format(*bound));
        self.within(key, value, &bounds, show).unwrap_or(default)
    }

    /// A size within `bounds`.
    pub(super) fn size(
        &self,
        key: &'static str,
        default: ByteSize,
        bounds: RangeInclusive<ByteSize>,
    ) -> ByteSize {
        let value = self.parsed(key, default);
        self.within(key, value, &bounds, |bound| format!("\"{bound}\"")).unwrap_or(default)
    }

    /// A whole number within `bounds`.
    pub(super) fn count(&self, key: &'static str, default: u32, bounds: RangeInclusive<u32>) -> u32 {
        let Some(value) = self.value(key) else { return default };
        let Some(integer) = value.as_integer() else {
            self.wrong_type(key, value, "a whole number", &format!("{key} = {default}"));
            return default;
        };
        // What fits no i64 is out of every bound.
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i64::MAX);
        let wide = i64::from(*bounds.start())..=i64::from(*bounds.end());
        let number = self.within(key, number, &wide, ToString::to_string);
        number.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
    }

    fn within<T: PartialOrd>(
        &self,
        key: &str,
        value: T,
        bounds: &RangeInclusive<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        if bounds.contains(&value) {
            return Some(value);
        }
        let (least, most) = (show(bounds.start()), show(bounds.end()));
        self.wrong(key, format!("{} is out of bounds; write {least} to {most}", show(&value)));
        None
    }
}
