//! A worker's UDP: its sockets, and what the engine asks of the table, the balance and the live connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::accept::enter;
use super::{ListenerId, Site};
use crate::access::{Asking, Judgement};
use crate::capacity::{Full, Most, Slot};
use crate::catch::capture::Replies;
use crate::plane::{Context, Entered, Kind, Reason, Tick, count};
use crate::table::{Endpoint, JobEntry, PortEntry, Tried};
use crate::udp::{self, Arrival, Downstream, Engine, Host, Refused, SessionView, UdpCounters, UdpLimits};

/// One worker's.
pub(super) struct Datagrams {
    engine: Engine<Datagram>,
    sockets: RefCell<Vec<(ListenerId, Downstream<Datagram>)>>,
}

/// The engine's view of the gateway.
pub(super) struct Datagram {
    context: Rc<Context>,
    /// By the address that a socket is bound to, what chooses its job.
    sites: RefCell<HashMap<SocketAddr, Site>>,
    counters: UdpCounters,
    /// What the shared counters have of them already.
    told: Cell<[u64; 7]>,
    /// Datagrams both ways when somebody asked last.
    seen: Cell<(u64, u64)>,
    /// By which captured datagrams are answered, a socket for each family.
    replies: RefCell<HashMap<bool, Replies>>,
}

/// What a session holds for its life.
pub(super) struct Picked {
    entered: Entered,
    endpoint: Arc<Endpoint>,
    checked: bool,
    idle: u32,
    _slots: Vec<Slot>,
}

impl Datagrams {
    pub(super) fn new(context: Rc<Context>) -> io::Result<Datagrams> {
        let limits = context.limits();
        let sessions = limits.udp_sessions as usize;
        let limits = UdpLimits { sessions, sessions_of_worker: sessions, ..UdpLimits::default() };
        let host = Datagram {
            context,
            sites: RefCell::default(),
            counters: UdpCounters::default(),
            told: Cell::default(),
            seen: Cell::default(),
            replies: RefCell::default(),
        };
        Ok(Datagrams { engine: Engine::new(host, limits)?, sockets: RefCell::default() })
    }

    pub(super) fn open(&self, id: ListenerId, socket: UdpSocket, site: Site) -> io::Result<()> {
        let arrival = if let Site::Captured = site { Arrival::Captured } else { Arrival::Bound };
        self.engine.host().sites.borrow_mut().insert(socket.local_addr()?, site);
        let downstream = self.engine.open(socket, arrival)?;
        self.sockets.borrow_mut().push((id, downstream));
        Ok(())
    }

    pub(super) fn resite(&self, id: ListenerId, site: &Site) {
        for (of, downstream) in self.sockets.borrow().iter() {
            if *of == id {
                self.engine.host().sites.borrow_mut().insert(downstream.local_addr(), site.clone());
            }
        }
    }

    /// Closes the socket. Its sessions end with it: there is nothing left to answer from.
    pub(super) fn close(&self, id: ListenerId) {
        self.sockets.borrow_mut().retain(|(of, downstream)| {
            if *of == id {
                self.engine.host().sites.borrow_mut().remove(&downstream.local_addr());
            }
            *of != id
        });
    }

    /// No new sessions.
    pub(super) fn drain(&self) {
        self.sockets.borrow().iter().for_each(|(_, downstream)| downstream.drain());
    }

    /// A tick of the worker's clock: idle sessions end, and so do those that were told to.
    pub(super) fn tick(&self) {
        self.engine.tick();
        self.engine.host().tell();
        self.end_ended();
    }

    /// Ends the sessions that were told to.
    pub(super) fn end_ended(&self) {
        for (_, downstream) in self.sockets.borrow().iter() {
            downstream.close_where(|view| view.picked.entered.ending().is_some(), udp::Reason::Asked);
        }
    }

    pub(super) fn sessions(&self) -> usize {
        usize::try_from(self.engine.host().counters.open.get()).unwrap_or(usize::MAX)
    }

    /// Whether no datagram has gone through since it was asked last.
    pub(super) fn are_quiet(&self) -> bool {
        let counters = &self.engine.host().counters;
        let now = (counters.datagrams_to_instances.get(), counters.datagrams_to_clients.get());
        self.sessions() == 0 || self.engine.host().seen.replace(now) == now
    }

    /// What each session has moved, for whoever is about to look.
    pub(super) fn show(&self) {
        for (_, downstream) in self.sockets.borrow().iter() {
            downstream.for_each(show);
        }
    }
}

fn show(view: &SessionView<'_, Picked>) {
    let (to_instance, to_client) = view.picked.entered.bytes();
    let traffic = &view.traffic;
    let more = (traffic.bytes_to_instance - to_instance, traffic.bytes_to_client - to_client);
    if more != (0, 0) {
        view.picked.entered.moved_by_now(more.0, more.1);
    }
}

impl Datagram {
    fn site(&self, asked: SocketAddr) -> Option<Site> {
        let sites = self.sites.borrow();
        let at = |ip: IpAddr| sites.get(&SocketAddr::new(ip, asked.port()));
        let site = sites.get(&asked).or_else(|| at(Ipv6Addr::UNSPECIFIED.into()));
        let site = site.or_else(|| at(Ipv4Addr::UNSPECIFIED.into()));
        // A captured datagram was sent to none of our sockets' addresses.
        site.or_else(|| sites.values().find(|site| matches!(site, Site::Captured))).cloned()
    }

    fn route(&self, asked: SocketAddr, site: &Site) -> Option<(Arc<JobEntry>, Arc<PortEntry>)> {
        self.context.look(|table| match site {
            Site::Vip(_) | Site::Captured => table.by_udp_address(asked),
            Site::Hub(_) => table.hub_udp_port(asked.port()),
            Site::Entrypoint(entrypoint) => {
                let settings = &entrypoint.settings;
                table.named_udp_port(settings.job.as_ref()?, settings.port.as_ref())
            }
        })
    }

    /// A place for one more session, everywhere where they are counted.
    fn slots(&self, site: &Site, client: IpAddr, job: &JobEntry) -> Result<Vec<Slot>, Reason> {
        let client = self.context.client(client);
        let mut slots = Vec::new();
        if let Site::Entrypoint(entrypoint) = site {
            slots.push(enter(entrypoint, client)?);
        }
        if let per_client @ Some(_) = self.context.limits().connections_per_client {
            let most = Most { connections: None, per_client };
            slots.push(self.context.capacity().enter(most, client).map_err(|_| Reason::ClientFull)?);
        }
        slots.push(job.enter(client).map_err(|full| match full {
            Full::All => Reason::JobFull,
            Full::Client => Reason::ClientFull,
        })?);
        Ok(slots)
    }

    fn refused(&self, reason: Reason, refused: Refused) -> Refused {
        self.context.counters().reasons.add(reason);
        refused
    }

    /// Adds what was moved since to the counters that all workers have.
    fn tell(&self) {
        let (ours, shared) = (&self.counters, self.context.counters());
        let both = [
            (&ours.bytes_to_instances, &shared.bytes_to_instances),
            (&ours.bytes_to_clients, &shared.bytes_to_clients),
            (&ours.opened, &shared.udp_sessions),
            (&ours.refused, &shared.udp_refused),
            (&ours.datagrams_to_instances, &shared.udp_datagrams_to_instances),
            (&ours.datagrams_to_clients, &shared.udp_datagrams_to_clients),
            (&ours.dropped, &shared.udp_dropped),
        ];
        let told = self.told.replace(both.map(|(ours, _)| ours.get()));
        for ((ours, shared), told) in both.into_iter().zip(told) {
            count(shared, ours.get().wrapping_sub(told));
        }
        shared.udp_open.store(ours.open.get(), Relaxed);
    }
}

impl Host for Datagram {
    type Picked = Picked;

    fn pick(
        &self,
        asked: SocketAddr,
        client: SocketAddr,
        tried: &[Picked],
    ) -> Result<(Picked, SocketAddr), Refused> {
        let site = self.site(asked).ok_or(Refused::NoRoute)?;
        let Some((job, port)) = self.route(asked, &site) else {
            return Err(self.refused(Reason::NoRoute, Refused::NoRoute));
        };
        let entered = self.context.connections().enter(Kind::Udp, client, asked);
        let asking = Asking::of_connection(&entered, None, port.unseen());
        if let Judgement::Denied(_) = self.context.gate().judge(|| asking, &job.label, port.asked()) {
            return Err(self.refused(Reason::Denied, Refused::Denied));
        }
        let slots = self.slots(&site, client.ip(), &job);
        let slots = slots.map_err(|reason| self.refused(reason, Refused::Limit))?;
        let mut before = Tried::default();
        tried.iter().for_each(|picked| before.add(picked.endpoint.id));
        let picked = port.endpoints().pick(self.context.index, &before);
        let Some(endpoint) = picked else {
            count(&self.context.counters().no_backend, 1);
            return Err(self.refused(Reason::NoBackend, Refused::NoBackend));
        };
        entered.serve_at(endpoint.clone());
        // The engine looks after idleness; the table of connections does after the rest.
        entered.time_out(Duration::MAX, job.lifetime(self.context.limits()));
        let instance = endpoint.address;
        let idle = Tick::of(job.udp_idle(self.context.limits()));
        Ok((Picked { entered, endpoint, checked: job.check.is_some(), idle, _slots: slots }, instance))
    }

    fn idle(&self, picked: &Picked) -> u32 {
        picked.idle
    }

    fn failed(&self, picked: &Picked, error: &io::Error) {
        tracing::debug!(job = %picked.endpoint.job, instance = %picked.endpoint.address, %error, "UDP instance");
        self.context.connect_failed(&picked.endpoint, picked.checked);
    }

    fn opened(&self, _: &SessionView<'_, Picked>) {}

    fn closed(&self, view: &SessionView<'_, Picked>, reason: udp::Reason) {
        let reason = match (view.picked.entered.ending(), reason) {
            (Some(reason), _) => reason,
            (None, udp::Reason::Idle) => Reason::Idle,
            (None, udp::Reason::Evicted) => Reason::Evicted,
            (None, udp::Reason::Failed) => Reason::Unreachable,
            (None, udp::Reason::InstanceGone) => Reason::Gone,
            (None, udp::Reason::Denied | udp::Reason::Asked) => Reason::Operator,
            (None, udp::Reason::Stopped) => Reason::Stopping,
        };
        self.context.counters().reasons.add(reason);
    }

    fn reply(&self, asked: SocketAddr, client: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let mut replies = self.replies.borrow_mut();
        if let Some(replies) = replies.get(&asked.is_ipv4()) {
            return replies.send(asked, client, bytes);
        }
        // The prefix's first address is no job's, so nothing is ever received there.
        let quiet = self.context.look(|table| table.vips.network());
        let opened = Replies::open(quiet)?;
        let sent = opened.send(asked, client, bytes);
        replies.insert(asked.is_ipv4(), opened);
        sent
    }

    fn counters(&self) -> &UdpCounters {
        &self.counters
    }
}
