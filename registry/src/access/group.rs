//! The rules of one target, found by who asks: by JOBNAME through [`ByPattern`], then by address.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use super::tags::{ByPattern, Pattern, Tags};
use crate::record::{Action, Name, Proof, Rule};
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
    buckets: ByPattern<Bucket>,
}

/// The rules of a target that speak of the same JOBNAMEs.
#[derive(Clone, Debug)]
struct Bucket {
    /// Sorted by id.
    rules: Arc<[Ready]>,
    /// Where there are many ranges; else each rule says it itself.
    networks: Option<Arc<Networks>>,
}

/// A rule with what decides most of the time beside it, so that the rule itself need not be looked at.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) rule: Arc<Compiled>,
    from: From,
    pub(super) action: Action,
    pub(super) dry_run: bool,
    /// It speaks of all ports, methods and paths, at any time, and wants no proof.
    pub(super) plain: bool,
}

/// Where a rule's peers are.
#[derive(Clone, Copy, Debug)]
enum From {
    Anywhere,
    /// In one range of IPv4: the network and its mask.
    V4(u32, u32),
    /// The rule says it.
    There,
}

/// The rules of each range are those of the ranges around it too, so that the longest match has all.
#[derive(Debug)]
struct Networks {
    anywhere: Box<[Ready]>,
    v4: PrefixMap<Ipv4Net, Box<[Ready]>>,
    v6: PrefixMap<Ipv6Net, Box<[Ready]>>,
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
        self.buckets.insert(&pattern, Bucket::new(rules));
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
                self.buckets.insert(&pattern, Bucket::new(rules));
            }
        }
    }

    pub(super) fn remove(&mut self, rule: &Compiled) {
        let mut rules = self.rules_of(&rule.subject);
        rules.retain(|other| other.id != rule.id);
        match rules.is_empty() {
            true => self.buckets.remove(&rule.subject),
            false => self.buckets.insert(&rule.subject, Bucket::new(rules)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Compiled>> {
        self.buckets.values().flat_map(|bucket| bucket.rules.iter().map(|ready| &ready.rule))
    }

    /// The rules that speak of this address, whoever is there.
    pub(super) fn of_everybody<'t>(&'t self, peer: IpAddr, found: &mut impl FnMut(&'t Ready)) {
        if let Some(bucket) = self.buckets.everybodys() {
            bucket.at(peer, found);
        }
    }

    /// Those that speak of this JOBNAME at this address.
    pub(super) fn of<'t>(&'t self, tags: &Tags, peer: IpAddr, found: &mut impl FnMut(&'t Ready)) {
        self.buckets.naming(tags, |bucket| bucket.at(peer, found));
    }

    fn rules_of(&self, pattern: &Pattern) -> Vec<Arc<Compiled>> {
        let bucket = self.buckets.get(pattern);
        bucket.map(|bucket| bucket.rules.iter().map(|ready| ready.rule.clone()).collect()).unwrap_or_default()
    }
}

impl Bucket {
    fn new(rules: Vec<Arc<Compiled>>) -> Bucket {
        let rules: Arc<[Ready]> = rules.into_iter().map(Ready::new).collect();
        let ranges: usize = rules.iter().map(|ready| ready.rule.rule().from.cidr().len()).sum();
        let networks = (ranges > FEW).then(|| Arc::new(Networks::of(&rules)));
        Bucket { rules, networks }
    }

    #[inline]
    fn at<'t>(&'t self, peer: IpAddr, found: &mut impl FnMut(&'t Ready)) {
        match &self.networks {
            None => self.rules.iter().filter(|ready| ready.covers(peer)).for_each(found),
            Some(networks) => networks.at(peer, found),
        }
    }
}

impl Ready {
    fn new(rule: Arc<Compiled>) -> Ready {
        let Rule { action, dry_run, .. } = *rule.rule();
        let from = match rule.rule().from.cidr() {
            [] => From::Anywhere,
            [range] => match range.net() {
                IpNet::V4(net) => From::V4(net.network().to_bits(), net.netmask().to_bits()),
                IpNet::V6(_) => From::There,
            },
            _ => From::There,
        };
        let Rule { ports, methods, paths, expires, proof, .. } = rule.rule();
        let plain = ports.is_empty()
            && methods.is_empty()
            && paths.is_empty()
            && expires.is_none()
            && *proof == Proof::None;
        Ready { rule, from, action, dry_run, plain }
    }

    /// `peer` is canonical.
    #[inline]
    fn covers(&self, peer: IpAddr) -> bool {
        match (self.from, peer) {
            (From::Anywhere, _) => true,
            (From::V4(network, mask), IpAddr::V4(peer)) => peer.to_bits() & mask == network,
            (From::V4(..), IpAddr::V6(_)) => false,
            (From::There, peer) => self.rule.rule().from.covers(peer),
        }
    }
}

impl Networks {
    fn of(rules: &[Ready]) -> Networks {
        let anywhere = rules.iter().filter(|ready| matches!(ready.from, From::Anywhere)).cloned().collect();
        let mut ranges: Vec<(IpNet, &Ready)> = rules
            .iter()
            .flat_map(|ready| ready.rule.rule().from.cidr().iter().map(move |range| (range.net(), ready)))
            .collect();
        // The wide ones first, and equal ones side by side.
        ranges.sort_by_key(|(net, _)| (net.prefix_len(), *net));
        let mut v4: PrefixMap<Ipv4Net, Box<[Ready]>> = PrefixMap::new();
        let mut v6: PrefixMap<Ipv6Net, Box<[Ready]>> = PrefixMap::new();
        for same in ranges.chunk_by(|(a, _), (b, _)| a == b) {
            let own = same.iter().map(|(_, ready)| *ready);
            match same[0].0 {
                IpNet::V4(net) => {
                    let all = with_wider(v4.get_lpm(&net).map(|(_, rules)| &**rules), own);
                    v4.insert(net, all);
                }
                IpNet::V6(net) => {
                    let all = with_wider(v6.get_lpm(&net).map(|(_, rules)| &**rules), own);
                    v6.insert(net, all);
                }
            }
        }
        Networks { anywhere, v4, v6 }
    }

    fn at<'t>(&'t self, peer: IpAddr, found: &mut impl FnMut(&'t Ready)) {
        self.anywhere.iter().for_each(&mut *found);
        let there = match peer {
            IpAddr::V4(peer) => self.v4.get_lpm(&Ipv4Net::from(peer)).map(|(_, rules)| rules),
            IpAddr::V6(peer) => self.v6.get_lpm(&Ipv6Net::from(peer)).map(|(_, rules)| rules),
        };
        there.into_iter().flatten().for_each(found);
    }
}

/// Each rule once, though it may have ranges inside each other.
fn with_wider<'a>(wider: Option<&[Ready]>, own: impl Iterator<Item = &'a Ready>) -> Box<[Ready]> {
    let mut all: Vec<Ready> = wider.map(<[Ready]>::to_vec).unwrap_or_default();
    for ready in own {
        if all.iter().all(|known| !Arc::ptr_eq(&known.rule, &ready.rule)) {
            all.push(ready.clone());
        }
    }
    all.into()
}
