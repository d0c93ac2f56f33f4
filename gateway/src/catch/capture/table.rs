//! The text of our nftables table (nft(8)): pure, made of prefixes and ports.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A table of our own, so that nobody else's rules are touched, and two gateways of one host do not touch each other's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    name: String,
    targets: Vec<Target>,
}

/// What is caught of one address family, and the loopback ports that get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub family: Family,
    /// None overlaps another: an nftables set refuses that.
    pub prefixes: Vec<IpNet>,
    pub tcp: u16,
    pub udp: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    V4,
    V6,
}

impl Table {
    /// The table that belongs to a gateway whose (first) VIP prefix is `owner`.
    pub fn new(owner: IpNet, targets: Vec<Target>) -> Table {
        Table { name: name(owner), targets }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Input for `nft -f`. `add` makes the `delete` possible where there is no table yet; the whole is one transaction, so
    /// that no packet sees the time between.
    pub fn install(&self) -> String {
        format!("{}{self}", remove(&self.name))
    }
}

/// Input for `nft -f` that removes a table which is there or is not.
pub fn remove(name: &str) -> String {
    format!("add table inet {name}\ndelete table inet {name}\n")
}

/// An identifier takes letters, digits and `/ \ _ . -`, so the colons of IPv6 become underscores.
pub fn name(owner: IpNet) -> String {
    format!("roundhouse-{}-{}", owner.trunc().addr(), owner.prefix_len()).replace(':', "_")
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        writeln!(f, "table inet {name} {{")?;
        // At most 128 bytes; tests see to it for the longest name.
        writeln!(f, "\tcomment \"Roundhouse's VIPs; remove: nft delete table inet {name}\"")?;
        writeln!(f, "\tchain catch {{")?;
        // Before destination NAT (-100), whose rules would see every address of this host, VIPs included.
        writeln!(f, "\t\ttype filter hook prerouting priority mangle; policy accept;")?;
        for target in &self.targets {
            target.fmt(f)?;
        }
        writeln!(f, "\t}}\n}}")
    }
}

/// Only TCP and UDP are caught: ICMP to a VIP is answered by the kernel, as for every local address.
///
/// `tproxy` first gives a packet to the connection it belongs to, then to the listener; it ends the rule when neither is
/// there or the socket is not transparent. Then only what begins something is refused: a connection that somebody
/// accepted by other means (*bind*, before it was changed to *capture*) goes on, and so do answers to a local client
/// whose own address is a VIP.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefixes.is_empty() {
            return Ok(());
        }
        let ip = self.family.keyword();
        let prefixes: Vec<_> = self.prefixes.iter().map(IpNet::to_string).collect();
        let vips = format!("{ip} daddr {{ {} }}", prefixes.join(", "));
        for (protocol, port) in [("tcp", self.tcp), ("udp", self.udp)] {
            let listener = std::net::SocketAddr::new(self.family.loopback(), port);
            writeln!(f, "\t\t{vips} meta l4proto {protocol} tproxy {ip} to {listener} accept")?;
        }
        writeln!(f, "\t\t{vips} tcp flags & (syn | ack) == syn reject with tcp reset")?;
        writeln!(f, "\t\t{vips} meta l4proto udp reject with {} port-unreachable", self.family.icmp())
    }
}

impl Family {
    pub fn of(prefix: IpNet) -> Family {
        match prefix {
            IpNet::V4(_) => Family::V4,
            IpNet::V6(_) => Family::V6,
        }
    }

    /// Where our listeners are: a packet is given to the socket whatever its destination, and nobody of another machine
    /// can connect to the port itself.
    pub(super) fn loopback(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::LOCALHOST.into(),
            Family::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    fn keyword(self) -> &'static str {
        match self {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        }
    }

    fn icmp(self) -> &'static str {
        match self {
            Family::V4 => "icmp",
            Family::V6 => "icmpv6",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(family: Family, prefixes: &[&str]) -> Target {
        let prefixes = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
        Target { family, prefixes, tcp: 4001, udp: 4002 }
    }

    #[test]
    fn the_text() {
        let targets =
            vec![target(Family::V4, &["10.77.0.0/16", "127.99.0.0/16"]), target(Family::V6, &["fd99::/64"])];
        let expected = "\
add table inet roundhouse-127.99.0.0-16
delete table inet roundhouse-127.99.0.0-16
table inet roundhouse-127.99.0.0-16 {
\tcomment \"Roundhouse's VIPs; remove: nft delete table inet roundhouse-127.99.0.0-16\"
\tchain catch {
\t\ttype filter hook prerouting priority mangle; policy accept;
\t\tip daddr { 10.77.0.0/16, 127.99.0.0/16 } meta l4proto tcp tproxy ip to 127.0.0.1:4001 accept
\t\tip daddr { 10.77.0.0/16, 127.99.0.0/16 } meta l4proto udp tproxy ip to 127.0.0.1:4002 accept
\t\tip daddr { 10.77.0.0/16, 127.99.0.0/16 } tcp flags & (syn | ack) == syn reject with tcp reset
\t\tip daddr { 10.77.0.0/16, 127.99.0.0/16 } meta l4proto udp reject with icmp port-unreachable
\t\tip6 daddr { fd99::/64 } meta l4proto tcp tproxy ip6 to [::1]:4001 accept
\t\tip6 daddr { fd99::/64 } meta l4proto udp tproxy ip6 to [::1]:4002 accept
\t\tip6 daddr { fd99::/64 } tcp flags & (syn | ack) == syn reject with tcp reset
\t\tip6 daddr { fd99::/64 } meta l4proto udp reject with icmpv6 port-unreachable
\t}
}
";
        assert_eq!(Table::new("127.99.0.0/16".parse().unwrap(), targets).install(), expected);
    }

    #[test]
    fn a_family_without_prefixes_has_no_rules() {
        let table = Table::new("fd99::/64".parse().unwrap(), vec![target(Family::V4, &[])]);
        assert_eq!(table.name(), "roundhouse-fd99__-64");
        assert!(!table.to_string().contains("tproxy"), "{table}");
    }

    #[test]
    fn the_comment_fits_for_the_longest_name() {
        let longest = "1111:1111:1111:1111:1111:1111:1111:1111/128".parse().unwrap();
        let table = Table::new(longest, Vec::new()).to_string();
        let comment = table.split('"').nth(1).unwrap();
        assert!(comment.len() <= 128, "{}: {comment}", comment.len());
    }

    proptest! {
        #[test]
        fn names_are_identifiers_and_differ_as_prefixes_do(a: (IpAddr, u8), b: (IpAddr, u8)) {
            let prefix = |(address, length): (IpAddr, u8)| {
                let longest = if address.is_ipv4() { 32 } else { 128 };
                IpNet::new(address, length % (longest + 1)).unwrap().trunc()
            };
            let (a, b) = (prefix(a), prefix(b));
            prop_assert!(name(a).chars().all(|char| char.is_ascii_alphanumeric() || "-._".contains(char)));
            prop_assert_eq!(name(a) == name(b), a == b);
        }
    }
}
