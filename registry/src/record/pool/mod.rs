//! `pools/<pool>`: one ELB pool: what it leads to and the VIPs that it has on each line.

mod sink;
mod target;
mod vip;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use roundhouse_config::{Label, dialled, duration};
use serde::{Deserialize, Serialize};

pub use self::sink::{
    Persistence, PoolFlag, PoolForwarding, PoolScheduler, Sink, Tunnel, TunnelChecksum, TunnelKind,
};
pub use self::target::PoolTarget;
pub use self::vip::PoolVip;
use super::{Sorted, ValueError};

const MAX_LINES: usize = 64;
/// Addresses of one pool on one line: both families, and a few while addresses move.
const MAX_VIPS: usize = 16;
/// A longer wait is a job for a person.
const MAX_DRAIN: Duration = Duration::from_secs(24 * 3_600);
const MAX_LOCAL_WEIGHT: u32 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub to: PoolTarget,
    /// The port of the VIPs.
    pub port: u16,
    /// A line with `[]`, or all lines if none is named, gets VIPs allocated from the line's ranges.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<PoolFlag>,
    /// IPVS takes packets by this firewall mark, not by address and port: one service for each family, for many ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fwmark: Option<u32>,
    /// The version of the PROXY protocol that HAProxy says to the instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_proxy: Option<u8>,
    /// With fewer healthy than this the pool falls to its fallback.
    #[serde(default = "default_quorum")]
    pub quorum: u32,
    #[serde(default, skip_serializing_if = "PoolFallback::is_keep")]
    pub fallback: PoolFallback,
    /// How long the connections of a destination that leaves may go on.
    #[serde(default = "default_drain", with = "duration")]
    pub drain: Duration,
    /// Only instances of the VIP's own line.
    #[serde(default)]
    pub local_only: bool,
    /// An instance of the VIP's own line has this many times the weight of one of another line.
    #[serde(default = "default_local_weight", skip_serializing_if = "is_default_local_weight")]
    pub local_weight: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolProtocol {
    #[default]
    Tcp,
    Udp,
}

impl PoolProtocol {
    pub fn as_str(self) -> &'static str {
        match self {
            PoolProtocol::Tcp => "tcp",
            PoolProtocol::Udp => "udp",
        }
    }
}

/// Who takes the work of a pool with fewer healthy than its quorum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolFallback {
    /// All of its own, whatever their checks say: when nearly all fail, it is rather the check.
    #[default]
    Keep,
    /// The instances of the line's fallback lines, in their order.
    Lines,
    /// A server that says sorry.
    Sorry(SocketAddr),
}

impl PoolFallback {
    fn is_keep(&self) -> bool {
        *self == PoolFallback::Keep
    }
}

fn default_quorum() -> u32 {
    1
}

fn default_drain() -> Duration {
    Duration::from_secs(30)
}

/// The way between two carriers is long and lossy, so the own line comes first by far, and not alone.
fn default_local_weight() -> u32 {
    10
}

fn is_default_local_weight(weight: &u32) -> bool {
    *weight == default_local_weight()
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
            tunnel: None,
            persistence: None,
            flags: Vec::new(),
            fwmark: None,
            send_proxy: None,
            quorum: default_quorum(),
            fallback: PoolFallback::default(),
            drain: default_drain(),
            local_only: false,
            local_weight: default_local_weight(),
        }
    }

    /// The VIPs of all lines.
    pub fn vips(&self) -> impl Iterator<Item = (&Label, IpAddr)> {
        self.lines.iter().flat_map(|(line, vips)| vips.iter().map(move |vip| (line, *vip)))
    }

    pub fn validate(&self) -> Result<(), ValueError> {
        if self.port == 0 {
            return Err(ValueError::field("port", "port 0 cannot be dialled; write 1 to 65535"));
        }
        if self.drain > MAX_DRAIN {
            return Err(ValueError::field("drain", "is longer than a day; write at most \"24h\""));
        }
        if self.local_weight == 0 || self.local_weight > MAX_LOCAL_WEIGHT {
            let message = format!("{} is out of bounds; write 1 to {MAX_LOCAL_WEIGHT}", self.local_weight);
            return Err(ValueError::field("local_weight", message));
        }
        if let PoolFallback::Sorry(server) = self.fallback
            && (server.port() == 0 || dialled(server.ip()).is_err())
        {
            let message = "nobody can dial it; write the server's address and port, as in \"10.0.0.9:80\"";
            return Err(ValueError::field("fallback.sorry", message));
        }
        if self.send_proxy.is_some_and(|version| !(1..=2).contains(&version)) {
            return Err(ValueError::field("send_proxy", "the PROXY protocol has versions 1 and 2"));
        }
        if self.fwmark == Some(0) {
            return Err(ValueError::field("fwmark", "0 is no mark; write 1 to 4294967295"));
        }
        if self.tunnel.is_some() && self.forwarding != PoolForwarding::Tunnel {
            return Err(ValueError::field(
                "tunnel",
                "is for \"forwarding\": \"tunnel\"; write that, or leave it out",
            ));
        }
        if let Some(i) = (1..self.flags.len()).find(|i| self.flags[..*i].contains(&self.flags[*i])) {
            return Err(ValueError::field(format!("flags[{i}]"), "is there twice; write it once"));
        }
        self.tunnel.as_ref().map_or(Ok(()), Tunnel::validate)?;
        self.persistence.as_ref().map_or(Ok(()), Persistence::validate)?;
        self.validate_sink()?;
        self.validate_lines()
    }

    /// What only some sinks can do: silently without effect it would be taken for something that works.
    fn validate_sink(&self) -> Result<(), ValueError> {
        let only = |field: &'static str, is_there: bool, sinks: &[Sink]| match is_there
            && !sinks.contains(&self.sink)
        {
            true => {
                let names: Vec<&str> = sinks.iter().map(|sink| sink.as_str()).collect();
                let message = format!("is for the sink {} alone; leave it out", names.join(" or "));
                Err(ValueError::field(field, message))
            }
            false => Ok(()),
        };
        only("flags", !self.flags.is_empty(), &[Sink::Ipvs])?;
        only("fwmark", self.fwmark.is_some(), &[Sink::Ipvs])?;
        only("persistence", self.persistence.is_some(), &[Sink::Ipvs])?;
        only("forwarding", self.forwarding != PoolForwarding::Masq, &[Sink::Ipvs])?;
        only("send_proxy", self.send_proxy.is_some(), &[Sink::Haproxy])?;
        only("local_only", self.local_only, &[Sink::Ipvs, Sink::Nftables, Sink::Haproxy])?;
        if self.sink == Sink::Haproxy && self.protocol == PoolProtocol::Udp {
            return Err(ValueError::field("protocol", "haproxy carries no UDP; write another sink, or tcp"));
        }
        if self.fwmark.is_some() && self.local_only {
            let message = "a firewall mark is of no line; leave one of the two out";
            return Err(ValueError::field("local_only", message));
        }
        Ok(())
    }

    fn validate_lines(&self) -> Result<(), ValueError> {
        if self.lines.len() > MAX_LINES {
            let message = format!("{} lines; the most is {MAX_LINES}", self.lines.len());
            return Err(ValueError::field("lines", message));
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

#[cfg(test)]
mod tests {
    use roundhouse_config::PortName;

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

    #[test]
    fn what_a_sink_cannot_do_is_refused() {
        let refused = |fields: &str| {
            let text = format!(r#"{{"to":{{"pool":"a"}},"port":80,{fields}}}"#);
            decode::<Pool>(text.as_bytes()).and_then(|pool| pool.validate()).unwrap_err().to_string()
        };
        assert!(
            refused(r#""sink":"haproxy","forwarding":"droute""#)
                .starts_with("forwarding: is for the sink ipvs")
        );
        assert!(refused(r#""send_proxy":2"#).starts_with("send_proxy: is for the sink haproxy"));
        assert!(refused(r#""sink":"haproxy","protocol":"udp""#).starts_with("protocol: "));
        assert!(refused(r#""sink":"haproxy","send_proxy":3"#).contains("versions 1 and 2"));
        assert!(
            refused(r#""sink":"aws","local_only":true"#).starts_with("local_only: is for the sink ipvs or")
        );
        assert!(refused(r#""fwmark":7,"local_only":true"#).starts_with("local_only: "));
        assert!(refused(r#""tunnel":{"kind":"gue","port":1}"#).starts_with("tunnel: "));
        assert!(refused(r#""forwarding":"tunnel","tunnel":{"kind":"gue"}"#).contains("6080"));
        assert!(
            refused(r#""forwarding":"tunnel","tunnel":{"kind":"ipip","checksum":"csum"}"#)
                .contains("ipip has none")
        );
        assert!(refused(r#""persistence":{"timeout":"300ms"}"#).contains("whole seconds"));
        assert!(refused(r#""persistence":{"timeout":"5m","prefix_v4":33}"#).contains("1 to 32"));
        assert!(refused(r#""flags":["sh-port","sh-port"]"#).starts_with("flags[1]: "));
        assert!(refused(r#""fallback":{"sorry":"0.0.0.0:80"}"#).contains("10.0.0.9:80"));
        assert!(refused(r#""local_weight":0"#).contains("1 to 1000"));
    }
}
