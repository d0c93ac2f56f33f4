//! A downstream socket: its task, its sessions, its replies.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::Shared;
use super::forward::Scratch;
use super::replies::{Means, Replies};
use super::upstream::{Fault, fault};
use crate::udp::counters::add;
use crate::udp::session::{Key, Sessions, Slot};
use crate::udp::sys::BATCH;
use crate::udp::sys::address::Family;
use crate::udp::sys::option;
use crate::udp::sys::readable::Readable;
use crate::udp::sys::recvmmsg::{Datagram, Kind};
use crate::udp::{Host, Reason, SessionView, Traffic};

/// Batches that one turn of a busy socket receives before others have theirs.
const BUDGET: usize = 8;
/// After an error that is not one datagram's; reading on at once would only spin.
const PAUSE: Duration = Duration::from_millis(10);

/// How datagrams come to a downstream socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is bound to what was asked: one address, or all of one port.
    Bound,
    /// By TPROXY: it sees datagrams for any address and port.
    Captured,
}

/// A socket that is being relayed. Dropping it stops that.
pub struct Downstream<H: Host + 'static> {
    socket: Rc<Socket<H>>,
    task: JoinHandle<()>,
}

pub(super) struct Socket<H: Host> {
    pub(super) shared: Rc<Shared<H>>,
    pub(super) id: u32,
    socket: Readable,
    local: SocketAddr,
    family: Family,
    asked: Asked,
    pub(super) sessions: RefCell<Sessions<Session<H::Picked>>>,
    replies: RefCell<Replies>,
    /// Among those that the round will flush.
    is_changed: Cell<bool>,
    pub(super) is_draining: Cell<bool>,
}

/// Where the destination of a datagram is known from.
#[derive(Clone, Copy)]
enum Asked {
    /// The socket is bound to it.
    Always(SocketAddr),
    /// The packet info has the IP, the socket the port.
    Port(u16),
    Original,
}

pub(super) struct Session<P> {
    /// Connected; dropping it closes it, which also ends its being watched.
    pub(super) upstream: OwnedFd,
    pub(super) instance: SocketAddr,
    pub(super) picked: P,
    pub(super) since: Instant,
    pub(super) traffic: Traffic,
}

impl<H: Host + 'static> Downstream<H> {
    pub(super) fn new(
        shared: &Rc<Shared<H>>,
        socket: UdpSocket,
        arrival: Arrival,
    ) -> io::Result<Downstream<H>> {
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let family = Family::of(local);
        let asked = match arrival {
            Arrival::Captured => {
                option::report_original(socket.as_fd(), family)?;
                Asked::Original
            }
            Arrival::Bound if local.ip().is_unspecified() => {
                option::report_ip(socket.as_fd(), family)?;
                Asked::Port(local.port())
            }
            Arrival::Bound => Asked::Always(SocketAddr::new(local.ip().to_canonical(), local.port())),
        };
        let socket = shared.register(|id| {
            Ok(Rc::new(Socket {
                shared: shared.clone(),
                id,
                socket: Readable::new(socket.into())?,
                local,
                family,
                asked,
                sessions: RefCell::new(Sessions::new(shared.limits.sessions)),
                replies: RefCell::default(),
                is_changed: Cell::new(false),
                is_draining: Cell::new(false),
            }))
        })?;
        let task = tokio::task::spawn_local(receive(socket.clone()));
        Ok(Downstream { socket, task })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local
    }

    /// Sessions open now.
    pub fn sessions(&self) -> usize {
        self.socket.sessions.borrow().len()
    }

    pub fn for_each(&self, mut see: impl FnMut(&SessionView<'_, H::Picked>)) {
        let sessions = self.socket.sessions.borrow();
        for slot in sessions.slots() {
            if let Some((key, session)) = sessions.get(slot) {
                see(&session.view(key, sessions.is_answered(slot)));
            }
        }
    }

    /// Closes those that are meant; returns how many. Their clients' next datagrams open new ones.
    pub fn close_where(
        &self,
        mut is_meant: impl FnMut(&SessionView<'_, H::Picked>) -> bool,
        reason: Reason,
    ) -> usize {
        let mut meant = Vec::new();
        let sessions = self.socket.sessions.borrow();
        for slot in sessions.slots() {
            if let Some((key, session)) = sessions.get(slot)
                && is_meant(&session.view(key, sessions.is_answered(slot)))
            {
                meant.push(slot);
            }
        }
        drop(sessions);
        meant.iter().for_each(|slot| self.socket.close(*slot, reason));
        meant.len()
    }

    /// No new sessions; those that are open go on until they are idle.
    pub fn drain(&self) {
        self.socket.is_draining.set(true);
    }

    /// Closes every session, and the socket.
    pub fn stop(self) {}
}

impl<H: Host + 'static> Drop for Downstream<H> {
    fn drop(&mut self) {
        self.task.abort();
        self.socket.stop();
    }
}

/// Until it is aborted.
async fn receive<H: Host + 'static>(socket: Rc<Socket<H>>) {
    let mut scratch = Scratch::default();
    loop {
        let Ok(mut guard) = socket.socket.ready().await else { return };
        match socket.receive_some(&mut scratch) {
            Ok(true) => {
                guard.clear_ready();
                continue;
            }
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(%error, "receiving UDP");
                drop(guard);
                tokio::time::sleep(PAUSE).await;
            }
        }
        tokio::task::yield_now().await;
    }
}

impl<H: Host + 'static> Socket<H> {
    /// Forwards some batches; returns whether that was all.
    fn receive_some(&self, scratch: &mut Scratch) -> io::Result<bool> {
        let inbound = &mut *self.shared.inbound.borrow_mut();
        for _ in 0..BUDGET {
            let received = match inbound.receive(self.socket.as_fd(), Kind::Told) {
                Ok(received) => received,
                Err(error) => match fault(&error) {
                    Fault::Full => return Ok(true),
                    // What an earlier reply met at its client.
                    Fault::Interrupted | Fault::Instance => continue,
                    Fault::Shortage | Fault::Datagram => return Err(error),
                },
            };
            self.forward_all(inbound, scratch);
            inbound.clear();
            if received < BATCH {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whose datagram it is; `None` when it cannot be told, or is not whole.
    pub(super) fn key(&self, datagram: &Datagram<'_>) -> Option<Key> {
        if datagram.truncated {
            add(&self.shared.host.counters().truncated, 1);
            return None;
        }
        let asked = match (datagram.destination.address, self.asked) {
            (Some(original), _) => original,
            (None, Asked::Always(address)) => address,
            (None, Asked::Port(port)) => SocketAddr::new(datagram.destination.ip?, port),
            (None, Asked::Original) => return None,
        };
        Some(Key { asked, client: datagram.peer? })
    }

    /// A session's instance has replied, or an error came back.
    pub(super) fn read_session(self: &Rc<Self>, slot: Slot) {
        let mut inbound = self.shared.inbound.borrow_mut();
        let mut failure = None;
        // An error is reported once, and before the replies that came ahead of it: those are read after it.
        for _ in 0..2 {
            let received = {
                let sessions = self.sessions.borrow();
                // An event of a session that has been closed in this round.
                let Some((_, session)) = sessions.get(slot) else { return };
                inbound.receive(session.upstream.as_fd(), Kind::Bare)
            };
            match received {
                Ok(received) => {
                    self.reply_all(slot, inbound.datagrams());
                    if received == BATCH {
                        self.shared
                            .unread
                            .borrow_mut()
                            .push_back(u64::from(self.id) << 32 | u64::from(slot.0));
                    }
                    break;
                }
                Err(error) => match fault(&error) {
                    Fault::Full => break,
                    Fault::Instance => failure = Some(error),
                    // Too long for the path, of an earlier datagram (ICMP, fragmentation needed): the client's affair.
                    Fault::Interrupted | Fault::Shortage | Fault::Datagram => {}
                },
            }
        }
        drop(inbound);
        if let Some(error) = failure {
            self.fail(slot, &error);
        }
    }

    fn reply_all<'a>(self: &Rc<Self>, slot: Slot, datagrams: impl Iterator<Item = Datagram<'a>>) {
        let mut sessions = self.sessions.borrow_mut();
        let Some((key, session)) = sessions.get_mut(slot) else { return };
        for datagram in datagrams {
            session.traffic.datagrams_to_client += 1;
            session.traffic.bytes_to_client += datagram.bytes.len() as u64;
            self.queue(key, datagram.bytes);
        }
        sessions.answered(slot, self.shared.now.get());
        if !self.is_changed.replace(true) {
            self.shared.changed.borrow_mut().push(self.clone());
        }
    }

    fn queue(&self, key: Key, bytes: &[u8]) {
        let limits = &self.shared.limits;
        let host = &self.shared.host;
        if let Asked::Original = self.asked {
            match host.reply(key.asked, key.client, bytes) {
                Ok(()) => {
                    add(&host.counters().datagrams_to_clients, 1);
                    add(&host.counters().bytes_to_clients, bytes.len());
                }
                Err(error) => {
                    tracing::debug!(asked = %key.asked, client = %key.client, %error, "reply dropped");
                    add(&host.counters().dropped, 1);
                }
            }
            return;
        }
        let replies = &mut *self.replies.borrow_mut();
        let due = self.with_means(|means| {
            let from = matches!(self.asked, Asked::Port(_)).then_some(key.asked.ip());
            let queue = replies.own(means.spare);
            add(&means.counters.dropped, queue.push(bytes, key.client, from, limits.backlog));
            queue.is_due()
        });
        if due {
            self.with_means(|means| replies.flush(self.socket.as_fd(), self.family, means));
        }
    }

    /// Sends what the round has queued.
    pub(super) fn flush(&self) {
        self.is_changed.set(false);
        let replies = &mut *self.replies.borrow_mut();
        self.with_means(|means| replies.flush(self.socket.as_fd(), self.family, means));
    }

    /// One of the sockets that replies leave by takes more.
    pub(super) fn writable(&self) {
        self.replies.borrow_mut().unblock();
        self.flush();
    }

    fn with_means<R>(&self, act: impl FnOnce(&mut Means<'_>) -> R) -> R {
        act(&mut Means {
            sender: &mut self.shared.sender.borrow_mut(),
            spare: &mut self.shared.spare.borrow_mut(),
            counters: self.shared.host.counters(),
            watch: &|socket| self.shared.watch_writable(self.id, socket),
        })
    }

    pub(super) fn expired(&self, most: usize) -> Vec<Slot> {
        self.sessions.borrow().expired(self.shared.now.get(), most)
    }

    /// Its instance is not reachable: the client's next datagram goes to another.
    pub(super) fn fail(&self, slot: Slot, error: &io::Error) {
        add(&self.shared.host.counters().icmp_errors, 1);
        if let Some((_, session)) = self.sessions.borrow().get(slot) {
            self.shared.host.failed(&session.picked, error);
        }
        self.close(slot, Reason::Failed);
    }

    pub(super) fn close(&self, slot: Slot, reason: Reason) {
        let mut sessions = self.sessions.borrow_mut();
        let answered = sessions.is_answered(slot);
        let Some((key, session)) = sessions.remove(slot) else { return };
        drop(sessions);
        let counters = self.shared.host.counters();
        match reason {
            Reason::Idle => add(&counters.expired, 1),
            Reason::Evicted => add(&counters.evicted, 1),
            _ => {}
        }
        counters.open.set(counters.open.get().saturating_sub(1));
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
        self.shared.host.closed(&session.view(key, answered), reason);
    }

    /// Closes every session; replies that are queued still leave. Nothing is relayed any more.
    pub(super) fn stop(&self) {
        self.is_draining.set(true);
        let slots: Vec<_> = self.sessions.borrow().slots().collect();
        slots.into_iter().for_each(|slot| self.close(slot, Reason::Stopped));
        self.flush();
        self.shared.no_longer_watch(self.socket.as_fd());
        self.shared.forget(self.id);
    }
}

impl<P> Session<P> {
    pub(super) fn view(&self, key: Key, answered: bool) -> SessionView<'_, P> {
        SessionView {
            client: key.client,
            asked: key.asked,
            instance: self.instance,
            picked: &self.picked,
            since: self.since,
            answered,
            traffic: self.traffic,
        }
    }
}
