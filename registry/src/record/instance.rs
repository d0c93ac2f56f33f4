//! `instances/<label>/<uuid>`: one running copy of a job.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use roundhouse_config::{Label, PortName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Digest, Sorted, Timestamp, ValueError, default_line};

/// Moving such an instance looks at 2 + 2 × 63 keys and writes as many, and etcd takes 128 of each in a transaction.
const MAX_PORTS: usize = 63;
const MAX_WEIGHT: u32 = 1_000;
const MAX_META: usize = 64;
/// Bytes of a host name (RFC 1035), a version, a meta key and a meta value.
const MAX_TEXT: usize = 253;

/// The key of an instance's `meta` where its registrar says which cgroup it is in, so that a gateway on its host can tell
/// whose a socket is: the inode number of the cgroup's directory (cgroups(7)), which the kernel calls a socket's cgroup.
pub const CGROUP: &str = "cgroup";

/// An instance's own name for itself: it proves ownership of its key across restarts of the registrar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct InstanceId(Uuid);

impl InstanceId {
    pub fn random() -> InstanceId {
        InstanceId(Uuid::new_v4())
    }

    /// The same for the same job and address (UUID version 5, RFC 9562): a static instance that is applied twice is
    /// one instance.
    pub fn of_static(job: &Label, address: IpAddr, port: u16) -> InstanceId {
        InstanceId(Uuid::new_v5(
            &Uuid::NAMESPACE_URL,
            format!("roundhouse:{job}/{address}/{port}").as_bytes(),
        ))
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for InstanceId {
    type Err = String;

    /// Only the hyphenated form, so that one instance has one key.
    fn from_str(text: &str) -> Result<InstanceId, String> {
        match Uuid::try_parse(text) {
            Ok(id) if id.to_string() == text => Ok(InstanceId(id)),
            _ => Err(format!(
                "`{}` is no UUID in its lower-case hyphenated form (0a1b2c3d-…)",
                text.chars().take(64).collect::<String>()
            )),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Up,
    /// Its own check fails: no traffic, the key stays.
    Down,
    /// No new work; what runs may finish.
    Draining,
    /// Taken out by a person; key and lease stay.
    Maintenance,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Down => "down",
            State::Draining => "draining",
            State::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<State, String> {
        [State::Up, State::Down, State::Draining, State::Maintenance]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no state; write up, down, draining or maintenance"))
    }
}

/// There are 100,000 of them in memory: what most lack takes a word each, and what is alike in a job is
/// [shared](Instance::share).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub address: IpAddr,
    pub ports: Sorted<PortName, u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Box<str>>,
    #[serde(default = "default_line")]
    pub line: Label,
    /// The availability zone, where the host's provider has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Label>,
    #[serde(default = "default_weight")]
    pub weight: u32,
    #[serde(default)]
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Box<str>>,
    /// Other jobs live on this address too (host networking), so the address alone names nobody.
    #[serde(default)]
    pub shared_ip: bool,
    /// When it started, by its own host's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The hash of the token by which it proves that a claim to its JOBNAME is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Digest>,
    #[serde(default, skip_serializing_if = "Sorted::is_empty")]
    pub meta: Sorted<Box<str>, Box<str>>,
}

/// One allocation for all the instances that say nothing of their line.
fn default_weight() -> u32 {
    100
}

impl Instance {
    pub fn new(address: IpAddr, ports: Sorted<PortName, u16>) -> Instance {
        Instance {
            address,
            ports,
            host: None,
            line: default_line(),
            zone: None,
            weight: default_weight(),
            state: State::Up,
            version: None,
            shared_ip: false,
            started: None,
            proof: None,
            meta: Sorted::default(),
        }
    }

    pub fn validate(&self) -> Result<(), ValueError> {
        let address = self.address.to_canonical();
        if address.is_unspecified() || address.is_multicast() {
            let message =
                format!("nobody can connect to {address}; write the address that others reach it at");
            return Err(ValueError::field("address", message));
        }
        if self.ports.is_empty() || self.ports.len() > MAX_PORTS {
            let message =
                format!("{} ports; write 1 to {MAX_PORTS}, as in {{\"main\":1111}}", self.ports.len());
            return Err(ValueError::field("ports", message));
        }
        if let Some((name, _)) = self.ports.iter().find(|(_, port)| **port == 0) {
            return Err(ValueError::field(
                format!("ports.{name}"),
                "port 0 cannot be dialled; write 1 to 65535",
            ));
        }
        if self.weight > MAX_WEIGHT {
            let message =
                format!("{} is more than {MAX_WEIGHT}; weights are relative, 100 is usual", self.weight);
            return Err(ValueError::field("weight", message));
        }
        let texts = self.host.iter().chain(&self.version).chain(self.meta.keys()).chain(self.meta.values());
        if self.meta.len() > MAX_META || texts.into_iter().any(|text| text.len() > MAX_TEXT) {
            let message =
                format!("host, version and meta have at most {MAX_TEXT} bytes each, meta {MAX_META} pairs");
            return Err(ValueError::field("meta", message));
        }
        Ok(())
    }

    /// Takes the other's memory for what is the same in both; equality does not change. Instances of one job have the
    /// same ports, line, zone and version, as a rule.
    pub(crate) fn share(&mut self, other: &Instance) {
        self.ports.share(&other.ports);
        self.meta.share(&other.meta);
        if self.line == other.line {
            self.line.clone_from(&other.line);
        }
        if self.zone == other.zone {
            self.zone.clone_from(&other.zone);
        }
    }

    /// The transport addresses that it claims, each once: two ports may share a number (DNS over TCP and UDP).
    pub fn socket_addrs(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let numbers: BTreeSet<u16> = self.ports.values().copied().collect();
        let address = self.address.to_canonical();
        numbers.into_iter().map(move |port| SocketAddr::new(address, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn the_shape_of_the_documentation_reads() {
        let instance: Instance = decode(
            br#"{"address":"10.0.0.7","ports":{"main":1111},"host":"core-app-2","line":"default","weight":100,
                "state":"up","version":"59559fd","shared_ip":false,"meta":{}}"#,
        )
        .unwrap();
        let mut expected =
            Instance::new("10.0.0.7".parse().unwrap(), [("main".parse().unwrap(), 1111)].into());
        expected.host = Some("core-app-2".into());
        expected.version = Some("59559fd".into());
        assert_eq!(instance, expected);
    }

    #[test]
    fn what_the_registrar_knows_besides_is_kept() {
        let hash = Digest::of(b"rh_x");
        let text = format!(
            r#"{{"address":"10.0.0.7","ports":{{"main":1111}},"zone":"rack-7","started":1767225600,"proof":"{hash}"}}"#
        );
        let instance: Instance = decode(text.as_bytes()).unwrap();
        assert_eq!(instance.zone, Some("rack-7".parse().unwrap()));
        assert_eq!(instance.started, Some(Timestamp::from_seconds(1_767_225_600)));
        assert_eq!(instance.proof, Some(hash));
        assert_eq!(decode::<Instance>(&encode(&instance)).unwrap(), instance);
        let refused = |field: &str| {
            let text = format!(r#"{{"address":"10.0.0.7","ports":{{"main":1}},{field}}}"#);
            decode::<Instance>(text.as_bytes()).unwrap_err().to_string()
        };
        assert!(refused(r#""zone":"Rack""#).contains("write `rack`"));
        assert!(refused(r#""started":"yesterday""#).contains("whole seconds since the epoch"));
        assert!(refused(r#""proof":"token""#).contains("64 lower-case hexadecimal digits"));
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        let refused =
            |text: &str| decode::<Instance>(text.as_bytes()).unwrap().validate().unwrap_err().to_string();
        assert!(refused(r#"{"address":"0.0.0.0","ports":{"main":1}}"#).contains("nobody can connect"));
        assert!(refused(r#"{"address":"::ffff:0.0.0.0","ports":{"main":1}}"#).contains("nobody can connect"));
        assert!(refused(r#"{"address":"10.0.0.7","ports":{}}"#).contains("write 1 to 63"));
        assert!(refused(r#"{"address":"10.0.0.7","ports":{"main":0}}"#).starts_with("ports.main"));
        assert!(refused(r#"{"address":"10.0.0.7","ports":{"main":1},"weight":1001}"#).starts_with("weight"));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = InstanceId::random();
        assert_eq!(id.to_string().parse::<InstanceId>().unwrap(), id);
        assert!(id.to_string().to_uppercase().replace('0', "A").parse::<InstanceId>().is_err());
        assert!(id.to_string().replace('-', "").parse::<InstanceId>().is_err());
    }
}
