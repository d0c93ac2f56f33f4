//! How long to wait after a call was throttled: exponential with full jitter ("Exponential Backoff And Jitter", AWS
//! Architecture Blog, 2015), so that directors that were throttled together do not come again together.

use std::time::Duration;

/// ELBv2 refills its buckets of calls by the second, and some of it comes back within a tenth.
const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(2);
/// None comes at once.
const LEAST: Duration = Duration::from_millis(20);

/// `attempt`: how many were throttled before; `draw`: of 0 to 1, evenly.
pub(super) fn delay(attempt: u32, draw: f64) -> Duration {
    let ceiling = FIRST.saturating_mul(2u32.saturating_pow(attempt)).min(MOST);
    LEAST.max(ceiling.mul_f64(draw.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_a_bound_and_the_draw_spreads_below_it() {
        let ceilings: Vec<u128> = (0..7).map(|attempt| delay(attempt, 1.0).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(delay(3, 0.5).as_millis(), 400);
        assert_eq!(delay(3, 0.0), LEAST);
        assert_eq!(delay(u32::MAX, 1.0), MOST);
    }
}
