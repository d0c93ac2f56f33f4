//! The configured listeners, opened before anything else: a port that is held is said at once, with its holder and the
//! setting that moves it.

use std::io;
use std::net::{SocketAddr, TcpListener};

use roundhouse_config::Settings;
use socket2::{Domain, Protocol, Socket, Type};

use crate::worker::{Lender, Site};
use crate::{dns, holder};

const BACKLOG: i32 = 4096;

pub(super) struct Ports {
    admin: TcpListener,
    dns: dns::Server,
    /// Name and one socket for each worker.
    entrypoints: Vec<(String, Vec<TcpListener>)>,
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
            let address = named.entrypoint.listen.socket_addr();
            match reuseport_group(address, workers) {
                Ok(group) => entrypoints.push((named.name.to_string(), group)),
                Err(error) => {
                    let setting = format!("entrypoint `{}` listen", named.name);
                    errors.push(explain(address, setting, &error));
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

    /// Every address with what it is called.
    pub(super) fn listeners(&self) -> Vec<(SocketAddr, String)> {
        let mut listeners = Vec::new();
        if let Ok(address) = self.admin.local_addr() {
            listeners.push((address, "admin".to_owned()));
        }
        if let Ok(address) = self.dns.local_addr() {
            listeners.push((address, "DNS".to_owned()));
        }
        for (name, group) in &self.entrypoints {
            if let Some(Ok(address)) = group.first().map(TcpListener::local_addr) {
                listeners.push((address, format!("entrypoint `{name}`")));
            }
        }
        listeners
    }

    pub(super) fn lend(self, lender: &Lender, site: Site) -> (Listening, dns::Server) {
        for (_, group) in self.entrypoints {
            lender.lend_to_all(group, site);
        }
        (Listening { admin: self.admin }, self.dns)
    }
}

/// Bound without SO_REUSEPORT, so that any other listener is noticed, one of our own kind included.
fn exclusive(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket for each worker; the kernel spreads connections over them. The port is probed exclusively first, since a
/// group would silently join another gateway's.
fn reuseport_group(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    let address = exclusive(address)?.local_addr()?;
    (0..workers)
        .map(|_| {
            let socket = socket(address)?;
            socket.set_reuse_port(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `:80` means all addresses of both families.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn explain(address: SocketAddr, setting: String, error: &io::Error) -> PortError {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => match holder::of_tcp(address) {
            Some((held, holder)) if held == address => format!("held by {holder}"),
            Some((held, holder)) => format!("held by {holder}, which listens on {held}"),
            None => "held by another program".into(),
        },
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE".into(),
        io::ErrorKind::AddrNotAvailable => "not an address of this machine".into(),
        _ => error.to_string(),
    };
    PortError { address, setting, reason }
}
