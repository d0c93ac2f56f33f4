//! One figure of everybody, with what it is to the peers' and what it should be.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Contender, Who};
use crate::Samples;
use crate::layout::rounded;

#[derive(Debug, Serialize)]
pub struct Comparison {
    pub row: u8,
    pub what: String,
    pub unit: &'static str,
    pub medians: BTreeMap<Who, f64>,
    /// Every run, in the order in which they were made.
    runs: BTreeMap<Who, Samples>,
    less_is_better: bool,
    /// Ours to theirs.
    pub ratios: Ratios,
    #[serde(skip_serializing_if = "Option::is_none")]
    aim: Option<Aim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// Roundhouse's median over a peer's; `None` where one of the two was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ratios {
    pub nginx: Option<f64>,
    pub haproxy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pingora: Option<f64>,
    /// To whichever of nginx and HAProxy does better.
    pub better: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
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
pub enum Verdict {
    Ok,
    Missed,
}

impl Comparison {
    /// Of which less is better.
    pub fn cost(
        row: u8,
        what: impl Into<String>,
        unit: &'static str,
        all: impl IntoIterator<Item = (Who, Samples)>,
    ) -> Comparison {
        Comparison::new(row, what.into(), unit, true, all.into_iter().collect())
    }

    /// Of which more is better.
    pub fn yields(
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
    pub fn at_most(self, at_most: f64, against: Against) -> Comparison {
        let met = self.ratios.to(against).is_some_and(|ratio| ratio <= at_most);
        self.judged(Aim::Ratio { against, at_most }, met)
    }

    /// Ours should be so much, whatever theirs are.
    pub fn at_least(self, least: f64) -> Comparison {
        let met = self.medians.get(&Who::Roundhouse).is_some_and(|value| *value >= least);
        self.judged(Aim::AtLeast(least), met)
    }

    /// Ours should be no more than so much, whatever theirs are.
    pub fn no_more_than(self, most: f64) -> Comparison {
        let met = self.medians.get(&Who::Roundhouse).is_some_and(|value| *value <= most);
        self.judged(Aim::AtMost(most), met)
    }

    fn judged(self, aim: Aim, met: bool) -> Comparison {
        let verdict = if met { Verdict::Ok } else { Verdict::Missed };
        Comparison { aim: Some(aim), verdict: Some(verdict), ..self }
    }

    /// Of the ratio that the aim is about.
    pub fn limit(&self) -> Option<(Against, f64)> {
        match self.aim? {
            Aim::Ratio { against, at_most } => Some((against, at_most)),
            Aim::AtLeast(_) | Aim::AtMost(_) => None,
        }
    }

    /// The ratio, where less is better.
    pub fn cost_to(&self, against: Against) -> Option<f64> {
        self.ratios.to(against).filter(|ratio| self.less_is_better && ratio.is_finite())
    }

    /// It belongs to the line above, and is indented for it.
    pub fn is_detail(&self) -> bool {
        self.what.starts_with(' ')
    }

    pub fn head(peers: &[Who]) -> Vec<String> {
        let peers = || peers.iter().map(|who| who.name());
        let ratios = peers().map(|name| format!("/{name}"));
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut head = words(&["row", "what", "unit", "roundhouse"]);
        head.extend(peers().map(str::to_owned).chain(ratios));
        head.extend(words(&["/better", "aim", "verdict"]));
        head
    }

    /// Under [`Self::head`].
    pub fn cells(&self, peers: &[Who]) -> Vec<String> {
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
        let mut cells = vec![self.row.to_string(), self.what.clone(), self.unit.to_owned()];
        cells.push(value(Who::Roundhouse));
        cells.extend(peers.iter().map(|who| value(*who)));
        cells.extend(peers.iter().map(|who| ratio(self.ratios.of_peer(*who))));
        cells.extend([ratio(self.ratios.better), aim, verdict.to_owned()]);
        cells
    }
}

impl Ratios {
    fn of(medians: &BTreeMap<Who, f64>, less_is_better: bool) -> Ratios {
        let Some(ours) = medians.get(&Who::Roundhouse) else { return Ratios::default() };
        let to = |who| medians.get(&who).map(|theirs| ours / theirs);
        let (nginx, haproxy, pingora) = (to(Who::Nginx), to(Who::Haproxy), to(Who::Pingora));
        // To whoever needs less ours is the larger ratio.
        let better = if less_is_better { f64::max } else { f64::min };
        Ratios { nginx, haproxy, pingora, better: nginx.into_iter().chain(haproxy).reduce(better) }
    }

    fn of_peer(self, who: Who) -> Option<f64> {
        match who {
            Who::Roundhouse => None,
            Who::Nginx => self.nginx,
            Who::Haproxy => self.haproxy,
            Who::Pingora => self.pingora,
        }
    }

    pub fn to(&self, against: Against) -> Option<f64> {
        match against {
            Against::Nginx => self.nginx,
            Against::Haproxy => self.haproxy,
            Against::Better => self.better,
        }
    }
}

impl Against {
    pub fn name(self) -> &'static str {
        match self {
            Against::Nginx => "nginx",
            Against::Haproxy => "haproxy",
            Against::Better => "better",
        }
    }
}

/// One of the figures that everybody's runs gave.
pub fn each<const N: usize>(
    contenders: &[Contender],
    samples: &[[Samples; N]],
    index: usize,
) -> Vec<(Who, Samples)> {
    contenders
        .iter()
        .zip(samples)
        .map(|(contender, samples)| (contender.who, samples[index].clone()))
        .collect()
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
        assert_eq!(
            cost.ratios,
            Ratios { nginx: Some(0.8), haproxy: Some(0.5), pingora: None, better: Some(0.8) }
        );
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
        assert_eq!(
            cost().ratios,
            Ratios { nginx: Some(0.8), haproxy: None, pingora: None, better: Some(0.8) }
        );
        assert_eq!(cost().at_most(1.0, Against::Haproxy).verdict, Some(Verdict::Missed));
        assert_eq!(cost().at_most(1.0, Against::Nginx).verdict, Some(Verdict::Ok));
        let peers = Comparison::cost(1, "", "us", all([8.0, 10.0, 16.0]).into_iter().skip(1));
        assert_eq!(peers.at_most(1.0, Against::Better).verdict, Some(Verdict::Missed));
        let nothing = Comparison::cost(1, "", "us", all([f64::NAN, 10.0, 16.0]));
        assert_eq!(nothing.at_most(1.0, Against::Better).verdict, Some(Verdict::Missed));
    }
}
