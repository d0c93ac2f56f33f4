//! What `roundhouse pool` takes.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use roundhouse_config::{DomainName, Label, PortName, duration};
use roundhouse_registry::record::{
    PoolFallback, PoolFlag, PoolForwarding, PoolProtocol, PoolScheduler, Sink, Tunnel, TunnelChecksum,
    TunnelKind,
};

use crate::cli::said::word;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PoolCommand {
    /// Add a pool, with a VIP on each of its lines; one that is there already is amended by what is said.
    ///
    /// With --domain and nothing else the pool leads to the hubs' entrypoint `http` at port 80, so that routes and access
    /// rules stay in force.
    Add(NamedPool),
    /// Amend a pool that is there by what is said.
    Set(NamedPool),
    /// Take out a pool that no domain and no other pool uses; its VIPs can be given again after a day.
    Rm { name: Label },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NamedPool {
    pub(super) name: Label,
    #[command(flatten)]
    pub(super) options: PoolOptions,
    /// A domain whose clients find it at the pool's VIPs. May be repeated. One that is not there is added if --job says
    /// where it leads.
    #[arg(long, value_name = "HOST")]
    pub(super) domain: Vec<DomainName>,
}

#[derive(Debug, Default, Args)]
#[command(group = ArgGroup::new("target"))]
pub(in crate::cli) struct PoolOptions {
    /// The job whose instances the pool leads to.
    #[arg(long, group = "target")]
    pub(super) job: Option<Label>,
    /// The job's port [default: main].
    #[arg(long, value_name = "NAME")]
    pub(super) port_name: Option<PortName>,
    /// The entrypoint of the hubs that the pool leads to.
    #[arg(long, value_name = "ENTRYPOINT", group = "target")]
    pub(super) hubs: Option<PortName>,
    /// The pool whose VIPs the pool leads to.
    #[arg(long, group = "target")]
    pub(super) pool: Option<Label>,
    /// The port of the VIPs.
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// tcp or udp.
    #[arg(long, value_parser = word::<PoolProtocol>)]
    pub(super) protocol: Option<PoolProtocol>,
    /// What the pool is programmed into: ipvs, nftables, haproxy or aws.
    #[arg(long, value_parser = word::<Sink>)]
    pub(super) sink: Option<Sink>,
    /// A line that the pool is on, with its VIPs there [default: what it has, else one of each family that the line has].
    /// May be repeated; without any a new pool is on every line that has VIPs to give.
    #[arg(long, value_name = "LINE[=IP,IP]")]
    pub(super) line: Vec<OnLine>,
    /// A line that the pool is on no longer. May be repeated.
    #[arg(long, value_name = "LINE")]
    pub(super) no_line: Vec<Label>,
    /// IPVS: who is next, by ipvsadm's names: rr, wrr, lc, wlc, sh, mh and so on.
    #[arg(long, value_parser = word::<PoolScheduler>)]
    pub(super) scheduler: Option<PoolScheduler>,
    /// IPVS: how packets reach the instances: masq, droute or tunnel.
    #[arg(long, value_parser = word::<PoolForwarding>)]
    pub(super) forwarding: Option<PoolForwarding>,
    /// IPVS: how a packet is wrapped: ipip, gue:PORT or gre. It means --forwarding tunnel.
    #[arg(long, value_parser = tunnel, value_name = "KIND")]
    pub(super) tunnel: Option<Tunnel>,
    /// IPVS: a client's connections go to one instance until so long after its last one, such as 300s; 0s: no longer.
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    pub(super) persistence: Option<Duration>,
    /// IPVS: one-packet, sh-fallback, sh-port, mh-fallback or mh-port. May be repeated; they replace what is there.
    #[arg(long, value_delimiter = ',', value_parser = word::<PoolFlag>)]
    pub(super) flag: Vec<PoolFlag>,
    /// IPVS: take packets by this firewall mark instead of by address and port; 0: no longer.
    #[arg(long, value_name = "MARK")]
    pub(super) fwmark: Option<u32>,
    /// HAProxy: say the client's address to the instances by the PROXY protocol of this version, 1 or 2; 0: no longer.
    #[arg(long, value_name = "VERSION")]
    pub(super) send_proxy: Option<u8>,
    /// With fewer healthy than this the pool falls to its fallback.
    #[arg(long, value_name = "COUNT")]
    pub(super) quorum: Option<u32>,
    /// Who takes the work then: keep (all, whatever their checks say), lines (the line's fallback lines), or a server.
    #[arg(long, value_parser = fallback, value_name = "keep|lines|IP:PORT")]
    pub(super) fallback: Option<PoolFallback>,
    /// How long the connections of an instance that leaves may go on, such as 30s.
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    pub(super) drain: Option<Duration>,
    /// Only instances of the VIP's own line.
    #[arg(long)]
    pub(super) local_only: bool,
    /// Instances of all lines.
    #[arg(long, conflicts_with = "local_only")]
    pub(super) no_local_only: bool,
    /// An instance of the VIP's own line has this many times the weight of another.
    #[arg(long, value_name = "FACTOR")]
    pub(super) local_weight: Option<u32>,
}

/// `telecom`, or `telecom=203.0.113.10,2001:db8::10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct OnLine {
    pub(super) line: Label,
    pub(super) vips: Vec<IpAddr>,
}

impl FromStr for OnLine {
    type Err = String;

    fn from_str(text: &str) -> Result<OnLine, String> {
        let example = "write as in telecom, or telecom=203.0.113.10,2001:db8::10";
        let (line, vips) = match text.split_once('=') {
            Some((line, vips)) => (line, vips.split(',').collect()),
            None => (text, Vec::new()),
        };
        let vip = |vip: &str| vip.parse().map_err(|_| format!("`{vip}` is no address; {example}"));
        Ok(OnLine {
            line: line.parse().map_err(|error| format!("{error}; {example}"))?,
            vips: vips.into_iter().map(vip).collect::<Result<_, _>>()?,
        })
    }
}

fn tunnel(text: &str) -> Result<Tunnel, String> {
    let example = "write ipip, gre or gue with its UDP port, as in gue:6080";
    let (kind, port) = match text.split_once(':') {
        Some((kind, port)) => (kind, Some(port.parse().map_err(|_| example.to_owned())?)),
        None => (text, None),
    };
    let kind: TunnelKind = word(kind).map_err(|_| example.to_owned())?;
    match (kind, port) {
        (TunnelKind::Gue, Some(_)) | (TunnelKind::Ipip | TunnelKind::Gre, None) => {
            Ok(Tunnel { kind, port, checksum: TunnelChecksum::default() })
        }
        _ => Err(example.to_owned()),
    }
}

fn fallback(text: &str) -> Result<PoolFallback, String> {
    match text {
        "keep" => Ok(PoolFallback::Keep),
        "lines" => Ok(PoolFallback::Lines),
        server => match server.parse::<SocketAddr>() {
            Ok(server) => Ok(PoolFallback::Sorry(server)),
            Err(_) => Err("write keep, lines, or a server's address and port, as in 10.0.0.9:80".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_named_with_or_without_its_vips() {
        let line = |text: &str| text.parse::<OnLine>();
        assert!(line("telecom").unwrap().vips.is_empty());
        let vips = line("telecom=203.0.113.10,2001:db8::10").unwrap().vips;
        assert_eq!(vips, ["203.0.113.10".parse::<IpAddr>().unwrap(), "2001:db8::10".parse().unwrap()]);
        for wrong in ["", "Telecom", "telecom=", "telecom=x", "telecom=203.0.113.10,"] {
            assert!(line(wrong).unwrap_err().contains("write as in telecom"), "{wrong}");
        }
    }

    #[test]
    fn a_tunnel_and_a_fallback_are_words_with_a_number() {
        assert_eq!(tunnel("gue:6080").unwrap().port, Some(6080));
        assert_eq!(tunnel("gre").unwrap().kind, TunnelKind::Gre);
        for wrong in ["gue", "gue:x", "ipip:1", "vxlan"] {
            assert!(tunnel(wrong).unwrap_err().contains("gue:6080"), "{wrong}");
        }
        assert_eq!(fallback("lines"), Ok(PoolFallback::Lines));
        assert_eq!(fallback("10.0.0.9:80"), Ok(PoolFallback::Sorry(([10, 0, 0, 9], 80).into())));
        assert!(fallback("10.0.0.9").unwrap_err().contains("10.0.0.9:80"));
    }
}
