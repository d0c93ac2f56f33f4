//! Reads quantities within bounds: durations, sizes, counts and shares.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::{DeFloat, DeInteger};

use super::reader::Section;
use crate::units::{ByteSize, Share, duration};

impl Section<'_> {
    /// A duration within `bounds`.
    pub(super) fn duration(
        &self,
        key: &'static str,
        default: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        self.optional_duration(key, default, bounds).unwrap_or(default)
    }

    /// A duration within `bounds`, if it is there.
    pub(super) fn optional_duration(
        &self,
        key: &'static str,
        example: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let show = |bound: &Duration| format!("\"{}\"", duration::format(*bound));
        let value = self.scalar(key, &show(&example), duration::parse)?;
        self.within(key, value, &bounds, show)
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
        self.optional_count(key, default, bounds).unwrap_or(default)
    }

    /// A whole number within `bounds`, if it is there.
    pub(super) fn optional_count(
        &self,
        key: &'static str,
        example: u32,
        bounds: RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.value(key)?;
        let Some(integer) = value.as_integer() else {
            self.wrong_type(key, value, "a whole number", &format!("{key} = {example}"));
            return None;
        };
        // What fits no i64 is out of every bound.
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i64::MAX);
        let wide = i64::from(*bounds.start())..=i64::from(*bounds.end());
        let number = self.within(key, number, &wide, ToString::to_string);
        number.and_then(|number| u32::try_from(number).ok())
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self, key: &'static str, default: Share) -> Share {
        let Some(value) = self.value(key) else { return default };
        let written = value.as_float().map(DeFloat::as_str);
        // `1` is as good as `1.0`.
        let written = written.or_else(|| value.as_integer().map(DeInteger::as_str));
        let Some(share) = written.and_then(|text| text.parse().ok()) else {
            self.wrong_type(key, value, "a share", &format!("{key} = {default}"));
            return default;
        };
        Share::new(share).unwrap_or_else(|error| {
            self.wrong(key, error.to_string());
            default
        })
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
