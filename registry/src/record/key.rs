//! Keys, relative to the store's prefix.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use roundhouse_config::{DomainName, Label, PortName, Selector};

use super::text::is_id;
use super::{InstanceId, Name};

/// Bytes of one key, prefix excluded.
const MAX_KEY: usize = 512;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Cert(Name),
    Director(String),
    Domain(DomainName),
    Entrypoint(PortName),
    Gateway(String),
    Guard(Selector),
    Health(Label, InstanceId),
    Held(Label, InstanceId),
    Instance(Label, InstanceId),
    Job(Label),
    /// Who has a sink that several directors share.
    Leader(Name),
    Line(Label),
    Pool(Label),
    /// Which pools have a VIP of a line.
    PoolVip(IpAddr),
    Rule(Name),
    Token(Name),
    /// The offset of a job's VIP.
    Vip(Label),
    /// Which job holds an offset.
    VipOwner(u32),
    /// Which instance holds a transport address (`addresses/tcp/10.0.0.7:1111`).
    Address(SocketAddr),
    /// `kv/`: old clients' own store, which nobody here reads.
    Reserved,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("key has {0} bytes; the most is {MAX_KEY}")]
    TooLong(usize),
    #[error(
        "unknown kind `{0}`; known are addresses, certs, directors, domains, entrypoints, gateways, guards, health, \
         held, instances, jobs, kv, leaders, lines, pool-vips, pools, rules, tokens, vip-owners, vips"
    )]
    UnknownKind(String),
    #[error("key does not have the form `{0}`")]
    Form(&'static str),
    #[error("key is another spelling of `{0}`; write that one")]
    Spelling(String),
    #[error("{0}")]
    Name(String),
}

impl Key {
    pub fn parse(text: &str) -> Result<Key, KeyError> {
        if text.len() > MAX_KEY {
            return Err(KeyError::TooLong(text.len()));
        }
        let (kind, rest) = text.split_once('/').unwrap_or((text, ""));
        let key = match kind {
            // Of these a name has one spelling, so the key has.
            "certs" => return Ok(Key::Cert(name(rest)?)),
            "directors" => return id(rest, "directors/<id>").map(Key::Director),
            "entrypoints" => return Ok(Key::Entrypoint(name(rest)?)),
            "gateways" => return id(rest, "gateways/<id>").map(Key::Gateway),
            "health" => return of_instance(rest, "health/<label>/<uuid>", Key::Health),
            "held" => return of_instance(rest, "held/<label>/<uuid>", Key::Held),
            "instances" => return of_instance(rest, "instances/<label>/<uuid>", Key::Instance),
            "jobs" => return Ok(Key::Job(name(rest)?)),
            "leaders" => return Ok(Key::Leader(name(rest)?)),
            "lines" => return Ok(Key::Line(name(rest)?)),
            "pools" => return Ok(Key::Pool(name(rest)?)),
            "rules" => return Ok(Key::Rule(name(rest)?)),
            "tokens" => return Ok(Key::Token(name(rest)?)),
            "vips" => return Ok(Key::Vip(name(rest)?)),
            "kv" => return Ok(Key::Reserved),
            // These are folded, sorted or padded.
            "domains" => Key::Domain(name(rest)?),
            "guards" => Key::Guard(name(rest)?),
            "vip-owners" => Key::VipOwner(rest.parse().map_err(|_| KeyError::Form("vip-owners/<offset>"))?),
            "pool-vips" => {
                let vip: IpAddr = rest.parse().map_err(|_| KeyError::Form("pool-vips/<ip>"))?;
                Key::pool_vip(vip)
            }
            "addresses" => {
                let form = KeyError::Form("addresses/tcp/<ip>:<port>");
                let address: Option<SocketAddr> =
                    rest.strip_prefix("tcp/").and_then(|text| text.parse().ok());
                let address = address.ok_or(form)?;
                Key::address(address.ip(), address.port())
            }
            kind => {
                let shown = kind.chars().take(64).flat_map(char::escape_debug).collect();
                return Err(KeyError::UnknownKind(shown));
            }
        };
        let spelling = key.to_string();
        if spelling == text { Ok(key) } else { Err(KeyError::Spelling(spelling)) }
    }

    /// Where all instances of a job are.
    pub fn instances_of(job: &Label) -> String {
        format!("instances/{job}/")
    }

    /// Where all VIP owners are.
    pub const VIP_OWNERS: &str = "vip-owners/";

    /// Where the pools of all VIPs are.
    pub const POOL_VIPS: &str = "pool-vips/";

    /// Where all pools are.
    pub const POOLS: &str = "pools/";

    /// Where all lines are.
    pub const LINES: &str = "lines/";

    /// Where all tokens are.
    pub const TOKENS: &str = "tokens/";

    /// Where all held addresses are.
    pub const ADDRESSES: &str = "addresses/";

    /// The address as it is written in a key: IPv4-mapped IPv6 unmapped, so that one socket has one key.
    pub fn address(ip: IpAddr, port: u16) -> Key {
        Key::Address(SocketAddr::new(ip.to_canonical(), port))
    }

    /// The VIP as it is written in a key, IPv4-mapped IPv6 unmapped like an address.
    pub fn pool_vip(vip: IpAddr) -> Key {
        Key::PoolVip(vip.to_canonical())
    }

    /// Whether what is under this key, be it a right key or a wrong one, may be secret.
    pub fn holds_secret(text: &str) -> bool {
        let kind = text.split('/').next().unwrap_or_default();
        ["certs", "tokens"].iter().any(|secret| kind.eq_ignore_ascii_case(secret))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Cert(name) => write!(f, "certs/{name}"),
            Key::Director(id) => write!(f, "directors/{id}"),
            Key::Domain(domain) => write!(f, "domains/{domain}"),
            Key::Entrypoint(name) => write!(f, "entrypoints/{name}"),
            Key::Gateway(id) => write!(f, "gateways/{id}"),
            Key::Guard(selector) => write!(f, "guards/{selector}"),
            Key::Health(label, id) => write!(f, "health/{label}/{id}"),
            Key::Held(label, id) => write!(f, "held/{label}/{id}"),
            Key::Instance(label, id) => write!(f, "instances/{label}/{id}"),
            Key::Job(label) => write!(f, "jobs/{label}"),
            Key::Leader(name) => write!(f, "leaders/{name}"),
            Key::Line(label) => write!(f, "lines/{label}"),
            Key::Pool(label) => write!(f, "pools/{label}"),
            Key::PoolVip(vip) => write!(f, "pool-vips/{vip}"),
            Key::Rule(name) => write!(f, "rules/{name}"),
            Key::Token(name) => write!(f, "tokens/{name}"),
            Key::Vip(label) => write!(f, "vips/{label}"),
            Key::VipOwner(offset) => write!(f, "vip-owners/{offset}"),
            Key::Address(address) => write!(f, "addresses/tcp/{address}"),
            Key::Reserved => f.write_str("kv"),
        }
    }
}

fn name<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, KeyError> {
    text.parse().map_err(|error: T::Err| KeyError::Name(error.to_string()))
}

fn id(text: &str, form: &'static str) -> Result<String, KeyError> {
    is_id(text).then(|| text.to_owned()).ok_or(KeyError::Form(form))
}

fn of_instance(rest: &str, form: &'static str, key: fn(Label, InstanceId) -> Key) -> Result<Key, KeyError> {
    let (job, id) = rest.split_once('/').ok_or(KeyError::Form(form))?;
    Ok(key(name(job)?, name(id)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_written() {
        let id = "0a1b2c3d-0000-4000-8000-000000000001";
        for text in [
            "jobs/app2",
            &format!("instances/app2/{id}"),
            &format!("health/app2/{id}"),
            &format!("held/app2/{id}"),
            "domains/blog.coding.net",
            "domains/*.coding.net",
            "vips/app2",
            "vip-owners/17",
            "addresses/tcp/10.0.0.7:1111",
            "addresses/tcp/[2001:db8::1]:1111",
            "gateways/hub-1",
            "directors/LVS_1.rack",
            "certs/blog.coding.net",
            "rules/redis-1",
            "lines/telecom",
            "pools/blog",
            "pool-vips/203.0.113.10",
            "pool-vips/2001:db8::1",
            "guards/service.redis_cop.coding",
            "guards/cop.*",
            "tokens/ci",
            "entrypoints/http",
        ] {
            assert_eq!(Key::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Key::parse("kv/any/thing/at all"), Ok(Key::Reserved));
    }

    #[test]
    fn wrong_keys_say_what_is_wrong() {
        let error = |text: &str| Key::parse(text).unwrap_err().to_string();
        assert!(error("jobz/app2").contains("unknown kind `jobz`"));
        assert!(error("instances/app2").contains("instances/<label>/<uuid>"));
        assert!(error("instances/app2/17").contains("UUID"));
        assert!(error("held/app2").contains("held/<label>/<uuid>"));
        assert!(error(&format!("jobs/{}", "a".repeat(64))).contains("64"));
        assert!(error(&"k".repeat(70_000)).contains("70000 bytes"));
        assert!(error("vip-owners/-1").contains("vip-owners/<offset>"));
        assert!(error("addresses/udp/10.0.0.7:53").contains("addresses/tcp/<ip>:<port>"));
        assert!(error("pool-vips/203.0.113.10:80").contains("pool-vips/<ip>"));
        assert!(error("gateways/a/b").contains("gateways/<id>"));
        assert!(error("directors/").contains("directors/<id>"));
        assert!(error("certs/*.coding.net").contains("write 1 to 128 of a-z"));
        assert!(error("guards/app.x").contains("unknown tag `app`"));
    }

    #[test]
    fn one_record_has_one_key() {
        for (wrong, right) in [
            ("domains/Blog.coding.net.", "domains/blog.coding.net"),
            ("guards/cop.coding_service.redis", "guards/service.redis_cop.coding"),
            ("vip-owners/017", "vip-owners/17"),
            ("pool-vips/::ffff:203.0.113.10", "pool-vips/203.0.113.10"),
            ("pool-vips/2001:DB8:0::1", "pool-vips/2001:db8::1"),
            ("addresses/tcp/[::ffff:10.0.0.7]:1", "addresses/tcp/10.0.0.7:1"),
        ] {
            assert_eq!(Key::parse(wrong), Err(KeyError::Spelling(right.to_owned())), "{wrong}");
        }
        let mapped: IpAddr = "::ffff:10.0.0.7".parse().unwrap();
        assert_eq!(Key::address(mapped, 1).to_string(), "addresses/tcp/10.0.0.7:1");
    }

    #[test]
    fn a_misspelled_secret_is_one_too() {
        for text in ["certs/a", "tokens/a", "certs", "certs/A b", "Tokens/a"] {
            assert!(Key::holds_secret(text), "{text}");
        }
        assert!(!Key::holds_secret("jobs/certs") && !Key::holds_secret("certificates"));
    }
}
