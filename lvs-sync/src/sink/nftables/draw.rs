//! Our table as it is to be, of the services in it.
//!
//! ```text
//! prerouting, output ─► services4, services6 ─► a chain a service ─► DNAT by its slots, or a refusal
//! postrouting ─► masqueraded4, masqueraded6 ─► this host's own source address
//! ```

use std::collections::BTreeMap;

use super::picture::{Chain, Element, Hook, Kind, Picture, Place, Rule, Set, Value};
use super::slots::Slots;
use super::table::{Entry, Hand, Table};
use super::vip::Vip;
use crate::model::{Family, Scheduler};

/// Whatever carries this is ours.
pub(super) const COMMENT: &str = "roundhouse";
const WEIGHT: &str = "weight ";

/// What is somebody else's in `before` stays where it is.
pub(super) fn picture(table: &Table, before: &Picture, masquerade: bool) -> Picture {
    let mut picture = Picture { strange: before.strange, ..Picture::default() };
    for (vip, entry) in &table.services {
        match entry.hand {
            Hand::Ours | Hand::Distorted => draw(*vip, entry, masquerade, &mut picture),
            Hand::Foreign => {
                let element = Element::Service(*vip);
                let value = before.elements.get(&element).cloned().unwrap_or_default();
                picture.elements.insert(element, value);
            }
        }
    }
    let others = before.chains.iter().filter(|(name, _)| !is_ours(name));
    picture.chains.extend(others.map(|(name, chain)| (name.clone(), chain.clone())));
    picture.exists = picture.strange || !picture.elements.is_empty() || !picture.chains.is_empty();
    if picture.exists {
        frame(masquerade, &mut picture);
    }
    picture
}

fn is_ours(chain: &str) -> bool {
    Hook::ALL.iter().any(|hook| hook.as_str() == chain) || Vip::of_chain(chain).is_some()
}

fn frame(masquerade: bool, picture: &mut Picture) {
    let families = [Family::V4, Family::V6];
    let dispatch = families.map(Rule::Dispatch).to_vec();
    let mut hooked = vec![(Hook::Prerouting, dispatch.clone()), (Hook::Output, dispatch)];
    if masquerade {
        hooked.push((Hook::Postrouting, families.map(Rule::Masquerade).to_vec()));
    }
    let chain = |(hook, rules): (Hook, Vec<Rule>)| {
        (hook.as_str().to_owned(), Chain { place: Place::Hooked(hook), rules })
    };
    picture.chains.extend(hooked.into_iter().map(chain));
    let wanted = |set: &Set| masquerade || set.0 != Kind::Masqueraded;
    picture.sets = Set::ALL.into_iter().filter(wanted).map(|set| (set, true)).collect::<BTreeMap<_, _>>();
}

fn draw(vip: Vip, entry: &Entry, masquerade: bool, picture: &mut Picture) {
    let chain = vip.chain();
    let ours = Value { comment: Some(COMMENT.into()), verdict: Some(format!("goto {chain}")) };
    picture.elements.insert(Element::Service(vip), ours);
    for (to, weight) in &entry.destinations {
        let noted = Value { comment: Some(format!("{WEIGHT}{weight}")), verdict: None };
        picture.elements.insert(Element::Destination(vip, *to), noted);
        if masquerade {
            // Also one that takes no more: a packet may be between the two hooks.
            let way = Element::Masqueraded(vip.address.ip(), vip.transport, *to);
            picture.elements.insert(way, Value::default());
        }
    }
    let comment = format!("{COMMENT} {}", entry.scheduler.as_str());
    let transport = vip.transport;
    let rules = match Slots::of(&entry.scheduler, &entry.destinations) {
        Some(slots) => {
            let otherwise = slots.spans.first().map(|span| Rule::Otherwise { transport, to: span.to });
            [Rule::Balance { transport, slots, comment }].into_iter().chain(otherwise).collect()
        }
        None => vec![Rule::Reject { transport, comment }],
    };
    picture.chains.insert(chain, Chain { place: Place::Called, rules });
}

/// What a service's rule says of its scheduler.
pub(super) fn scheduler_in(rule: &Rule) -> Option<Scheduler> {
    let (Rule::Balance { comment, .. } | Rule::Reject { comment, .. }) = rule else { return None };
    comment.strip_prefix(COMMENT)?.strip_prefix(' ').map(Scheduler::new)
}

/// What a destination's element says of its weight.
pub(super) fn weight_in(value: &Value) -> Option<u32> {
    value.comment.as_deref()?.strip_prefix(WEIGHT)?.parse().ok()
}

/// Services with elements that are not as they are drawn.
pub(super) fn strays(picture: &Picture, drawn: &Picture) -> Vec<Vip> {
    let missing =
        drawn.elements.iter().filter(|(element, value)| picture.elements.get(element) != Some(value));
    let surplus = picture.elements.keys().filter(|element| !drawn.elements.contains_key(element));
    let mut vips = Vec::new();
    for element in missing.map(|(element, _)| element).chain(surplus) {
        match element {
            Element::Service(vip) | Element::Destination(vip, _) => vips.push(*vip),
            Element::Masqueraded(ip, transport, to) => {
                let of_way = |other: &&Element| {
                    matches!(other, Element::Destination(vip, of)
                        if vip.address.ip() == *ip && vip.transport == *transport && of == to)
                };
                let services = drawn.elements.keys().filter(of_way);
                vips.extend(services.filter_map(|element| match element {
                    Element::Destination(vip, _) => Some(*vip),
                    _ => None,
                }));
            }
        }
    }
    vips
}
