//! From one picture of a table to another: input for `nft -f` (nft(8)), which does all of it or nothing.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::picture::{Chain, Element, Hook, Picture, Place, Rule, Set, Value};
use super::slots::{By, Slots, Span};
use super::vip::{Vip, number};
use crate::model::{Family, Transport};

/// Of the hash of a client's address: one for all directors, and for every time that a rule is written, so that a client
/// is led to the same place. Any number would do.
pub(super) const SEED: u32 = 0x726f_756e;

/// The least that makes `after` of `before`; nothing if they are the same.
pub(super) fn commands(table: &str, before: &Picture, after: &Picture) -> String {
    let mut text = Text { table, text: String::new() };
    if before == after {
        return text.text;
    }
    match (before.exists, after.exists) {
        (_, false) => text.table("delete"),
        (false, true) => {
            text.table("add");
            text.change(before, after);
        }
        (true, true) if before.has_frame_of(after) => text.change(before, after),
        (true, true) => {
            // What the sets hold is of no use any more; who calls a service's chain is gone with them.
            let mut bare = before.clone();
            bare.sets.clear();
            bare.elements.clear();
            bare.chains.retain(|name, _| Hook::ALL.iter().all(|hook| hook.as_str() != name));
            text.change(before, &bare);
            text.change(&bare, after);
        }
    }
    text.text
}

struct Text<'a> {
    table: &'a str,
    text: String,
}

impl Text<'_> {
    /// A command (nft(8), as in `add chain`) and what it is about in our table.
    fn line(&mut self, command: &str, about: impl fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{command} inet {} {about}", self.table);
    }

    fn table(&mut self, command: &str) {
        let _ = writeln!(self.text, "{command} table inet {}", self.table);
    }

    /// Nothing goes while something leads to it, and nothing leads to what is not there yet.
    fn change(&mut self, before: &Picture, after: &Picture) {
        let is_going = |(element, value): &(&Element, &Value)| {
            after.sets.contains_key(&element.set()) && after.elements.get(element) != Some(value)
        };
        let going = before.elements.iter().filter(is_going).map(|(element, _)| (element, String::new()));
        self.elements("delete element", going);
        let gone = || before.chains.iter().filter(|(name, chain)| !is_in(name, chain, after));
        for (name, _) in gone().filter(|(_, chain)| chain.place != Place::Called) {
            self.remove_chain(name);
        }
        for set in before.sets.keys().filter(|set| !after.sets.contains_key(set)) {
            self.line(if set.is_map() { "delete map" } else { "delete set" }, set.name());
        }
        for (name, _) in gone().filter(|(_, chain)| chain.place == Place::Called) {
            self.remove_chain(name);
        }
        for set in after.sets.keys().filter(|set| !before.sets.contains_key(set)) {
            self.add_set(*set);
        }
        let changed = |(name, chain): &(&String, &Chain)| before.chains.get(*name) != Some(chain);
        for (name, chain) in after.chains.iter().filter(changed) {
            self.chain(name, chain, is_in(name, chain, before));
        }
        let is_new = |(element, value): &(&Element, &Value)| {
            !before.sets.contains_key(&element.set()) || before.elements.get(element) != Some(value)
        };
        let new = after.elements.iter().filter(is_new);
        self.elements("add element", new.map(|(element, value)| (element, Valued(value).to_string())));
    }

    fn remove_chain(&mut self, name: &str) {
        self.line("flush chain", name);
        self.line("delete chain", name);
    }

    fn add_set(&mut self, set: Set) {
        let (command, verdict) = if set.is_map() { ("add map", " : verdict") } else { ("add set", "") };
        let types = set.types().join(" . ");
        self.line(command, format_args!("{} {{ type {types}{verdict}; }}", set.name()));
    }

    fn chain(&mut self, name: &str, chain: &Chain, is_there: bool) {
        match (is_there, chain.place) {
            (true, _) => self.line("flush chain", name),
            (false, Place::Hooked(hook)) => {
                let (on, priority) = (hook.as_str(), hook.priority());
                let place = format!("type nat hook {on} priority {priority}; policy accept;");
                self.line("add chain", format_args!("{name} {{ {place} }}"));
            }
            (false, _) => self.line("add chain", name),
        }
        for rule in &chain.rules {
            self.line("add rule", format_args!("{name} {}", Written(rule)));
        }
    }

    fn elements<'a>(&mut self, command: &str, elements: impl Iterator<Item = (&'a Element, String)>) {
        let mut of_sets: BTreeMap<Set, Vec<String>> = BTreeMap::new();
        for (element, value) in elements {
            of_sets.entry(element.set()).or_default().push(format!("{}{value}", Keyed(element)));
        }
        for (set, elements) in of_sets {
            let elements = elements.join(", ");
            self.line(command, format_args!("{} {{ {elements} }}", set.name()));
        }
    }
}

/// The chain, whatever its rules.
fn is_in(name: &str, chain: &Chain, picture: &Picture) -> bool {
    picture.chains.get(name).is_some_and(|other| other.place == chain.place)
}

/// Protocols by number: not every machine has a list of names.
struct Keyed<'a>(&'a Element);

impl fmt::Display for Keyed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = |Vip { transport, address }: &Vip| {
            format!("{} . {} . {}", address.ip(), number(*transport), address.port())
        };
        match self.0 {
            Element::Service(vip) => f.write_str(&service(vip)),
            Element::Destination(vip, to) => write!(f, "{} . {} . {}", service(vip), to.ip(), to.port()),
            Element::Masqueraded(vip, transport, to) => {
                write!(f, "{vip} . {} . {} . {}", to.ip(), number(*transport), to.port())
            }
        }
    }
}

struct Valued<'a>(&'a Value);

impl fmt::Display for Valued<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Value { comment, verdict } = self.0;
        if let Some(comment) = comment {
            write!(f, " comment \"{comment}\"")?;
        }
        if let Some(verdict) = verdict {
            write!(f, " : {verdict}")?;
        }
        Ok(())
    }
}

struct Written<'a>(&'a Rule);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rule::Dispatch(family) => {
                let (ip, digit) = words(*family);
                write!(f, "{ip} daddr . meta l4proto . th dport vmap @services{digit}")
            }
            Rule::Masquerade(family) => {
                let (ip, digit) = words(*family);
                write!(f, "ct status dnat ct original {ip} daddr . {ip} daddr . meta l4proto . th dport ")?;
                write!(f, "@masqueraded{digit} masquerade")
            }
            Rule::Balance { transport, slots, comment } => {
                write!(f, "meta l4proto {} {} comment \"{comment}\"", number(*transport), Slotted(slots))
            }
            Rule::Otherwise { transport, to } => {
                let (ip, _) = words(Family::of(to.ip()));
                write!(f, "meta l4proto {} dnat {ip} to {to}", number(*transport))
            }
            Rule::Reject { transport, comment } => {
                let answer = match transport {
                    Transport::Tcp => "tcp reset",
                    Transport::Udp => "icmpx port-unreachable",
                };
                write!(f, "meta l4proto {} reject with {answer} comment \"{comment}\"", number(*transport))
            }
            // Nobody draws one.
            Rule::Other => Ok(()),
        }
    }
}

struct Slotted<'a>(&'a Slots);

impl fmt::Display for Slotted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Slots { by, spans } = self.0;
        let family = spans.first().map_or(Family::V4, |span| Family::of(span.to.ip()));
        let (ip, _) = words(family);
        write!(f, "dnat {ip} addr . port to ")?;
        match by {
            By::Turn => f.write_str("numgen inc")?,
            By::Chance => f.write_str("numgen random")?,
            By::Source => write!(f, "jhash {ip} saddr")?,
        }
        write!(f, " mod {}", self.0.count())?;
        if *by == By::Source {
            write!(f, " seed {SEED:#x}")?;
        }
        f.write_str(" map { ")?;
        for (n, Span { first, last, to }) in spans.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            let end = if first == last { String::new() } else { format!("-{last}") };
            write!(f, "{comma}{first}{end} : {} . {}", to.ip(), to.port())?;
        }
        f.write_str(" }")
    }
}

fn words(family: Family) -> (&'static str, u8) {
    match family {
        Family::V4 => ("ip", 4),
        Family::V6 => ("ip6", 6),
    }
}
