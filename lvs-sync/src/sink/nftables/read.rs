//! What `nft -j list table` says (libnftables-json(5)), as a picture.
//!
//! How a rule is spelled differs between versions of the program, so its meaning is read and compared; what is not
//! understood is [`Rule::Other`], and never wrong.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value as Json;

use super::picture::{Chain, Element, Hook, Kind, Picture, Place, Rule, Set, Value};
use super::slots::{By, Slots, Span};
use super::vip::{Vip, transport_named};
use super::write::SEED;
use crate::model::{Family, Transport};

/// `None`: not what nft says.
pub(super) fn picture(listing: &Json) -> Option<Picture> {
    let mut picture = Picture { exists: true, ..Picture::default() };
    let objects = listing.get("nftables")?.as_array()?;
    for (kind, object) in objects.iter().filter_map(Json::as_object).flatten() {
        let name = object.get("name").and_then(Json::as_str);
        match (kind.as_str(), name) {
            ("metainfo" | "table", _) => {}
            ("set" | "map", Some(name)) => match Set::named(name) {
                Some(set) => read_set(set, object, &mut picture),
                None => picture.strange = true,
            },
            ("chain", Some(name)) => {
                picture.chains.insert(name.to_owned(), Chain { place: place(object), rules: Vec::new() });
            }
            // A chain comes before its rules.
            ("rule", _) => {
                let chain = object.get("chain")?.as_str()?;
                picture.chains.get_mut(chain)?.rules.push(rule(object).unwrap_or(Rule::Other));
            }
            _ => picture.strange = true,
        }
    }
    Some(picture)
}

fn read_set(set: Set, object: &Json, picture: &mut Picture) {
    let types = object.get("type").and_then(Json::as_array);
    let is_typed =
        types.is_some_and(|types| types.iter().map(Json::as_str).eq(set.types().into_iter().map(Some)));
    let is_mapped = object.get("map").and_then(Json::as_str) == set.is_map().then_some("verdict");
    picture.sets.insert(set, is_typed && is_mapped);
    let elements = object.get("elem").and_then(Json::as_array);
    picture.elements.extend(elements.into_iter().flatten().filter_map(|json| element(set, json)));
}

fn place(chain: &Json) -> Place {
    let text = |key: &str| chain.get(key).and_then(Json::as_str);
    let Some(hook) = text("hook") else { return Place::Called };
    let is_ours = |of: &Hook| {
        of.as_str() == hook
            && text("type") == Some("nat")
            && text("policy") == Some("accept")
            && chain.get("prio").and_then(Json::as_i64) == Some(of.priority().into())
    };
    Hook::ALL.into_iter().find(is_ours).map_or(Place::Elsewhere, Place::Hooked)
}

/// `None`: of a kind that we have no name for.
fn element(set: Set, json: &Json) -> Option<(Element, Value)> {
    let (key, verdict) = match (set.is_map(), json.as_array().map(Vec::as_slice)) {
        (true, Some([key, verdict])) => (key, Some(verdict)),
        _ => (json, None),
    };
    let (key, comment) = match key.get("elem") {
        Some(elem) => (elem.get("val")?, elem.get("comment").and_then(Json::as_str)),
        None => (key, None),
    };
    let value = Value { comment: comment.map(str::to_owned), verdict: verdict.and_then(self::verdict) };
    let parts = key.get("concat")?.as_array()?.as_slice();
    let element = match (set.0, parts) {
        (Kind::Services, [ip, transport, port]) => Element::Service(vip(ip, transport, port)?),
        (Kind::Destinations, [ip, transport, port, to, to_port]) => {
            Element::Destination(vip(ip, transport, port)?, address(to, to_port)?)
        }
        (Kind::Masqueraded, [ip, to, transport, to_port]) => {
            Element::Masqueraded(self::ip(ip)?, self::transport(transport)?, address(to, to_port)?)
        }
        _ => return None,
    };
    (element.set() == set).then_some((element, value))
}

/// `{"goto": {"target": "somewhere"}}` or `{"drop": null}`.
fn verdict(json: &Json) -> Option<String> {
    let (word, about) = json.as_object()?.iter().next()?;
    Some(match about.get("target").and_then(Json::as_str) {
        Some(chain) => format!("{word} {chain}"),
        None => word.clone(),
    })
}

/// `None`: none that we write.
fn rule(json: &Json) -> Option<Rule> {
    let expressions = json.get("expr")?.as_array()?.as_slice();
    let comment = json.get("comment").and_then(Json::as_str);
    match (expressions, comment) {
        ([one], None) => dispatch(one),
        ([status, way, masquerade], None) => masqueraded(status, way, masquerade),
        ([protocol, statement], None) => {
            let transport = transport(matched(protocol, "/left/meta/key", "l4proto")?)?;
            let dnat = statement.get("dnat")?;
            let to = address(dnat.get("addr")?, dnat.get("port")?)?;
            let is_plain = dnat.get("flags").is_none() && family(dnat)? == Family::of(to.ip());
            is_plain.then_some(Rule::Otherwise { transport, to })
        }
        ([protocol, statement], Some(comment)) => {
            let transport = transport(matched(protocol, "/left/meta/key", "l4proto")?)?;
            let comment = comment.to_owned();
            match statement.get("dnat") {
                Some(dnat) => Some(Rule::Balance { transport, slots: slots(dnat)?, comment }),
                None => refuses(statement.get("reject")?, transport)
                    .then_some(Rule::Reject { transport, comment }),
            }
        }
        _ => None,
    }
}

fn dispatch(expression: &Json) -> Option<Rule> {
    let vmap = expression.get("vmap")?;
    let set = vmap.get("data")?.as_str()?.strip_prefix('@').and_then(Set::named)?;
    let parts = vmap.pointer("/key/concat")?.as_array()?;
    let is_ours = set.0 == Kind::Services
        && matches!(parts.as_slice(), [ip, protocol, port]
            if payload(ip, keyword(set.1), "daddr") && meta(protocol) && payload(port, "th", "dport"));
    is_ours.then_some(Rule::Dispatch(set.1))
}

fn masqueraded(status: &Json, way: &Json, masquerade: &Json) -> Option<Rule> {
    let is_translated = matched(status, "/left/ct/key", "status")?.as_str() == Some("dnat");
    // With options it does something else.
    let is_plain = masquerade.get("masquerade")?.is_null();
    let way = way.get("match")?;
    let set = way.get("right")?.as_str()?.strip_prefix('@').and_then(Set::named)?;
    let ip = keyword(set.1);
    let original = |json: &Json| {
        json.pointer("/ct/key").and_then(Json::as_str) == Some(&format!("{ip} daddr"))
            && json.pointer("/ct/dir").and_then(Json::as_str) == Some("original")
    };
    let parts = way.pointer("/left/concat")?.as_array()?;
    let is_ours = set.0 == Kind::Masqueraded
        && is_equality(way)
        && matches!(parts.as_slice(), [vip, to, protocol, port]
            if original(vip) && payload(to, ip, "daddr") && meta(protocol) && payload(port, "th", "dport"));
    (is_ours && is_translated && is_plain).then_some(Rule::Masquerade(set.1))
}

/// What a thing is compared with, if it is this thing.
fn matched<'a>(expression: &'a Json, path: &str, what: &str) -> Option<&'a Json> {
    let matching = expression.get("match")?;
    let is_it = matching.pointer(path)?.as_str()? == what && is_equality(matching);
    if is_it { matching.get("right") } else { None }
}

/// Of flags, `in` says that one is set.
fn is_equality(matching: &Json) -> bool {
    matches!(matching.get("op").and_then(Json::as_str), Some("==" | "in"))
}

fn slots(dnat: &Json) -> Option<Slots> {
    let map = dnat.pointer("/addr/map")?;
    let family = family(dnat)?;
    // With flags it does something else.
    let is_plain = dnat.get("flags").is_none() && dnat.get("port").is_none();
    let key = map.get("key")?;
    let (by, modulus) = drawn(key, family)?;
    let data = map.get("data")?;
    let pairs = data.get("set").unwrap_or(data).as_array()?;
    let mut spans = pairs.iter().map(span).collect::<Option<Vec<Span>>>()?;
    spans.sort_unstable();
    let slots = Slots { by, spans };
    (is_plain && slots.count() == modulus).then_some(slots)
}

/// Where a slot's number comes from, and how many there are.
fn drawn(key: &Json, family: Family) -> Option<(By, u32)> {
    let number = |json: &Json, key: &str| json.get(key).map_or(Some(0), number);
    if let Some(numgen) = key.get("numgen") {
        let by = match numgen.get("mode")?.as_str()? {
            "inc" => By::Turn,
            "random" => By::Chance,
            _ => return None,
        };
        return (number(numgen, "offset")? == 0).then_some((by, number(numgen, "mod")?));
    }
    let hash = key.get("jhash")?;
    let is_ours = payload(hash.get("expr")?, keyword(family), "saddr")
        && number(hash, "offset")? == 0
        && number(hash, "seed")? == SEED;
    is_ours.then_some((By::Source, number(hash, "mod")?))
}

fn span(pair: &Json) -> Option<Span> {
    let [key, to] = pair.as_array()?.as_slice() else { return None };
    let (first, last) = match key.get("range").and_then(Json::as_array).map(Vec::as_slice) {
        Some([first, last]) => (number(first)?, number(last)?),
        Some(_) => return None,
        None => (number(key)?, number(key)?),
    };
    let [ip, port] = to.get("concat")?.as_array()?.as_slice() else { return None };
    Some(Span { first, last, to: address(ip, port)? })
}

/// Without words it is the kind that says "port unreachable".
fn refuses(reject: &Json, transport: Transport) -> bool {
    let text = |key: &str| reject.get(key).and_then(Json::as_str);
    match transport {
        Transport::Tcp => text("type") == Some("tcp reset"),
        Transport::Udp => {
            reject.is_null() || (text("type"), text("expr")) == (Some("icmpx"), Some("port-unreachable"))
        }
    }
}

fn payload(json: &Json, protocol: &str, field: &str) -> bool {
    let text = |path: &str| json.pointer(path).and_then(Json::as_str);
    text("/payload/protocol") == Some(protocol) && text("/payload/field") == Some(field)
}

fn meta(json: &Json) -> bool {
    json.pointer("/meta/key").and_then(Json::as_str) == Some("l4proto")
}

fn keyword(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

fn family(dnat: &Json) -> Option<Family> {
    match dnat.get("family")?.as_str()? {
        "ip" => Some(Family::V4),
        "ip6" => Some(Family::V6),
        _ => None,
    }
}

fn vip(ip: &Json, transport: &Json, port: &Json) -> Option<Vip> {
    Some(Vip { transport: self::transport(transport)?, address: address(ip, port)? })
}

fn address(ip: &Json, port: &Json) -> Option<SocketAddr> {
    Some(SocketAddr::new(self::ip(ip)?, number(port)?.try_into().ok()?))
}

fn ip(json: &Json) -> Option<IpAddr> {
    json.as_str()?.parse().ok()
}

fn transport(json: &Json) -> Option<Transport> {
    match json {
        Json::String(name) => transport_named(name),
        number => transport_named(&number.to_string()),
    }
}

fn number(json: &Json) -> Option<u32> {
    json.as_u64()?.try_into().ok()
}
