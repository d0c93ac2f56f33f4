//! Measured values and what is said of them.

use serde::Serialize;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub fn p99(&self) -> f64 {
        self.quantile(0.99)
    }

    /// Each of them less by so much.
    #[must_use]
    pub fn less(&self, by: f64) -> Samples {
        self.0.iter().map(|value| value - by).collect()
    }

    /// By nearest rank: always a value that was measured; NaN where there is none.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Samples {
        Samples(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let samples = Samples::from_iter((1..=100).rev().map(f64::from));
        assert_eq!((samples.median(), samples.p99(), samples.quantile(1.0)), (50.0, 99.0, 100.0));
        assert_eq!(Samples::from_iter([3.0, 1.0, 2.0]).median(), 2.0);
        assert!(Samples::default().median().is_nan());
    }
}
