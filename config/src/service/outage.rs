//! Who may come to a job while the registry is away, when what is known of everybody grows old.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::serde_as_text;
use crate::units::duration;
use crate::word::words;

/// How a job's access is decided from what the registry said before it was lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Outage {
    /// From this age on what is known counts as old.
    #[serde(with = "duration")]
    pub max_stale: Duration,
    /// What becomes of new connections and requests then.
    pub then: Stale,
    /// From this age on whoever is let in for its JOBNAME has to prove it; `null`: never.
    #[serde(with = "duration::optional")]
    pub proof_stale: Option<Duration>,
}

/// What is decided from old knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Stale {
    /// The same as before: a registry that is down must not take everything else down.
    #[default]
    Freeze,
    /// Nobody new comes in.
    Deny,
}

words!(Stale { Freeze = "freeze", Deny = "deny" });
serde_as_text!(Stale);

impl Outage {
    /// An hour: longer than any restart of a registry, and within a shift of whoever is on call.
    const MAX_STALE: Duration = Duration::from_secs(3_600);
    const BOUNDS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);

    /// Nothing was said about it.
    pub fn is_default(&self) -> bool {
        *self == Outage::default()
    }

    /// Each field that is out of its bounds, and what to write instead.
    pub fn out_of_bounds(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let wrong = |value: Duration| {
            let [value, least, most] =
                [value, *Self::BOUNDS.start(), *Self::BOUNDS.end()].map(duration::format);
            format!("\"{value}\" is out of bounds; write \"{least}\" to \"{most}\"")
        };
        let fields = [("max_stale", Some(self.max_stale)), ("proof_stale", self.proof_stale)];
        let outside =
            fields.map(|(field, value)| Some((field, wrong(value.filter(|v| !Self::BOUNDS.contains(v))?))));
        outside.into_iter().flatten()
    }
}

impl Default for Outage {
    fn default() -> Self {
        Self { max_stale: Self::MAX_STALE, then: Stale::default(), proof_stale: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_the_api_s() {
        let json = r#"{"max_stale":"10m","then":"deny","proof_stale":"5m"}"#;
        let outage: Outage = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&outage).unwrap(), json);
        assert_eq!(outage.out_of_bounds().next(), None);
        assert_eq!(serde_json::from_str::<Outage>("{}").unwrap(), Outage::default());
        let wrong: Outage = serde_json::from_str(r#"{"max_stale":"0s","proof_stale":"31d"}"#).unwrap();
        let wrong: Vec<_> = wrong.out_of_bounds().collect();
        assert_eq!(wrong[0], ("max_stale", "\"0s\" is out of bounds; write \"1s\" to \"30d\"".to_owned()));
        assert_eq!(wrong[1].0, "proof_stale");
    }
}
