//! One figure of everybody, with what it is to the peers' and what it should be.

use std::collections::BTreeMap;

use roundhouse_benches::Samples;
use roundhouse_benches::layout::rounded;
use serde::Serialize;

use crate::contender::Who;

#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) row: u8,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) medians: BTreeMap<Who, f64>,
    /// Every run, in the order in which they were made.
    runs: BTreeMap<Who, Samples>,
    less_is_better: bool,
    /// Ours to theirs.
    pub(crate) ratios: Ratios,
    #[serde(skip_serializing_if = "Option::is_none")]
    aim: Option<Aim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
}

/// Roundhouse's median over a peer's; `None` where one of the two was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Ratios {
    pub(crate) nginx: Option<f64>,
    pub(crate) haproxy: Option<f64>,
    /// To whichever of them does better.
    pub(crate) better: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Against {
    Nginx,
    Haproxy,
    Better,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Aim {
    Ratio { against: Against, at_most: f64 },
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Ok,
    Missed,
}

impl Comparison {
    /// Of which less is better.
    pub(crate) fn cost(
        row: u8,
        what: impl Into<String>,
        unit: &'static str,
        all: impl IntoIterator<Item = (Who, Samples)>,
    ) -> Comparison {
        Comparison::new(row, what.into(), unit, true, all.into_iter().collect())
    }

    /// Of which more is better.
    pub(crate) fn yields(
        row: u8,
        what: impl Into<String>,
        unit: &'static str,
        all: impl IntoIterator<Item = (Who, Samples)>,
    ) -> Comparison {
        Comparison::new(row, what.into(), unit, false, all.into_iter().collect())
    }

    fn new(
        row: u8,
        what: String,
        unit: &'static str,
        less_is_better: bool,
        runs: BTreeMap<Who, Samples>,
    ) -> Comparison {
        let medians = runs.iter().map(|(who, samples)| (*who, samples.median())).collect();
        let ratios = Ratios::of(&medians, less_is_better);
        Comparison { row, what, unit, medians, runs, less_is_better, ratios, aim: None, verdict: None }
    }

    /// Ours should be so many times theirs at the most.
    pub(crate) fn at_most(self, at_most: f64, against: Against) -> Comparison {
        let met = self.ratios.to(against).is_some_and(|ratio| ratio <= at_most);
        self.judged(Aim::Ratio { against, at_most }, met)
    }

    /// Ours should be so much, whatever theirs are.
    pub(crate) fn at_least(self, least: f64) -> Comparison {
        let met = self.medians.get(&Who::Roundhouse).is_some_and(|value| *value >= least);
        self.judged(Aim::AtLeast(least), met)
    }

    /// Ours should be no more than so much, whatever theirs are.
    pub(crate) fn no_more_than(self, most: f64) -> Comparison {
        let met = self.medians.get(&Who::Roundhouse).is_some_and(|value| *value <= most);
        self.judged(Aim::AtMost(most), met)
    }

    fn judged(self, aim: Aim, met: bool) -> Comparison {
        let verdict = if met { Verdict::Ok } else { Verdict::Missed };
        Comparison { aim: Some(aim), verdict: Some(verdict), ..self }
    }

    /// Of the ratio that the aim is about.
    pub(crate) fn limit(&self) -> Option<(Against, f64)> {
        match self.aim? {
            Aim::Ratio { against, at_most } => Some((against, at_most)),
            Aim::AtLeast(_) | Aim::AtMost(_) => None,
        }
    }

    /// The ratio, where less is better.
    pub(crate) fn cost_to(&self, against: Against) -> Option<f64> {
        self.ratios.to(against).filter(|ratio| self.less_is_better && ratio.is_finite())
    }

    /// It belongs to the line above, and is indented for it.
    pub(crate) fn is_detail(&self) -> bool {
        self.what.starts_with(' ')
    }

    pub(crate) const HEAD: [&'static str; 11] = [
        "row",
        "what",
        "unit",
        "roundhouse",
        "nginx",
        "haproxy",
        "/nginx",
        "/haproxy",
        "/better",
        "aim",
        "verdict",
    ];

    pub(crate) fn cells(&self) -> [String; 11] {
        let value = |who| self.medians.get(&who).copied().map(rounded).unwrap_or_default();
        let ratio = |ratio: Option<f64>| ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let aim = match self.aim {
            Some(Aim::Ratio { against, at_most }) => format!("<= {at_most} x {}", against.name()),
            Some(Aim::AtLeast(least)) => format!(">= {least} {}", self.unit),
            Some(Aim::AtMost(most)) => format!("<= {most}"),
            None => String::new(),
        };
        let verdict = match self.verdict {
            Some(Verdict::Ok) => "ok",
            Some(Verdict::Missed) => "MISSED",
            None => "",
        };
        [
            self.row.to_string(),
            self.what.clone(),
            self.unit.to_owned(),
            value(Who::Roundhouse),
            value(Who::Nginx),
            value(Who::Haproxy),
            ratio(self.ratios.nginx),
            ratio(self.ratios.haproxy),
            ratio(self.ratios.better),
            aim,
            verdict.to_owned(),
        ]
    }
}

impl Ratios {
    fn of(medians: &BTreeMap<Who, f64>, less_is_better: bool) -> Ratios {
        let Some(ours) = medians.get(&Who::Roundhouse) else { return Ratios::default() };
        let to = |who| medians.get(&who).map(|theirs| ours / theirs);
        let (nginx, haproxy) = (to(Who::Nginx), to(Who::Haproxy));
        // To whoever needs less ours is the larger ratio.
        let better = if less_is_better { f64::max } else { f64::min };
        Ratios { nginx, haproxy, better: nginx.into_iter().chain(haproxy).reduce(better) }
    }

    pub(crate) fn to(&self, against: Against) -> Option<f64> {
        match against {
            Against::Nginx => self.nginx,
            Against::Haproxy => self.haproxy,
            Against::Better => self.better,
        }
    }
}

impl Against {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Against::Nginx => "nginx",
            Against::Haproxy => "haproxy",
            Against::Better => "better",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(values: [f64; 3]) -> Vec<(Who, Samples)> {
        let samples = values.map(|value| Samples::from_iter([value]));
        [Who::Roundhouse, Who::Nginx, Who::Haproxy].into_iter().zip(samples).collect()
    }

    #[test]
    fn the_better_peer_is_the_one_that_costs_less() {
        let cost = Comparison::cost(1, "", "us", all([8.0, 10.0, 16.0]));
        assert_eq!(cost.ratios, Ratios { nginx: Some(0.8), haproxy: Some(0.5), better: Some(0.8) });
        assert_eq!(cost.at_most(0.8, Against::Better).verdict, Some(Verdict::Ok));
        let cost = Comparison::cost(1, "", "us", all([8.0, 10.0, 16.0]));
        assert_eq!(cost.at_most(0.79, Against::Better).verdict, Some(Verdict::Missed));
    }

    #[test]
    fn or_brings_more() {
        let rate = Comparison::yields(1, "", "1/s", all([8.0, 10.0, 16.0]));
        assert_eq!(rate.ratios.better, Some(0.5));
        assert_eq!(rate.at_least(8.0).verdict, Some(Verdict::Ok));
        let alone = |most| Comparison::cost(1, "", "ratio", all([1.04, 0.0, 0.0])).no_more_than(most).verdict;
        assert_eq!((alone(1.05), alone(1.03)), (Some(Verdict::Ok), Some(Verdict::Missed)));
    }

    #[test]
    fn what_was_not_measured_meets_no_aim() {
        let cost = || Comparison::cost(1, "", "us", all([8.0, 10.0, 16.0]).into_iter().take(2));
        assert_eq!(cost().ratios, Ratios { nginx: Some(0.8), haproxy: None, better: Some(0.8) });
        assert_eq!(cost().at_most(1.0, Against::Haproxy).verdict, Some(Verdict::Missed));
        assert_eq!(cost().at_most(1.0, Against::Nginx).verdict, Some(Verdict::Ok));
        let peers = Comparison::cost(1, "", "us", all([8.0, 10.0, 16.0]).into_iter().skip(1));
        assert_eq!(peers.at_most(1.0, Against::Better).verdict, Some(Verdict::Missed));
        let nothing = Comparison::cost(1, "", "us", all([f64::NAN, 10.0, 16.0]));
        assert_eq!(nothing.at_most(1.0, Against::Better).verdict, Some(Verdict::Missed));
    }
}
