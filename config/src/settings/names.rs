//! `[names]`: what jobs are called and where their VIPs come from.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::reader::Section;
use crate::names::Zone;
use crate::text::quoted;
use crate::units::dialled;
use crate::word::words;

/// Each is in every answer: more would not fit 512 bytes of UDP (RFC 1035 section 2.3.4) beside the name, since an
/// address of IPv6 takes 28.
pub const MAX_HUB_ADDRESSES: usize = 16;

/// What jobs are called and where their VIPs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameSettings {
    /// The suffix of job names. Default `jobs.internal`.
    pub zone: Zone,
    /// The prefix VIPs are taken from, without host bits, of at least 4 addresses. Default `127.99.0.0/16`:
    /// on Linux all of 127.0.0.0/8 is local with no setup, and hardly anything uses this part.
    pub vips: IpNet,
    pub answer: Answer,
    /// With [`Answer::Hub`] only: what names resolve to, and where the ports of jobs are listened on. 1 to 16, each once
    /// and none IPv4-mapped.
    pub hub_addresses: Vec<IpAddr>,
    pub catch: Catch,
}

/// What a job's name resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// The job's own VIP, so that any number of jobs may use one port.
    #[default]
    Vip,
    /// The gateways' own addresses, where no VIP can be routed. A port of TCP or UDP then belongs to one job.
    Hub,
}

/// How traffic to a VIP and port is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Catch {
    /// A socket for each, which needs no privilege.
    #[default]
    Bind,
    /// One listener a worker for all of them, by nftables. Needs CAP_NET_ADMIN.
    Capture,
}

words!(Answer { Vip = "vip", Hub = "hub" });
words!(Catch { Bind = "bind", Capture = "capture" });

const HUB_EXAMPLE: &str = "[\"10.0.0.5\"]";

impl NameSettings {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let settings = Self {
            zone: section.parsed("zone", default.zone),
            vips: section.parsed("vips", Vips(default.vips)).0,
            answer: section.parsed("answer", default.answer),
            hub_addresses: section.strings("hub_addresses", HUB_EXAMPLE, hub_address),
            catch: section.parsed("catch", default.catch),
        };
        section.refuse_unknown();
        if !section.is_wrong_at("answer") {
            settings.check_hub(section);
        }
        settings
    }

    fn check_hub(&self, section: &Section<'_>) {
        let hubs = &self.hub_addresses;
        if self.answer == Answer::Vip {
            if !hubs.is_empty() {
                section.wrong("hub_addresses", "only with answer = \"hub\"; write that too, or leave it out");
            }
            return;
        }
        if hubs.is_empty() && !section.is_wrong_at("hub_addresses") {
            let message = "is missing: with answer = \"hub\" it is what names resolve to; \
                           write as in hub_addresses = [\"10.0.0.5\"]";
            section.wrong("hub_addresses", message);
        }
        if hubs.len() > MAX_HUB_ADDRESSES {
            let message = format!("{} addresses; write at most {MAX_HUB_ADDRESSES}", hubs.len());
            section.wrong("hub_addresses", message);
        }
        if let Some((_, twice)) = hubs.iter().enumerate().find(|(n, hub)| hubs[..*n].contains(hub)) {
            section.wrong("hub_addresses", format!("`{twice}` is there twice; write it once"));
        }
        if self.catch == Catch::Capture {
            let message = "`capture` is for VIPs, and with answer = \"hub\" nobody dials one; leave it out";
            section.wrong("catch", message);
        }
    }
}

impl Default for NameSettings {
    fn default() -> Self {
        let vips = Ipv4Net::new_assert(Ipv4Addr::new(127, 99, 0, 0), 16);
        Self {
            zone: Zone::internal(),
            vips: vips.into(),
            answer: Answer::default(),
            hub_addresses: Vec::new(),
            catch: Catch::default(),
        }
    }
}

fn hub_address(text: &str) -> Result<IpAddr, String> {
    let Ok(address) = text.parse() else {
        return Err(format!("`{}` is no address; write as in `10.0.0.5`", quoted(text)));
    };
    dialled(address).map_err(|error| error.to_string())
}

/// A prefix that VIPs can be taken from.
struct Vips(IpNet);

impl std::str::FromStr for Vips {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = quoted(text);
        let Ok(net) = text.parse::<IpNet>() else {
            return Err(match text.parse::<IpAddr>() {
                Ok(_) => format!("`{shown}` has no prefix length; write as in `127.99.0.0/16`"),
                Err(_) => format!("`{shown}` is no prefix; write as in `127.99.0.0/16`"),
            });
        };
        // Four addresses are the fewest of which some remain when network and broadcast address are left out.
        let longest = net.max_prefix_len() - 2;
        if net.prefix_len() > longest {
            let room = IpNet::new(net.addr(), longest).map_or(net, |net| net.trunc());
            return Err(format!(
                "`{shown}` has fewer than 4 addresses; write at most /{longest}, such as `{room}`"
            ));
        }
        if net.addr().is_multicast() || net.addr().is_unspecified() {
            return Err(format!("`{shown}` holds no addresses of hosts; write as in `127.99.0.0/16`"));
        }
        if net != net.trunc() {
            return Err(format!("`{shown}` has host bits set; write `{}`", net.trunc()));
        }
        Ok(Self(net))
    }
}

impl std::fmt::Display for Vips {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
