//! Shares of a whole.

use std::fmt;

use thiserror::Error;

/// From none (0) to all (1), in millionths: two that are written alike are equal, and one is compared without floating
/// point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

/// What is wrong with a share, and what to write instead.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ShareError {
    #[error("{0} is out of bounds; write 0.0 to 1.0")]
    OutOfBounds(f64),

    /// None at all would be another thing than what was written.
    #[error("{0} is less than a millionth; write 0.000001 or more, or 0.0")]
    TooSmall(f64),
}

impl Share {
    pub const NONE: Share = Share(0);
    pub const ALL: Share = Share(MILLION);

    /// Rounded to a millionth.
    pub fn new(share: f64) -> Result<Share, ShareError> {
        if !(0.0..=1.0).contains(&share) {
            return Err(ShareError::OutOfBounds(share));
        }
        // Within 0 and a million, so nothing is lost but what is rounded.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let millionths = (share * f64::from(MILLION)).round() as u32;
        if millionths == 0 && share > 0.0 {
            return Err(ShareError::TooSmall(share));
        }
        Ok(Share(millionths))
    }

    /// Whether a draw falls into it: of all numbers there are, this share does.
    pub fn takes(self, random: u32) -> bool {
        let drawn = (u64::from(random) * u64::from(MILLION)) >> u32::BITS;
        drawn < u64::from(self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", f64::from(self.0) / f64::from(MILLION))
    }
}

const MILLION: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_read_in_millionths_and_shown_as_written() {
        for (share, text) in [(0.0, "0.0"), (1.0, "1.0"), (0.25, "0.25"), (0.000_001, "1e-6"), (0.1, "0.1")] {
            assert_eq!(Share::new(share).unwrap().to_string(), text);
        }
        assert_eq!((Share::new(0.0), Share::new(1.0)), (Ok(Share::NONE), Ok(Share::ALL)));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Share::new(wrong).unwrap_err().to_string().ends_with("write 0.0 to 1.0"));
        }
        assert!(Share::new(1e-9).unwrap_err().to_string().contains("less than a millionth"));
    }

    #[test]
    fn none_takes_nothing_and_all_takes_all() {
        for random in [0, 1, u32::MAX / 2, u32::MAX] {
            assert!(!Share::NONE.takes(random) && Share::ALL.takes(random));
        }
    }

    proptest! {
        /// Evenly spread draws are taken in the share's own proportion, to a thousandth.
        #[test]
        fn a_share_of_the_draws_is_taken(share in 0.0..=1.0f64) {
            prop_assume!(share > 0.000_001);
            let taken = (0..10_000u32).filter(|n| Share::new(share).unwrap().takes(n * (u32::MAX / 10_000))).count();
            prop_assert!((taken as f64 / 10_000.0 - share).abs() < 0.001);
        }
    }
}
