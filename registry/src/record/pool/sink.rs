//! What programs a pool, and how it is said to the kernel: ipvsadm(8)'s words.

use std::fmt;
use std::time::Duration;

use roundhouse_config::duration;
use serde::{Deserialize, Serialize};

use crate::record::ValueError;

/// Of the packet's way, seconds: ip_vs(4) takes a day, and a longer one is a mistake in the unit.
const MAX_PERSISTENCE: Duration = Duration::from_secs(24 * 3_600);

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

impl Sink {
    pub const ALL: [Sink; 4] = [Sink::Ipvs, Sink::Nftables, Sink::Haproxy, Sink::Aws];

    pub fn as_str(self) -> &'static str {
        match self {
            Sink::Ipvs => "ipvs",
            Sink::Nftables => "nftables",
            Sink::Haproxy => "haproxy",
            Sink::Aws => "aws",
        }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
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

impl PoolScheduler {
    pub fn as_str(self) -> &'static str {
        match self {
            PoolScheduler::Rr => "rr",
            PoolScheduler::Wrr => "wrr",
            PoolScheduler::Lc => "lc",
            PoolScheduler::Wlc => "wlc",
            PoolScheduler::Lblc => "lblc",
            PoolScheduler::Lblcr => "lblcr",
            PoolScheduler::Dh => "dh",
            PoolScheduler::Sh => "sh",
            PoolScheduler::Sed => "sed",
            PoolScheduler::Nq => "nq",
            PoolScheduler::Fo => "fo",
            PoolScheduler::Ovf => "ovf",
            PoolScheduler::Mh => "mh",
        }
    }
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

/// Of a service of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolFlag {
    /// UDP: every datagram is scheduled anew.
    OnePacket,
    /// sh: an instance that takes nothing is passed over.
    ShFallback,
    /// sh: the client's port counts too.
    ShPort,
    /// mh: an instance that takes nothing is passed over.
    MhFallback,
    /// mh: the client's port counts too.
    MhPort,
}

/// A client's connections go to one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persistence {
    /// After its last connection.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Clients of one IPv4 prefix of this length are one client.
    #[serde(default = "whole_v4", skip_serializing_if = "is_whole_v4")]
    pub prefix_v4: u8,
    #[serde(default = "whole_v6", skip_serializing_if = "is_whole_v6")]
    pub prefix_v6: u8,
}

fn whole_v4() -> u8 {
    32
}

fn is_whole_v4(prefix: &u8) -> bool {
    *prefix == whole_v4()
}

fn whole_v6() -> u8 {
    128
}

fn is_whole_v6(prefix: &u8) -> bool {
    *prefix == whole_v6()
}

impl Persistence {
    pub(super) fn validate(&self) -> Result<(), ValueError> {
        if self.timeout < Duration::from_secs(1)
            || self.timeout > MAX_PERSISTENCE
            || self.timeout.subsec_nanos() != 0
        {
            let message = "write whole seconds from \"1s\" to \"24h\", as in \"300s\"";
            return Err(ValueError::field("persistence.timeout", message));
        }
        if !(1..=32).contains(&self.prefix_v4) {
            return Err(ValueError::field("persistence.prefix_v4", "write 1 to 32"));
        }
        if !(1..=128).contains(&self.prefix_v6) {
            return Err(ValueError::field("persistence.prefix_v6", "write 1 to 128"));
        }
        Ok(())
    }
}

/// How `"forwarding": "tunnel"` wraps a packet; left out: IP in IP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    #[serde(default)]
    pub kind: TunnelKind,
    /// The UDP port of `gue` (draft-ietf-intarea-gue), on which the instances listen for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default)]
    pub checksum: TunnelChecksum,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKind {
    /// RFC 2003.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// RFC 2784.
    Gre,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelChecksum {
    #[default]
    None,
    Csum,
    Remcsum,
}

impl Tunnel {
    pub(super) fn validate(&self) -> Result<(), ValueError> {
        match (self.kind, self.port) {
            (TunnelKind::Gue, None | Some(0)) => {
                Err(ValueError::field("tunnel.port", "gue needs a UDP port; write it, as in 6080"))
            }
            (TunnelKind::Ipip | TunnelKind::Gre, Some(_)) => {
                Err(ValueError::field("tunnel.port", "is for gue alone; leave it out"))
            }
            (TunnelKind::Ipip, None) if self.checksum != TunnelChecksum::None => {
                Err(ValueError::field("tunnel.checksum", "ipip has none; leave it out"))
            }
            (TunnelKind::Gre, None) if self.checksum == TunnelChecksum::Remcsum => {
                Err(ValueError::field("tunnel.checksum", "gre has `none` and `csum`; write one of them"))
            }
            _ => Ok(()),
        }
    }
}
