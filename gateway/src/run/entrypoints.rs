//! Keeps exactly the wanted entrypoints listening: those of the file, which may be read again, and those of the registry.
//!
//! ```text
//! file, records ─► wanted (pure) ─► open what is missing, give changed settings to what stays, take back what is gone
//! ```
//!
//! A changed setting reaches new connections on the socket that is open; only another address, protocol or socket option
//! needs another socket, which is opened before the former closes. What cannot be listened on is shown with its reason
//! and tried again.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use roundhouse_config::{Entrypoint as Settings, EntrypointProtocol, NamedEntrypoint, PortName};
use serde::Serialize;

use super::ports::{self, Sockets};
use crate::capacity::Capacity;
use crate::entrypoint::Entrypoint;
use crate::tls::{Certificates, WatchedFile};
use crate::worker::{Lender, ListenerId, Site};

/// Where an entrypoint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    File,
    Registry,
}

/// An entrypoint as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: PortName,
    pub settings: Settings,
    pub origin: Origin,
    /// Where it listens, or why it does not.
    pub state: Result<SocketAddr, String>,
    /// Why it listens as it did before and not as is written.
    pub refused: Option<String>,
    /// What is open there; `None` where nothing has been listened on.
    pub capacity: Option<Arc<Capacity>>,
}

impl Listed {
    /// Why it is not served as it is written.
    pub fn reason(&self) -> Option<&String> {
        self.state.as_ref().err().or(self.refused.as_ref())
    }

    /// Where clients without TLS are sent who should have it: port 443 if that is one of ours, else the first that is.
    pub fn https_port(all: &[Listed]) -> Option<u16> {
        let https =
            |listed: &&Listed| listed.state.is_ok() && listed.settings.protocol == EntrypointProtocol::Https;
        let mut ports = all.iter().filter(https).map(|listed| listed.address().port());
        let first = ports.next()?;
        Some(if ports.any(|port| port == 443) { 443 } else { first })
    }

    /// Where it listens, or where it should.
    pub fn address(&self) -> SocketAddr {
        self.state.as_ref().copied().unwrap_or_else(|_| self.settings.listen.socket_addr())
    }
}

type Wanted = BTreeMap<PortName, (Settings, Origin)>;

/// The file wins: it is about this gateway, the record about all of them. Of two records on one address the first by
/// name has it.
fn wanted<'a>(
    file: &[NamedEntrypoint],
    records: impl Iterator<Item = (&'a PortName, &'a Settings)>,
) -> (Wanted, Vec<Listed>) {
    let mut wanted: Wanted = BTreeMap::new();
    let mut refused = Vec::new();
    for NamedEntrypoint { name, entrypoint } in file {
        wanted.insert(name.clone(), (entrypoint.clone(), Origin::File));
    }
    for (name, settings) in records {
        let same_place = |other: &Settings| {
            other.listen == settings.listen && is_udp(other.protocol) == is_udp(settings.protocol)
        };
        let in_the_way = match wanted.get(name) {
            Some((_, Origin::File)) => {
                Some(format!("the file of this gateway has an entrypoint `{name}` of its own"))
            }
            _ => wanted.iter().find(|(_, (other, _))| same_place(other)).map(|(other, _)| {
                format!("`{}` is taken by entrypoint `{other}`; give it another port", settings.listen)
            }),
        };
        match in_the_way {
            None => drop(wanted.insert(name.clone(), (settings.clone(), Origin::Registry))),
            Some(reason) => refused.push(Listed {
                name: name.clone(),
                settings: settings.clone(),
                origin: Origin::Registry,
                state: Err(reason),
                refused: None,
                capacity: None,
            }),
        }
    }
    (wanted, refused)
}

fn is_udp(protocol: EntrypointProtocol) -> bool {
    protocol == EntrypointProtocol::Udp
}

/// What a socket is made for; another one means another socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    listen: SocketAddr,
    udp: bool,
    fast_open: bool,
    defer_accept: bool,
}

impl Kind {
    fn of(settings: &Settings) -> Kind {
        Kind {
            listen: settings.listen.socket_addr(),
            udp: is_udp(settings.protocol),
            fast_open: settings.fast_open,
            defer_accept: settings.defer_accept,
        }
    }
}

#[derive(Debug)]
struct Open {
    served: Arc<Entrypoint>,
    /// The file, which is read again when it changes.
    client_ca: Option<WatchedFile>,
    /// It has changed.
    reread: bool,
    origin: Origin,
    listener: ListenerId,
    address: SocketAddr,
}

/// What is to be served, with the file that it was made of.
struct Made {
    served: Arc<Entrypoint>,
    client_ca: Option<WatchedFile>,
}

pub(super) struct Entrypoints {
    lender: Lender,
    certificates: Arc<ArcSwap<Certificates>>,
    open: BTreeMap<PortName, Open>,
}

impl Entrypoints {
    pub(super) fn new(lender: Lender, certificates: Arc<ArcSwap<Certificates>>) -> Entrypoints {
        Entrypoints { lender, certificates, open: BTreeMap::new() }
    }

    /// Serves what was opened at the start.
    pub(super) fn adopt(&mut self, named: &NamedEntrypoint, sockets: Sockets) -> Result<(), String> {
        let made = self.made(&named.name, &named.entrypoint, Arc::default())?;
        self.lend(made, Origin::File, sockets);
        Ok(())
    }

    /// Whether a file that an entrypoint names has changed, which the next [`Self::reconcile`] takes up.
    pub(super) fn look(&mut self) -> bool {
        self.open.values_mut().fold(false, |any, open| {
            open.reread |= open.client_ca.as_mut().is_some_and(WatchedFile::settled);
            open.reread | any
        })
    }

    /// Makes it so; what there is now, and what there is not.
    pub(super) fn reconcile<'a>(
        &mut self,
        file: &[NamedEntrypoint],
        records: impl Iterator<Item = (&'a PortName, &'a Settings)>,
    ) -> Vec<Listed> {
        let (wanted, mut listed) = wanted(file, records);
        let gone: Vec<_> = self.open.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in gone {
            self.close(&name);
        }
        for (name, (settings, origin)) in wanted {
            let made = self.make(&name, &settings, origin);
            let open = self.open.get(&name);
            let (state, refused) = match (made, open) {
                (Ok(address), _) => (Ok(address), None),
                (Err(reason), Some(open)) => (Ok(open.address), Some(reason)),
                (Err(reason), None) => (Err(reason), None),
            };
            let capacity = open.map(|open| open.served.capacity.clone());
            listed.push(Listed { name, settings, origin, state, refused, capacity });
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        listed
    }

    pub(super) fn stop(&mut self) {
        self.open.clear();
    }

    fn make(&mut self, name: &PortName, settings: &Settings, origin: Origin) -> Result<SocketAddr, String> {
        let Some(former) = self.open.get_mut(name) else {
            let made = self.made(name, settings, Arc::default())?;
            let sockets = ports::open(settings, self.lender.workers(), false)
                .map_err(|error| ports::reason(settings, &error))?;
            return Ok(self.lend(made, origin, sockets));
        };
        former.origin = origin;
        if former.served.settings == *settings && !former.reread {
            return Ok(former.address);
        }
        let (before, now) = (Kind::of(&former.served.settings), Kind::of(settings));
        let capacity = former.served.capacity.clone();
        let made = self.made(name, settings, capacity)?;
        if before == now {
            let Some(open) = self.open.get_mut(name) else { return Err(String::new()) };
            self.lender.resite(open.listener, &Site::Entrypoint(made.served.clone()));
            tracing::info!(entrypoint = %name, "settings changed");
            (open.served, open.client_ca, open.reread) = (made.served, made.client_ca, false);
            return Ok(open.address);
        }
        // Another socket beside the former, where it is the same address; the former still serves if that fails.
        let beside = before.listen == now.listen && !now.udp && !before.udp;
        if now.udp && before.udp && before.listen == now.listen {
            self.close(name);
        }
        let sockets = ports::open(settings, self.lender.workers(), beside)
            .map_err(|error| ports::reason(settings, &error))?;
        self.close(name);
        Ok(self.lend(made, origin, sockets))
    }

    fn made(&self, name: &PortName, settings: &Settings, capacity: Arc<Capacity>) -> Result<Made, String> {
        let mut client_ca = settings.client_ca.as_ref().map(WatchedFile::new);
        let wrong = |reason: &dyn Display| match &settings.client_ca {
            None => reason.to_string(),
            Some(file) => {
                let file = file.display();
                format!(
                    "client_ca: {file}: {reason}; write the path of a PEM file with the CA's certificates"
                )
            }
        };
        let text = client_ca.as_mut().map(WatchedFile::read).transpose().map_err(|error| wrong(&error))?;
        let (name, settings) = (name.clone(), settings.clone());
        let served = Entrypoint::new(name, settings.clone(), capacity, &self.certificates, text.as_deref());
        Ok(Made { served: Arc::new(served.map_err(|error| wrong(&error))?), client_ca })
    }

    fn lend(&mut self, made: Made, origin: Origin, sockets: Sockets) -> SocketAddr {
        let Made { served, client_ca } = made;
        let (name, address) = (served.name.clone(), sockets.address());
        tracing::info!(entrypoint = %name, %address, protocol = %served.settings.protocol, "listening");
        let site = Site::Entrypoint(served.clone());
        let listener = match sockets {
            Sockets::Tcp(group) => self.lender.lend_to_all(group, &site),
            Sockets::Udp(socket) => self.lender.lend_udp(socket, site),
        };
        self.open.insert(name, Open { served, client_ca, reread: false, origin, listener, address });
        address
    }

    fn close(&mut self, name: &PortName) {
        if let Some(open) = self.open.remove(name) {
            tracing::info!(entrypoint = %name, address = %open.address, "no longer listening");
            self.lender.take_back(open.listener);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_file_wins_and_one_address_has_one_owner() {
        let web = settings(r#"{"listen":":80"}"#);
        let file = [NamedEntrypoint { name: "web".parse().unwrap(), entrypoint: web.clone() }];
        let records: Vec<(PortName, Settings)> = [
            ("other", r#"{"listen":":80"}"#),
            ("redis", r#"{"listen":":6379","protocol":"tcp","job":"redis"}"#),
            ("redis-udp", r#"{"listen":":6379","protocol":"udp","job":"redis"}"#),
            ("redis2", r#"{"listen":":6379","protocol":"tcp","job":"redis"}"#),
            ("web", r#"{"listen":":81"}"#),
        ]
        .into_iter()
        .map(|(name, text)| (name.parse().unwrap(), settings(text)))
        .collect();
        let (wanted, refused) = wanted(&file, records.iter().map(|(name, settings)| (name, settings)));
        let names: Vec<_> = wanted.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["redis", "redis-udp", "web"]);
        assert_eq!(wanted.get("web").unwrap(), &(web, Origin::File));
        let reasons: Vec<_> = refused.iter().map(|one| one.state.clone().unwrap_err()).collect();
        assert!(reasons[0].contains("taken by entrypoint `web`"), "{reasons:?}");
        assert!(reasons[1].contains("taken by entrypoint `redis`"), "{reasons:?}");
        assert!(reasons[2].contains("has an entrypoint `web` of its own"), "{reasons:?}");
    }
}
