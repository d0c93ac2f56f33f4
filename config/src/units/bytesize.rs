//! Sizes such as `64KiB`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::serde_as_text;
use crate::suggest;
use crate::text::quoted;

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A number of bytes, written with an IEC 80000-13 unit: `512B`, `64KiB`, `1MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// What is wrong with a size, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ByteSizeError {
    #[error("`{text}` is no size; write a whole number and a unit, such as `64KiB`")]
    NoNumber { text: String },

    #[error("size `{text}` has no unit; write `{text}KiB`, or `{text}B` for bytes")]
    NoUnit { text: String },

    #[error("size `{text}` has the unknown unit `{unit}`; {hint}")]
    UnknownUnit { text: String, unit: String, hint: String },

    #[error("size `{text}` is too large; the largest is below 16 EiB")]
    TooLarge { text: String },
}

impl ByteSize {
    pub const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        if digits.is_empty() || unit.starts_with(['.', ',']) {
            return Err(ByteSizeError::NoNumber { text: quoted(text) });
        }
        if unit.is_empty() {
            return Err(ByteSizeError::NoUnit { text: quoted(text) });
        }
        let Some((_, bytes)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(unknown_unit(text, digits, unit));
        };
        let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*bytes));
        count.map(Self).ok_or_else(|| ByteSizeError::TooLarge { text: quoted(text) })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |unit: &(&str, u64)| self.0 >= unit.1 && self.0.is_multiple_of(unit.1);
        let (unit, bytes) = UNITS.into_iter().find(whole).unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

serde_as_text!(ByteSize);

fn unknown_unit(text: &str, digits: &str, unit: &str) -> ByteSizeError {
    // `64K`, `64kb` and `64 KB` all mean one thing to whoever wrote them.
    let letter = unit.trim().chars().next().map(|c| c.to_ascii_uppercase());
    let hint = match letter {
        Some(c @ ('K' | 'M' | 'G')) => format!("write `{digits}{c}iB`"),
        Some('B') => format!("write `{digits}B`"),
        _ => suggest::hint(unit, &["B", "KiB", "MiB", "GiB"]),
    };
    ByteSizeError::UnknownUnit { text: quoted(text), unit: quoted(unit), hint }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_read_and_written() {
        for (text, bytes) in
            [("512B", 512), ("64KiB", 65_536), ("1MiB", 1 << 20), ("2GiB", 2 << 30), ("0B", 0)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        assert_eq!(ByteSize::kib(64).bytes(), 65_536);
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refusal = |text: &str| text.parse::<ByteSize>().unwrap_err().to_string();
        assert!(refusal("64").contains("write `64KiB`"));
        assert!(refusal("64K").contains("write `64KiB`"));
        assert!(refusal("64 kb").contains("write `64KiB`"));
        assert!(refusal("64MB").contains("write `64MiB`"));
        assert!(refusal("64x").contains("B, KiB, MiB, GiB") || refusal("64x").contains("did you mean"));
        assert!(refusal("1.5KiB").contains("whole number"));
        assert!(refusal("").contains("is no size"));
        assert!(refusal("99999999999GiB").contains("too large"));
    }

    proptest! {
        #[test]
        fn parse_inverts_display(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[0-9]{0,22}[KMGiB]{0,3}") {
            if let Ok(size) = text.parse::<ByteSize>() {
                prop_assert_eq!(size.to_string().parse(), Ok(size));
            }
        }
    }
}
