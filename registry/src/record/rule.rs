//! `rules/<id>`: one access rule: who, from where, may or may not reach what.

use std::fmt;
use std::net::IpAddr;

use roundhouse_config::{JobName, Label, PortName, Selector};
use serde::{Deserialize, Deserializer, Serialize};

use super::text::{check_list, check_note};
use super::{Network, Timestamp, ValueError, domain};

/// Ranges, ports, methods or paths of one rule. Whoever needs more writes a second rule.
const MAX_ITEMS: usize = 256;
/// RFC 9110 sets no limit; the longest registered method (UPDATEREDIRECTREF) has 17.
const MAX_METHOD: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub to: Target,
    pub from: Peers,
    pub action: Action,
    /// Empty: every port.
    #[serde(default)]
    pub ports: Vec<RulePort>,
    /// HTTP only; empty: every method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Box<str>>,
    /// HTTP only: prefixes that end at a segment, of the normalised path; empty: every path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Box<str>>,
    /// What the peer must show besides.
    #[serde(default)]
    pub proof: Proof,
    /// Evaluated and logged, not enforced.
    #[serde(default)]
    pub dry_run: bool,
    /// From then on it is as if it were not there.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    #[serde(default)]
    pub note: Box<str>,
}

/// What the rule defends: one job by its label, or all jobs of a subtree, also later ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "RawTarget")]
pub enum Target {
    Job(Label),
    JobName(Selector),
}

/// Whom the rule speaks of: at least one of the two, and where both are given both must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawPeers")]
pub struct Peers {
    #[serde(skip_serializing_if = "Option::is_none")]
    jobname: Option<Selector>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cidr: Vec<Network>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Allow,
    Deny,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    #[default]
    None,
    /// The token bound to the instance's lease.
    Token,
    /// A client certificate that names the JOBNAME.
    Mtls,
}

/// A port of the job, by its number or by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RulePort {
    Number(u16),
    Name(PortName),
}

impl Rule {
    pub fn validate(&self) -> Result<(), ValueError> {
        check_list("from.cidr", &self.from.cidr, MAX_ITEMS)?;
        check_list("ports", &self.ports, MAX_ITEMS)?;
        check_list("methods", &self.methods, MAX_ITEMS)?;
        check_list("paths", &self.paths, MAX_ITEMS)?;
        for (i, method) in self.methods.iter().enumerate() {
            let upper = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
            if !(1..=MAX_METHOD).contains(&method.len()) || !method.bytes().all(upper) {
                let message = "a method is written in upper case, as in \"GET\"";
                return Err(ValueError::field(format!("methods[{i}]"), message));
            }
        }
        for (i, path) in self.paths.iter().enumerate() {
            domain::check_path(format!("paths[{i}]"), path)?;
            if !is_normal(path) {
                let message = "is no path as requests are compared with it, so the rule would do nothing; write it without \
                    `//`, `.`, `..`, `;`, `?`, `#` and `\\`, letters, digits and `-._~` as they are, and all else as an escape in capitals";
                return Err(ValueError::field(format!("paths[{i}]"), message));
            }
        }
        if self.action == Action::Deny && self.proof != Proof::None {
            let message = "a deny rule that wants proof would let in whoever shows none; leave it out";
            return Err(ValueError::field("proof", message));
        }
        check_note("note", &self.note)
    }

    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Whether a request's path may begin like that in its normal form (RFC 3986, 6.2.2).
fn is_normal(path: &str) -> bool {
    let is_escape = |escape: &str| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        let digits = escape.get(..2).filter(|digits| digits.bytes().all(is_digit));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)))
    };
    let inner = path.strip_prefix('/').unwrap_or(path);
    let mut segments = inner.strip_suffix('/').unwrap_or(inner).split('/');
    path.is_ascii()
        && (inner.is_empty() || segments.all(|segment| !matches!(segment, "" | "." | "..")))
        && !path.contains([';', '?', '#', '\\'])
        && path.split('%').skip(1).all(is_escape)
}

impl Target {
    pub fn matches(&self, label: &Label, name: &JobName) -> bool {
        match self {
            Target::Job(wanted) => wanted == label,
            Target::JobName(selector) => selector.matches(name),
        }
    }
}

impl Peers {
    /// `None` where both are empty: such a rule would speak of everybody or of nobody, and one cannot tell which.
    pub fn new(jobname: Option<Selector>, cidr: Vec<Network>) -> Option<Peers> {
        (jobname.is_some() || !cidr.is_empty()).then_some(Peers { jobname, cidr })
    }

    pub fn jobname(&self) -> Option<&Selector> {
        self.jobname.as_ref()
    }

    /// Empty: from any address.
    pub fn cidr(&self) -> &[Network] {
        &self.cidr
    }

    /// Whether the rule speaks of this address.
    pub fn covers(&self, address: IpAddr) -> bool {
        self.cidr.is_empty() || self.cidr.iter().any(|network| network.contains(address))
    }
}

#[derive(Deserialize)]
struct RawTarget {
    job: Option<Label>,
    jobname: Option<Selector>,
}

impl TryFrom<RawTarget> for Target {
    type Error = &'static str;

    fn try_from(raw: RawTarget) -> Result<Target, &'static str> {
        match (raw.job, raw.jobname) {
            (Some(job), None) => Ok(Target::Job(job)),
            (None, Some(jobname)) => Ok(Target::JobName(jobname)),
            _ => Err("write one of {\"job\":\"redis\"} and {\"jobname\":\"service.redis_cop.coding\"}"),
        }
    }
}

#[derive(Deserialize)]
struct RawPeers {
    jobname: Option<Selector>,
    #[serde(default)]
    cidr: Vec<Network>,
}

impl TryFrom<RawPeers> for Peers {
    type Error = &'static str;

    fn try_from(raw: RawPeers) -> Result<Peers, &'static str> {
        let nobody = "names nobody; write \"jobname\", \"cidr\" or both, as in {\"cidr\":[\"10.0.0.0/8\"]}";
        Peers::new(raw.jobname, raw.cidr).ok_or(nobody)
    }
}

impl fmt::Display for RulePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RulePort::Number(number) => number.fmt(f),
            RulePort::Name(name) => name.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for RulePort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RulePort, D::Error> {
        struct NumberOrName;

        impl serde::de::Visitor<'_> for NumberOrName {
            type Value = RulePort;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port's number, 1 to 65535, or its name")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<RulePort, E> {
                match u16::try_from(number) {
                    Ok(number) if number > 0 => Ok(RulePort::Number(number)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Unsigned(number), &self)),
                }
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<RulePort, E> {
                name.parse().map(RulePort::Name).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberOrName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn the_shape_of_the_documentation_reads() {
        let rule: Rule = decode(
            br#"{"to":{"job":"redis"},"from":{"jobname":"cop.xiaomi_owt.miliao","cidr":["10.0.0.0/8"]},
                "action":"allow","ports":[],"proof":"none","dry_run":false,"expires":null,"note":""}"#,
        )
        .unwrap();
        let short: Rule = decode(
            br#"{"to":{"job":"redis"},"from":{"jobname":"owt.miliao_cop.xiaomi","cidr":["10.0.0.0/8"]},"action":"allow"}"#,
        )
        .unwrap();
        assert_eq!(rule, short);
        assert_eq!(rule.validate(), Ok(()));
        assert_eq!(decode::<Rule>(&encode(&rule)).unwrap(), rule);
        assert!(rule.from.covers("::ffff:10.1.2.3".parse().unwrap()));
        assert!(rule.to.matches(&"redis".parse().unwrap(), &"job.redis".parse().unwrap()));
    }

    #[test]
    fn ports_have_numbers_and_names() {
        let rule: Rule = decode(
            br#"{"to":{"jobname":"cop.*"},"from":{"cidr":["::/0"]},"action":"deny","ports":[3306,"admin"],
                "methods":["GET"],"paths":["/v1"],"expires":17}"#,
        )
        .unwrap();
        assert_eq!(rule.ports, [RulePort::Number(3306), RulePort::Name("admin".parse().unwrap())]);
        assert_eq!(decode::<Rule>(&encode(&rule)).unwrap(), rule);
        assert!(rule.expired(Timestamp::from_seconds(17)) && !rule.expired(Timestamp::from_seconds(16)));
    }

    fn refused(fields: &str) -> String {
        let text = format!(r#"{{"to":{{"job":"a"}},"from":{{"cidr":["::/0"]}},"action":"deny",{fields}}}"#);
        let read = decode::<Rule>(text.as_bytes());
        read.and_then(|rule| rule.validate()).unwrap_err().to_string()
    }

    #[test]
    fn refusals_say_what_to_write() {
        let error = |text: &str| decode::<Rule>(text.as_bytes()).unwrap_err().to_string();
        assert!(error(r#"{"to":{},"from":{"cidr":["::/0"]},"action":"deny"}"#).contains("to: write one of"));
        let nobody = error(r#"{"to":{"job":"a"},"from":{},"action":"deny"}"#);
        assert!(nobody.starts_with("from: names nobody; write"), "{nobody}");
        let bits = error(r#"{"to":{"job":"a"},"from":{"cidr":["10.0.0.7/8"]},"action":"deny"}"#);
        assert!(bits.starts_with("from.cidr[0]: ") && bits.contains("write `10.0.0.0/8`"), "{bits}");
        assert!(refused(r#""ports":[0]"#).contains("1 to 65535"));
        assert!(refused(r#""ports":[65536]"#).contains("ports[0]: "));
        assert!(refused(r#""ports":["main","main"]"#).contains("ports[1]: `main` is there twice"));
        assert!(refused(r#""methods":["get"]"#).contains("upper case"));
        assert!(refused(r#""paths":["v1"]"#).contains("starts with `/`"));
        for path in
            ["/%61", "/a/../b", "/a/.", "//a", "/a//b", "/a;b", "/a?b", "/a#b", "/a%2fb", "/a%", "/a%2", "/ä"]
        {
            let refusal = refused(&format!(r#""paths":["{path}"]"#));
            assert!(refusal.contains("the rule would do nothing"), "{path}: {refusal}");
        }
        assert!(refused(r#""proof":"token""#).contains("proof: a deny rule that wants proof"));
        assert!(refused(r#""proof":"secret""#).contains("expected one of `none`, `token`, `mtls`"));
        assert!(refused(&format!(r#""note":"{}""#, "x".repeat(1_025))).contains("the most is 1024"));
    }
}
