//! Tables and plans in ipvsadm(8)'s own words: [`table`] is what `ipvsadm -Sn` prints of the same services, and an operation
//! is what one would have typed.

use std::fmt;
use std::net::Ipv4Addr;

use crate::model::{
    Checksum, Destination, Encapsulation, Family, Flags, Forwarding, Op, Persistence, ServiceKey, Services,
    Settings, Transport,
};

/// `ipvsadm -Sn`: a line a service, then one for each of its destinations.
pub fn table(services: &Services) -> String {
    let mut text = String::new();
    for (key, service) in services {
        text.push_str(&format!("-A {} {}\n", Named(key), Said(key, &service.settings)));
        for (address, destination) in &service.destinations {
            text.push_str(&format!("-a {} -r {address} {}\n", Named(key), Sent(destination)));
        }
    }
    text
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Named(self.service());
        match self {
            Op::AddService(key, settings) => write!(f, "-A {named} {}", Said(key, settings)),
            Op::SetService(key, settings) => write!(f, "-E {named} {}", Said(key, settings)),
            Op::AddDestination(_, address, destination) => {
                write!(f, "-a {named} -r {address} {}{}", Sent(destination), Bounds(destination))
            }
            Op::SetDestination(_, address, destination) => {
                write!(f, "-e {named} -r {address} {}{}", Sent(destination), Bounds(destination))
            }
            Op::RemoveDestination(_, address) => write!(f, "-d {named} -r {address}"),
            Op::RemoveService(_) => write!(f, "-D {named}"),
        }
    }
}

struct Named<'a>(&'a ServiceKey);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ServiceKey::Address(Transport::Tcp, address) => write!(f, "-t {address}"),
            ServiceKey::Address(Transport::Udp, address) => write!(f, "-u {address}"),
            ServiceKey::Mark(mark, Family::V4) => write!(f, "-f {mark}"),
            ServiceKey::Mark(mark, Family::V6) => write!(f, "-f {mark} -6"),
            // No word of ipvsadm's.
            ServiceKey::Group(pool) => write!(f, "--group {pool}"),
        }
    }
}

struct Said<'a>(&'a ServiceKey, &'a Settings);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Said(key, settings) = self;
        write!(f, "-s {}", settings.scheduler.as_str())?;
        if let Some(Persistence { timeout, prefix }) = settings.persistence {
            write!(f, " -p {timeout}")?;
            match key.family() {
                Some(Family::V6) if prefix != 128 => write!(f, " -M {prefix}")?,
                Some(Family::V4) if prefix != 32 => write!(f, " -M {}", mask(prefix))?,
                _ => {}
            }
        }
        if let Some(engine) = &settings.engine {
            write!(f, " --pe {engine}")?;
        }
        if settings.flags.has(Flags::ONE_PACKET) {
            f.write_str(" -o")?;
        }
        let flags = scheduler_flags(settings);
        if !flags.is_empty() {
            write!(f, " -b {}", flags.join(","))?;
        }
        if let Some(version) = settings.send_proxy {
            write!(f, " --send-proxy {version}")?;
        }
        Ok(())
    }
}

fn mask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0))
}

/// By the scheduler's own names, where it has some.
fn scheduler_flags(settings: &Settings) -> Vec<&'static str> {
    let names = match settings.scheduler.as_str() {
        "sh" => ["sh-fallback", "sh-port", "flag-3"],
        "mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    [Flags::SCHEDULER_1, Flags::SCHEDULER_2, Flags::SCHEDULER_3]
        .into_iter()
        .zip(names)
        .filter_map(|(flag, name)| settings.flags.has(flag).then_some(name))
        .collect()
}

struct Sent<'a>(&'a Destination);

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Destination { weight, forwarding, .. } = self.0;
        match forwarding {
            Forwarding::Masquerade => write!(f, "-m -w {weight}"),
            Forwarding::DirectRouting => write!(f, "-g -w {weight}"),
            Forwarding::Tunnel(tunnel) => write!(f, "-i -w {weight} {}", Wrapped(*tunnel)),
            Forwarding::Other(number) => write!(f, "--forwarding {number} -w {weight}"),
        }
    }
}

/// `-x` and `-y`, which ipvsadm takes and does not print.
struct Bounds<'a>(&'a Destination);

impl fmt::Display for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Destination { upper, lower, .. } = self.0;
        if *upper > 0 {
            write!(f, " -x {upper}")?;
        }
        if *lower > 0 {
            write!(f, " -y {lower}")?;
        }
        Ok(())
    }
}

struct Wrapped(Encapsulation);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checksum = |checksum: Checksum| match checksum {
            Checksum::None => "--tun-nocsum",
            Checksum::Full => "--tun-csum",
            Checksum::Remote => "--tun-remcsum",
        };
        match self.0 {
            Encapsulation::Ipip => f.write_str("--tun-type ipip"),
            Encapsulation::Gue(port, sum) => write!(f, "--tun-type gue --tun-port {port} {}", checksum(sum)),
            Encapsulation::Gre(sum) => write!(f, "--tun-type gre {}", checksum(sum)),
            Encapsulation::Other(number) => write!(f, "--tun-type {number}"),
        }
    }
}

/// As in a plan, where a list of addresses would be too long.
pub fn service(key: &ServiceKey) -> String {
    Named(key).to_string()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::model::{Scheduler, Service};

    #[test]
    fn what_one_would_have_typed() {
        let key: ServiceKey = "tcp/203.0.113.10:80".parse().unwrap();
        let at: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let settings = Settings {
            scheduler: Scheduler::new("sh"),
            flags: Flags::SCHEDULER_1.with(Flags::SCHEDULER_2),
            persistence: Some(Persistence { timeout: 300, prefix: 24 }),
            ..Settings::default()
        };
        assert_eq!(
            Op::AddService(key.clone(), settings).to_string(),
            "-A -t 203.0.113.10:80 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port"
        );
        let gue = Forwarding::Tunnel(Encapsulation::Gue(6080, Checksum::Remote));
        let set = Op::SetDestination(key.clone(), at, Destination::new(5, gue));
        assert_eq!(
            set.to_string(),
            "-e -t 203.0.113.10:80 -r 10.0.0.1:80 -i -w 5 --tun-type gue --tun-port 6080 --tun-remcsum"
        );
        let service = Service {
            destinations: [(at, Destination::new(100, Forwarding::Masquerade))].into(),
            ..Service::default()
        };
        let mark: ServiceKey = "fwmark/7/v6".parse().unwrap();
        let text = table(&[(key, service.clone()), (mark, service)].into());
        assert_eq!(
            text,
            "-A -t 203.0.113.10:80 -s wrr\n-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 100\n\
             -A -f 7 -6 -s wrr\n-a -f 7 -6 -r 10.0.0.1:80 -m -w 100\n"
        );
    }
}
