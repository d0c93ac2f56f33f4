//! Keys, relative to the store's prefix.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use roundhouse_config::{DomainName, Label};

use super::InstanceId;

/// Bytes of one key, prefix excluded.
const MAX_KEY: usize = 512;

/// Kinds that the design reserves and this version does not read: left alone, neither applied nor quarantined.
const RESERVED: [&str; 11] = [
    "certs",
    "rules",
    "lines",
    "pools",
    "health",
    "held",
    "guards",
    "tokens",
    "entrypoints",
    "directors",
    "kv",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Job(Label),
    Instance(Label, InstanceId),
    Domain(DomainName),
    /// The offset of a job's VIP.
    Vip(Label),
    /// Which job holds an offset.
    VipOwner(u32),
    /// Which instance holds a transport address (`addresses/tcp/10.0.0.7:1111`).
    Address(SocketAddr),
    Gateway(String),
    Reserved,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("key has {0} bytes; the most is {MAX_KEY}")]
    TooLong(usize),
    #[error("unknown kind `{0}`; known are jobs, instances, domains, vips, vip-owners, addresses, gateways")]
    UnknownKind(String),
    #[error("key does not have the form `{0}`")]
    Form(&'static str),
    #[error("{0}")]
    Name(String),
}

impl Key {
    pub fn parse(text: &str) -> Result<Key, KeyError> {
        if text.len() > MAX_KEY {
            return Err(KeyError::TooLong(text.len()));
        }
        let (kind, rest) = text.split_once('/').unwrap_or((text, ""));
        match kind {
            "jobs" => Ok(Key::Job(label(rest)?)),
            "instances" => {
                let (job, id) = rest.split_once('/').ok_or(KeyError::Form("instances/<label>/<uuid>"))?;
                let id = id.parse().map_err(KeyError::Name)?;
                Ok(Key::Instance(label(job)?, id))
            }
            "domains" => rest.parse().map(Key::Domain).map_err(|error| name(&error)),
            "vips" => Ok(Key::Vip(label(rest)?)),
            "vip-owners" => {
                rest.parse().map(Key::VipOwner).map_err(|_| KeyError::Form("vip-owners/<offset>"))
            }
            "addresses" => {
                let (_, address) =
                    rest.split_once('/').ok_or(KeyError::Form("addresses/<proto>/<ip>:<port>"))?;
                let address = address.parse().map_err(|_| KeyError::Form("addresses/<proto>/<ip>:<port>"))?;
                Ok(Key::Address(address))
            }
            "gateways" if !rest.is_empty() => Ok(Key::Gateway(rest.to_owned())),
            "gateways" => Err(KeyError::Form("gateways/<id>")),
            kind if RESERVED.contains(&kind) => Ok(Key::Reserved),
            kind => Err(KeyError::UnknownKind(kind.chars().take(64).collect())),
        }
    }

    /// Where all instances of a job are.
    pub fn instances_of(job: &Label) -> String {
        format!("instances/{job}/")
    }

    /// Where all VIP owners are.
    pub const VIP_OWNERS: &str = "vip-owners/";

    /// Where all held addresses are.
    pub const ADDRESSES: &str = "addresses/";

    /// The address as it is written in a key: IPv4-mapped IPv6 unmapped, so that one socket has one key.
    pub fn address(ip: IpAddr, port: u16) -> Key {
        Key::Address(SocketAddr::new(ip.to_canonical(), port))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Job(label) => write!(f, "jobs/{label}"),
            Key::Instance(label, id) => write!(f, "instances/{label}/{id}"),
            Key::Domain(domain) => write!(f, "domains/{domain}"),
            Key::Vip(label) => write!(f, "vips/{label}"),
            Key::VipOwner(offset) => write!(f, "vip-owners/{offset}"),
            Key::Address(address) => write!(f, "addresses/tcp/{address}"),
            Key::Gateway(id) => write!(f, "gateways/{id}"),
            Key::Reserved => f.write_str("reserved"),
        }
    }
}

fn label(text: &str) -> Result<Label, KeyError> {
    text.parse().map_err(|error| name(&error))
}

fn name(error: &dyn fmt::Display) -> KeyError {
    KeyError::Name(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_written() {
        let id = "0a1b2c3d-0000-4000-8000-000000000001";
        for text in [
            "jobs/app2".to_owned(),
            format!("instances/app2/{id}"),
            "domains/blog.coding.net".to_owned(),
            "domains/*.coding.net".to_owned(),
            "vips/app2".to_owned(),
            "vip-owners/17".to_owned(),
            "addresses/tcp/10.0.0.7:1111".to_owned(),
            "addresses/tcp/[2001:db8::1]:1111".to_owned(),
            "gateways/hub-1".to_owned(),
        ] {
            assert_eq!(Key::parse(&text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn wrong_keys_say_what_is_wrong() {
        let error = |text: &str| Key::parse(text).unwrap_err().to_string();
        assert!(error("jobz/app2").contains("unknown kind `jobz`"));
        assert!(error("instances/app2").contains("instances/<label>/<uuid>"));
        assert!(error("instances/app2/17").contains("UUID"));
        assert!(error(&format!("jobs/{}", "a".repeat(64))).contains("64"));
        assert!(error(&"k".repeat(70_000)).contains("70000 bytes"));
        assert!(error("vip-owners/-1").contains("vip-owners/<offset>"));
    }

    #[test]
    fn one_socket_has_one_key() {
        let mapped: IpAddr = "::ffff:10.0.0.7".parse().unwrap();
        assert_eq!(Key::address(mapped, 1).to_string(), "addresses/tcp/10.0.0.7:1");
    }
}
