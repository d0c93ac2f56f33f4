//! A kernel with nft in a few lines, for tests: it takes our commands, refuses what the real one refuses, and lists what
//! it holds as nft 1.0.6 does.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pretended {
    pub(super) exists: bool,
    /// With the types of their keys, and `: verdict`.
    sets: BTreeMap<String, String>,
    /// By set and key: comment and verdict.
    pub(super) elements: BTreeMap<(String, String), (Option<String>, Option<String>)>,
    /// What a chain hangs on, and its rules.
    pub(super) chains: BTreeMap<String, (String, Vec<String>)>,
}

impl Pretended {
    /// All of the commands or none.
    pub(super) fn run(&mut self, commands: &str) -> Result<(), String> {
        let mut after = self.clone();
        for line in commands.lines() {
            after.one(line).ok_or_else(|| format!("refused: {line}"))?;
        }
        *self = after;
        Ok(())
    }

    fn one(&mut self, line: &str) -> Option<()> {
        let mut words = line.splitn(5, ' ');
        let (verb, kind, name) = (words.next()?, words.next()?, words.nth(1)?);
        assert_eq!(name, "t", "{line}");
        let rest = words.next().unwrap_or_default();
        let (name, body) = rest.split_once(' ').unwrap_or((rest, ""));
        match (verb, kind) {
            ("add", "table") => self.exists = true,
            ("delete", "table") => *self = self.exists.then(Pretended::default)?,
            _ if !self.exists => return None,
            ("add", "set" | "map") => {
                self.sets.insert(name.into(), inner(body)?.trim_end_matches(';').into());
            }
            ("delete", "set" | "map") => {
                self.sets.remove(name)?;
                self.elements.retain(|(of, _), _| of != name);
                let is_used = |rule: &String| rule.contains(&format!("@{name}"));
                (!self.chains.values().flat_map(|(_, rules)| rules).any(is_used)).then_some(())?;
            }
            ("add", "chain") => {
                self.chains.entry(name.into()).or_insert_with(|| (body.into(), Vec::new()));
            }
            ("flush", "chain") => self.chains.get_mut(name)?.1.clear(),
            ("delete", "chain") => {
                self.chains.remove(name)?;
                let is_called =
                    self.elements.values().any(|(_, verdict)| called(verdict.as_deref()) == Some(name));
                (!is_called).then_some(())?;
            }
            ("add", "rule") => self.chains.get_mut(name)?.1.push(body.into()),
            ("add" | "delete", "element") => self.elements(verb, name, inner(body)?)?,
            _ => return None,
        }
        Some(())
    }

    fn elements(&mut self, verb: &str, set: &str, elements: &str) -> Option<()> {
        self.sets.get(set)?;
        for element in elements.split(", ") {
            let (element, verdict) = match element.split_once(" : ") {
                Some((element, verdict)) => (element, Some(verdict.to_owned())),
                None => (element, None),
            };
            let (key, comment) = match element.split_once(" comment ") {
                Some((key, comment)) => (key, Some(comment.trim_matches('"').to_owned())),
                None => (element, None),
            };
            let key = (set.to_owned(), key.to_owned());
            match verb {
                "delete" => drop(self.elements.remove(&key)?),
                _ => {
                    // A new one, that leads somewhere.
                    called(verdict.as_deref()).map_or(Some(()), |chain| self.chains.get(chain).map(drop))?;
                    self.elements.insert(key, (comment, verdict)).is_none().then_some(())?;
                }
            }
        }
        Some(())
    }

    pub(super) fn listing(&self) -> Option<Json> {
        self.exists.then_some(())?;
        let mut objects = vec![
            json!({"metainfo": {"version": "1.0.6"}}),
            json!({"table": {"family": "inet", "name": "t"}}),
        ];
        for (name, declared) in &self.sets {
            let types = declared.trim_start_matches("type ");
            let (types, verdict) =
                types.split_once(" : ").map_or((types, None), |(types, to)| (types, Some(to)));
            let elements = self.elements.iter().filter(|((set, _), _)| set == name);
            let mut set = json!({
                "name": name,
                "type": types.split(" . ").collect::<Vec<_>>(),
                "elem": elements.map(|((_, key), value)| element(key, value)).collect::<Vec<_>>(),
            });
            if let Some(verdict) = verdict {
                set["map"] = verdict.into();
            }
            objects.push(json!({ if verdict.is_some() { "map" } else { "set" }: set }));
        }
        for (name, (place, _)) in &self.chains {
            let mut chain = json!({"name": name});
            if let Some(place) = inner(place) {
                let words: Vec<&str> = place.split([' ', ';']).collect();
                chain["type"] = words[1].into();
                chain["hook"] = words[3].into();
                chain["prio"] = words[5].parse::<i32>().unwrap().into();
                chain["policy"] = words[8].into();
            }
            objects.push(json!({"chain": chain}));
        }
        for (chain, (_, rules)) in &self.chains {
            for rule in rules {
                let (text, comment) = rule
                    .split_once(" comment ")
                    .map_or((rule.as_str(), None), |(text, comment)| (text, Some(comment)));
                let mut json = json!({"chain": chain, "expr": expressions(text)});
                if let Some(comment) = comment {
                    json["comment"] = comment.trim_matches('"').into();
                }
                objects.push(json!({"rule": json}));
            }
        }
        Some(json!({"nftables": objects}))
    }
}

fn called(verdict: Option<&str>) -> Option<&str> {
    verdict?.split_once(' ').map(|(_, chain)| chain)
}

fn inner(body: &str) -> Option<&str> {
    Some(body.split_once("{ ")?.1.rsplit_once(" }")?.0)
}

fn element(key: &str, (comment, verdict): &(Option<String>, Option<String>)) -> Json {
    let mut element = concatenated(key, true);
    if let Some(comment) = comment {
        element = json!({"elem": {"val": element, "comment": comment}});
    }
    match verdict.as_ref().map(|verdict| verdict.split_once(' ').unwrap_or((verdict, ""))) {
        Some((word, "")) => json!([element, { word: null }]),
        Some((word, chain)) => json!([element, { word: { "target": chain } }]),
        None => element,
    }
}

/// A key's protocol is the one number that comes out as a name.
fn concatenated(key: &str, has_protocol: bool) -> Json {
    let part = |part: &str| match (part, part.parse::<u32>()) {
        ("6", _) if has_protocol => "tcp".into(),
        ("17", _) if has_protocol => "udp".into(),
        (_, Ok(number)) => json!(number),
        (text, Err(_)) => text.into(),
    };
    json!({"concat": key.split(" . ").map(part).collect::<Vec<_>>()})
}

fn expressions(rule: &str) -> Vec<Json> {
    let words: Vec<&str> = rule.split(' ').collect();
    let payload = |protocol: &str, field: &str| json!({"payload": {"protocol": protocol, "field": field}});
    let meta = json!({"meta": {"key": "l4proto"}});
    let protocol = |number: &str| {
        let name = if number == "6" { "tcp" } else { "udp" };
        json!({"match": {"op": "==", "left": meta, "right": name}})
    };
    match words.as_slice() {
        [ip, "daddr", .., "vmap", set] => {
            let key = json!({"concat": [payload(ip, "daddr"), meta, payload("th", "dport")]});
            vec![json!({"vmap": {"key": key, "data": set}})]
        }
        ["ct", "status", "dnat", "ct", "original", ip, .., set, "masquerade"] => {
            let original = json!({"ct": {"key": format!("{ip} daddr"), "dir": "original"}});
            let way = json!({"concat": [original, payload(ip, "daddr"), meta, payload("th", "dport")]});
            vec![
                json!({"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}),
                json!({"match": {"op": "==", "left": way, "right": set}}),
                json!({"masquerade": null}),
            ]
        }
        ["meta", "l4proto", number, "reject", "with", "tcp", "reset"] => {
            vec![protocol(number), json!({"reject": {"type": "tcp reset"}})]
        }
        ["meta", "l4proto", number, "reject", "with", "icmpx", expr] => {
            vec![protocol(number), json!({"reject": {"type": "icmpx", "expr": expr}})]
        }
        ["meta", "l4proto", number, "dnat", ip, "addr", ".", "port", "to", source @ ..] => {
            let map = json!({"key": drawn(ip, source), "data": {"set": slots(rule)}});
            vec![protocol(number), json!({"dnat": {"family": ip, "addr": {"map": map}}})]
        }
        ["meta", "l4proto", number, "dnat", ip, "to", to] => {
            let to: std::net::SocketAddr = to.parse().unwrap();
            vec![protocol(number), json!({"dnat": {"family": ip, "addr": to.ip(), "port": to.port()}})]
        }
        _ => vec![json!({"xt": null})],
    }
}

fn drawn(ip: &str, source: &[&str]) -> Json {
    let number = |text: &str| text.parse::<u32>().unwrap();
    match source {
        ["numgen", mode, "mod", modulus, ..] => {
            json!({"numgen": {"mode": mode, "mod": number(modulus), "offset": 0}})
        }
        ["jhash", of, "saddr", "mod", modulus, "seed", seed, ..] if *of == ip => {
            let seed = u32::from_str_radix(seed.trim_start_matches("0x"), 16).unwrap();
            let expr = json!({"payload": {"protocol": ip, "field": "saddr"}});
            json!({"jhash": {"mod": number(modulus), "seed": seed, "expr": expr}})
        }
        _ => panic!("{source:?}"),
    }
}

fn slots(rule: &str) -> Vec<Json> {
    let slot = |slot: &str| {
        let (key, to) = slot.split_once(" : ").unwrap();
        let number = |text: &str| text.parse::<u32>().unwrap();
        let key = match key.split_once('-') {
            Some((first, last)) => json!({"range": [number(first), number(last)]}),
            None => json!(number(key)),
        };
        json!([key, concatenated(to, false)])
    };
    inner(rule).unwrap().split(", ").map(slot).collect()
}
