//! `[names]`: what jobs are called and where their VIPs come from.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::reader::Section;
use super::word::single_word;
use crate::names::Zone;
use crate::text::quoted;

/// What jobs are called and where their VIPs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameSettings {
    /// The suffix of job names. Default `jobs.internal`.
    pub zone: Zone,
    /// The prefix VIPs are taken from, without host bits, of at least 4 addresses. Default `127.99.0.0/16`:
    /// on Linux all of 127.0.0.0/8 is local with no setup, and hardly anything uses this part.
    pub vips: IpNet,
    pub answer: Answer,
    pub catch: Catch,
}

/// What a job's name resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// The job's own VIP, so that any number of jobs may use one port.
    #[default]
    Vip,
}

/// How traffic to a VIP and port is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Catch {
    /// A socket for each, which needs no privilege.
    #[default]
    Bind,
}

single_word!(Answer::Vip, "vip", later: ["hub"]);
single_word!(Catch::Bind, "bind", later: ["capture"]);

impl NameSettings {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let settings = Self {
            zone: section.parsed("zone", default.zone),
            vips: section.parsed("vips", Vips(default.vips)).0,
            answer: section.parsed("answer", default.answer),
            catch: section.parsed("catch", default.catch),
        };
        section.refuse_unknown();
        settings
    }
}

impl Default for NameSettings {
    fn default() -> Self {
        let vips = Ipv4Net::new_assert(Ipv4Addr::new(127, 99, 0, 0), 16);
        Self { zone: Zone::internal(), vips: vips.into(), answer: Answer::Vip, catch: Catch::Bind }
    }
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
