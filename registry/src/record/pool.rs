//! `pools/<pool>`: one ELB pool: what it leads to and the VIPs that it has on each line.

use std::net::IpAddr;
use std::time::Duration;

use roundhouse_config::{Label, PortName, dialled, duration};
use serde::{Deserialize, Serialize};

use super::{Sorted, ValueError};

const MAX_LINES: usize = 64;
/// Addresses of one pool on one line: both families, and a few while addresses move.
const MAX_VIPS: usize = 16;
/// A longer wait is a job for a person.
const MAX_DRAIN: Duration = Duration::from_secs(24 * 3_600);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub to: PoolTarget,
    /// The port of the VIPs.
    pub port: u16,
    /// A line with `[]`, or left out, gets a VIP allocated from the line's range.
    #[serde(default)]
    pub lines: Sorted<Label, Vec<IpAddr>>,
    #[serde(default)]
    pub protocol: PoolProtocol,
    #[serde(default)]
    pub sink: Sink,
    #[serde(default)]
    pub scheduler: PoolScheduler,
    #[serde(default)]
    pub forwarding: PoolForwarding,
    /// With fewer healthy than this the pool falls to its fallback.
    #[serde(default = "default_quorum")]
    pub quorum: u32,
    /// How long the connections of a destination that leaves may go on.
    #[serde(default = "default_drain", with = "duration")]
    pub drain: Duration,
    /// Only instances of the VIP's own line.
    #[serde(default)]
    pub local_only: bool,
}

/// What a pool leads to: `{"job":"coding-blog","port":"main"}`, `{"hubs":"<entrypoint>"}` or `{"pool":"<name>"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawTarget", into = "RawTarget")]
pub enum PoolTarget {
    /// The instances of a job, at this port of theirs.
    Job(Label, PortName),
    /// The hubs, at this entrypoint.
    Hubs(PortName),
    /// The VIPs of another pool.
    Pool(Label),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolProtocol {
    #[default]
    Tcp,
    Udp,
}

/// What the pool is programmed into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sink {
    #[default]
    Ipvs,
    Nftables,
    Haproxy,
    Aws,
}

/// ipvsadm(8), `--scheduler`, by its names there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolScheduler {
    Rr,
    #[default]
    Wrr,
    Lc,
    Wlc,
    Lblc,
    Lblcr,
    Dh,
    Sh,
    Sed,
    Nq,
    Fo,
    Ovf,
    Mh,
}

/// ipvsadm(8), packet-forwarding methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolForwarding {
    #[default]
    Masq,
    Droute,
    Tunnel,
}

fn default_quorum() -> u32 {
    1
}

fn default_drain() -> Duration {
    Duration::from_secs(30)
}

impl Pool {
    /// A pool with the defaults of a record that says nothing else.
    pub fn new(to: PoolTarget, port: u16) -> Pool {
        Pool {
            to,
            port,
            lines: Sorted::default(),
            protocol: PoolProtocol::default(),
            sink: Sink::default(),
            scheduler: PoolScheduler::default(),
            forwarding: PoolForwarding::default(),
            quorum: default_quorum(),
            drain: default_drain(),
            local_only: false,
        }
    }

    pub fn validate(&self) -> Result<(), ValueError> {
        if self.port == 0 {
            return Err(ValueError::field("port", "port 0 cannot be dialled; write 1 to 65535"));
        }
        if self.lines.len() > MAX_LINES {
            let message = format!("{} lines; the most is {MAX_LINES}", self.lines.len());
            return Err(ValueError::field("lines", message));
        }
        if self.drain > MAX_DRAIN {
            return Err(ValueError::field("drain", "is longer than a day; write at most \"24h\""));
        }
        let mut seen: Vec<IpAddr> = Vec::new();
        for (line, vips) in &self.lines {
            if vips.len() > MAX_VIPS {
                let message = format!("{} VIPs; the most is {MAX_VIPS}", vips.len());
                return Err(ValueError::field(format!("lines.{line}"), message));
            }
            for (i, vip) in vips.iter().enumerate() {
                let wrong = |message: String| Err(ValueError::field(format!("lines.{line}[{i}]"), message));
                if let Err(error) = dialled(*vip) {
                    return wrong(error.to_string());
                }
                if seen.contains(vip) {
                    return wrong(format!("`{vip}` is there twice; a VIP belongs to one line"));
                }
                seen.push(*vip);
            }
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct RawTarget {
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<PortName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hubs: Option<PortName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<Label>,
}

impl TryFrom<RawTarget> for PoolTarget {
    type Error = &'static str;

    fn try_from(raw: RawTarget) -> Result<PoolTarget, &'static str> {
        match raw {
            RawTarget { job: Some(job), port, hubs: None, pool: None } => {
                Ok(PoolTarget::Job(job, port.unwrap_or_else(PortName::main)))
            }
            RawTarget { job: None, port: None, hubs: Some(entrypoint), pool: None } => {
                Ok(PoolTarget::Hubs(entrypoint))
            }
            RawTarget { job: None, port: None, hubs: None, pool: Some(pool) } => Ok(PoolTarget::Pool(pool)),
            _ => Err(
                "write one of {\"job\":\"blog\",\"port\":\"main\"}, {\"hubs\":\"http\"} and {\"pool\":\"blog\"}",
            ),
        }
    }
}

impl From<PoolTarget> for RawTarget {
    fn from(target: PoolTarget) -> RawTarget {
        let none = RawTarget { job: None, port: None, hubs: None, pool: None };
        match target {
            PoolTarget::Job(job, port) => RawTarget { job: Some(job), port: Some(port), ..none },
            PoolTarget::Hubs(entrypoint) => RawTarget { hubs: Some(entrypoint), ..none },
            PoolTarget::Pool(pool) => RawTarget { pool: Some(pool), ..none },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn the_shape_of_the_documentation_reads() {
        let pool: Pool = decode(
            br#"{"to":{"job":"coding-blog","port":"main"},"port":80,
                "lines":{"telecom":["203.0.113.10"],"unicom":["198.51.100.10"]},"protocol":"tcp",
                "sink":"ipvs","scheduler":"wrr","forwarding":"masq","quorum":1,"drain":"30s","local_only":false}"#,
        )
        .unwrap();
        assert_eq!(pool.validate(), Ok(()));
        let target = PoolTarget::Job("coding-blog".parse().unwrap(), PortName::main());
        let short = Pool { lines: pool.lines.clone(), ..Pool::new(target, 80) };
        assert_eq!(pool, short);
        assert_eq!(decode::<Pool>(&encode(&pool)).unwrap(), pool);
    }

    #[test]
    fn a_pool_leads_to_one_thing() {
        for text in [r#"{"hubs":"http"}"#, r#"{"pool":"blog"}"#, r#"{"job":"blog","port":"main"}"#] {
            let target: PoolTarget = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&target).unwrap(), text);
        }
        for text in ["{}", r#"{"hubs":"http","pool":"blog"}"#, r#"{"port":"main"}"#] {
            let error = serde_json::from_str::<PoolTarget>(text).unwrap_err().to_string();
            assert!(error.contains("write one of"), "{error}");
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refused = |fields: &str| {
            let text = format!(r#"{{"to":{{"pool":"a"}},{fields}}}"#);
            decode::<Pool>(text.as_bytes()).and_then(|pool| pool.validate()).unwrap_err().to_string()
        };
        assert!(refused(r#""port":0"#).contains("write 1 to 65535"));
        assert!(refused(r#""port":80,"lines":{"a":["0.0.0.0"]}"#).starts_with("lines.a[0]: nobody"));
        let mapped = refused(r#""port":80,"lines":{"a":["::ffff:203.0.113.10"]}"#);
        assert!(mapped.contains("write `203.0.113.10`"), "{mapped}");
        let twice = refused(r#""port":80,"lines":{"a":["203.0.113.10"],"b":["203.0.113.10"]}"#);
        assert!(twice.starts_with("lines.b[0]: "), "{twice}");
        assert!(refused(r#""port":80,"drain":"25h""#).contains("24h"));
        assert!(refused(r#""port":80,"scheduler":"random""#).contains("expected one of `rr`, `wrr`"));
    }
}
