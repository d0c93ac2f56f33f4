//! The rules of one target, found by who asks: by JOBNAME through [`ByPattern`], then by address.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use super::tags::{ByPattern, Pattern, Tags};
use crate::record::{Action, Name, Rule};
use crate::snapshot::Versioned;

/// Up to so many ranges are compared one by one: that is faster than a trie, and takes its memory from nobody.
const FEW: usize = 8;

/// A rule, ready to be found.
#[derive(Debug)]
pub struct Compiled {
    pub id: Name,
    pub record: Arc<Versioned<Rule>>,
    pub(super) subject: Pattern,
}

impl Compiled {
    pub fn rule(&self) -> &Rule {
        &self.record.value
    }

    /// Whether it would write a guard if it were in force.
    pub(super) fn is_dry_allow(&self) -> bool {
        self.rule().dry_run && self.rule().action == Action::Allow
    }
}

/// Copying one copies pointers: the next table's shares all buckets that did not change.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    buckets: ByPattern<Arc<Bucket>>,
}

/// The rules of a target that speak of the same JOBNAMEs.
#[derive(Debug)]
struct Bucket {
    /// Sorted by id.
    rules: Vec<Arc<Compiled>>,
    networks: Networks,
}

/// Where the peers of a bucket's rules are.
#[derive(Debug)]
enum Networks {
    /// Each rule says it itself.
    Few,
    /// The rules of each range are those of the ranges around it too, so that the longest match has all.
    Many {
        anywhere: Box<[Arc<Compiled>]>,
        v4: PrefixMap<Ipv4Net, Box<[Arc<Compiled>]>>,
        v6: PrefixMap<Ipv6Net, Box<[Arc<Compiled>]>>,
    },
}

impl Group {
    /// Takes the place of a rule of the same id and subject.
    pub(super) fn insert(&mut self, rule: Arc<Compiled>) {
        let pattern = rule.subject;
        let mut rules = self.rules_of(&pattern);
        match rules.binary_search_by(|other| other.id.cmp(&rule.id)) {
            Ok(at) => rules[at] = rule,
            Err(at) => rules.insert(at, rule),
        }
        self.buckets.insert(&pattern, Arc::new(Bucket::new(rules)));
    }

    /// The same of many rules that are not there yet.
    pub(super) fn insert_all(&mut self, rules: impl IntoIterator<Item = Arc<Compiled>>) {
        let mut by_subject: ByPattern<Vec<Arc<Compiled>>> = ByPattern::default();
        for rule in rules {
            let pattern = rule.subject;
            by_subject.entry(&pattern, || self.rules_of(&pattern)).push(rule);
        }
        for rules in by_subject.into_values() {
            let mut rules = rules;
            rules.sort_by(|a, b| a.id.cmp(&b.id));
            if let Some(pattern) = rules.first().map(|rule| rule.subject) {
                self.buckets.insert(&pattern, Arc::new(Bucket::new(rules)));
            }
        }
    }

    pub(super) fn remove(&mut self, rule: &Compiled) {
        let mut rules = self.rules_of(&rule.subject);
        rules.retain(|other| other.id != rule.id);
        match rules.is_empty() {
            true => self.buckets.remove(&rule.subject),
            false => self.buckets.insert(&rule.subject, Arc::new(Bucket::new(rules))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Compiled>> {
        self.buckets.values().flat_map(|bucket| &bucket.rules)
    }

    /// The rules that speak of this address, whoever is there.
    pub(super) fn of_everybody<'t>(&'t self, peer: IpAddr, found: &mut impl FnMut(&'t Arc<Compiled>)) {
        if let Some(bucket) = self.buckets.everybodys() {
            bucket.at(peer, found);
        }
    }

    /// Those that speak of this JOBNAME at this address.
    pub(super) fn of<'t>(&'t self, tags: &Tags, peer: IpAddr, found: &mut impl FnMut(&'t Arc<Compiled>)) {
        self.buckets.naming(tags, |bucket| bucket.at(peer, found));
    }

    fn rules_of(&self, pattern: &Pattern) -> Vec<Arc<Compiled>> {
        self.buckets.get(pattern).map(|bucket| bucket.rules.clone()).unwrap_or_default()
    }
}

impl Bucket {
    fn new(rules: Vec<Arc<Compiled>>) -> Bucket {
        let ranges: usize = rules.iter().map(|rule| rule.rule().from.cidr().len()).sum();
        let networks = if ranges <= FEW { Networks::Few } else { Networks::many(&rules) };
        Bucket { rules, networks }
    }

    fn at<'t>(&'t self, peer: IpAddr, found: &mut impl FnMut(&'t Arc<Compiled>)) {
        match &self.networks {
            Networks::Few => {
                self.rules.iter().filter(|rule| rule.rule().from.covers(peer)).for_each(found);
            }
            Networks::Many { anywhere, v4, v6 } => {
                anywhere.iter().for_each(&mut *found);
                let there = match peer {
                    IpAddr::V4(peer) => v4.get_lpm(&Ipv4Net::from(peer)).map(|(_, rules)| rules),
                    IpAddr::V6(peer) => v6.get_lpm(&Ipv6Net::from(peer)).map(|(_, rules)| rules),
                };
                there.into_iter().flatten().for_each(found);
            }
        }
    }
}

impl Networks {
    fn many(rules: &[Arc<Compiled>]) -> Networks {
        let anywhere = rules.iter().filter(|rule| rule.rule().from.cidr().is_empty()).cloned().collect();
        let mut ranges: Vec<(IpNet, &Arc<Compiled>)> = rules
            .iter()
            .flat_map(|rule| rule.rule().from.cidr().iter().map(move |range| (range.net(), rule)))
            .collect();
        // The wide ones first, and equal ones side by side.
        ranges.sort_by_key(|(net, _)| (net.prefix_len(), *net));
        let (mut v4, mut v6) = (PrefixMap::new(), PrefixMap::new());
        for same in ranges.chunk_by(|(a, _), (b, _)| a == b) {
            let own = same.iter().map(|(_, rule)| Arc::clone(rule));
            match same[0].0 {
                IpNet::V4(net) => drop(v4.insert(net, with_wider(v4.get_lpm(&net), own))),
                IpNet::V6(net) => drop(v6.insert(net, with_wider(v6.get_lpm(&net), own))),
            }
        }
        Networks::Many { anywhere, v4, v6 }
    }
}

/// Each rule once, though it may have ranges inside each other.
fn with_wider<P>(
    wider: Option<(P, &Box<[Arc<Compiled>]>)>,
    own: impl Iterator<Item = Arc<Compiled>>,
) -> Box<[Arc<Compiled>]> {
    let mut all: Vec<_> = wider.map(|(_, rules)| rules.to_vec()).unwrap_or_default();
    for rule in own {
        if all.iter().all(|known| !Arc::ptr_eq(known, &rule)) {
            all.push(rule);
        }
    }
    all.into()
}
