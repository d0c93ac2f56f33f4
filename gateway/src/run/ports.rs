//! The configured listeners, opened before anything else: a port that is held is said at once, with its holder and the
//! setting that moves it.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use roundhouse_config::{Entrypoint, EntrypointProtocol, NamedEntrypoint, Settings};

use super::entrypoints::Entrypoints;
use crate::listening::{self, Options};
use crate::{dns, holder};

pub(super) struct Ports {
    admin: TcpListener,
    dns: dns::Server,
    entrypoints: Vec<(NamedEntrypoint, Sockets)>,
}

/// What an entrypoint listens with.
pub(super) enum Sockets {
    /// One for each worker.
    Tcp(Vec<TcpListener>),
    Udp(UdpSocket),
}

impl Sockets {
    pub(super) fn address(&self) -> SocketAddr {
        let address = match self {
            Sockets::Tcp(group) => group.first().map(TcpListener::local_addr),
            Sockets::Udp(socket) => Some(socket.local_addr()),
        };
        // A bound socket has one.
        address.and_then(Result::ok).unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }
}

/// What is left once the data plane has its listeners.
pub(super) struct Listening {
    pub(super) admin: TcpListener,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for {setting}: {reason}; free it, or change {setting} in the configuration"
)]
pub(super) struct PortError {
    address: SocketAddr,
    setting: String,
    reason: String,
}

/// All held ports at once: whoever starts a gateway twice should not find them one by one.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub(super) struct PortErrors(Vec<PortError>);

impl Ports {
    pub(super) fn open(settings: &Settings, workers: usize) -> Result<Ports, PortErrors> {
        let admin_address = settings.admin.listen.socket_addr();
        let admin =
            exclusive(admin_address).map_err(|error| explain(admin_address, "admin.listen".into(), &error));
        let dns_address = settings.dns.listen.socket_addr();
        let dns =
            dns::Server::bind(dns_address).map_err(|error| explain(dns_address, "dns.listen".into(), &error));
        let mut errors = Vec::new();
        let mut entrypoints = Vec::new();
        for named in &settings.entrypoints {
            match open(&named.entrypoint, workers, false) {
                Ok(sockets) => entrypoints.push((named.clone(), sockets)),
                Err(error) => {
                    let setting = format!("entrypoint `{}` listen", named.name);
                    errors.push(explain(named.entrypoint.listen.socket_addr(), setting, &error));
                }
            }
        }
        match (admin, dns) {
            (Ok(admin), Ok(dns)) if errors.is_empty() => Ok(Ports { admin, dns, entrypoints }),
            (admin, dns) => {
                errors.splice(0..0, admin.err().into_iter().chain(dns.err()));
                Err(PortErrors(errors))
            }
        }
    }

    /// The addresses of admin and DNS, and what they are called.
    pub(super) fn own(&self) -> Vec<(SocketAddr, String)> {
        let own = [(self.admin.local_addr(), "admin"), (self.dns.local_addr(), "DNS")];
        own.into_iter().filter_map(|(address, name)| Some((address.ok()?, name.to_owned()))).collect()
    }

    pub(super) fn lend(self, entrypoints: &mut Entrypoints) -> anyhow::Result<(Listening, dns::Server)> {
        for (named, sockets) in self.entrypoints {
            let adopted = entrypoints.adopt(&named, sockets);
            adopted.map_err(|reason| anyhow::anyhow!("entrypoint `{}`: {reason}", named.name))?;
        }
        Ok((Listening { admin: self.admin }, self.dns))
    }
}

/// `beside`: a socket of ours is there already, and this one is to follow it.
pub(super) fn open(settings: &Entrypoint, workers: usize, beside: bool) -> io::Result<Sockets> {
    let address = settings.listen.socket_addr();
    if settings.protocol == EntrypointProtocol::Udp {
        return listening::udp(address, false).map(Sockets::Udp);
    }
    let options = Options {
        both_families: true,
        fast_open: settings.fast_open,
        defer_accept: settings.defer_accept,
        ..Options::default()
    };
    // Probed without SO_REUSEPORT first, since a group would silently join another gateway's.
    let address = if beside { address } else { listening::tcp(address, options)?.local_addr()? };
    let options = Options { reuse_port: true, ..options };
    let group: io::Result<Vec<_>> = (0..workers).map(|_| listening::tcp(address, options)).collect();
    group.map(Sockets::Tcp)
}

/// Why it could not be opened, and who is in the way.
pub(super) fn reason(settings: &Entrypoint, error: &io::Error) -> String {
    because(settings.listen.socket_addr(), error)
}

/// Bound without SO_REUSEPORT, so that any other listener is noticed, one of our own kind included. `:80` means all
/// addresses of both families.
fn exclusive(address: SocketAddr) -> io::Result<TcpListener> {
    listening::tcp(address, Options { both_families: true, ..Options::default() })
}

fn explain(address: SocketAddr, setting: String, error: &io::Error) -> PortError {
    PortError { address, setting, reason: because(address, error) }
}

fn because(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => match holder::of_tcp(address) {
            Some((held, holder)) if held == address => format!("held by {holder}"),
            Some((held, holder)) => format!("held by {holder}, which listens on {held}"),
            None => "held by another program".into(),
        },
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE".into(),
        io::ErrorKind::AddrNotAvailable => "not an address of this machine".into(),
        _ => error.to_string(),
    }
}
