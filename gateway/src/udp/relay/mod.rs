//! The driver: one engine a worker, which its downstream sockets share.
//!
//! Two kinds of task. Each downstream has one that receives and forwards ([`downstream`], [`forward`]). The engine's own
//! watches all upstream sockets: a *round* takes the events that an epoll of its own has, reads each ready socket into
//! the queue of its downstream, and then flushes those queues, so that one sendmmsg carries the replies of many sessions.
//! Events are edge-triggered (epoll(7)), and a short recvmmsg says that the queue was empty: one call a reply, no EAGAIN.

mod downstream;
mod forward;
mod open;
mod outbound;
mod replies;
mod upstream;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use tokio::task::JoinHandle;

use self::downstream::Socket;
use self::replies::Spare;
use super::session::Slot;
use super::sys::readable::Readable;
use super::sys::recvmmsg::Inbound;
use super::sys::sendmmsg::Sender;
use super::{Host, Reason, UdpLimits};

pub use self::downstream::{Arrival, Downstream};

/// Events taken in one round.
const EVENTS: usize = 256;
/// Sessions that expire before other tasks have their turn.
const EXPIRED: usize = 256;
/// In an event's data: it is the downstream's own socket, or one of its reply sockets, that takes more.
const WRITABLE: u64 = 1 << 63;

/// A worker's UDP. Must live on a thread whose tokio runtime runs local tasks.
pub struct Engine<H: Host + 'static> {
    shared: Rc<Shared<H>>,
    task: JoinHandle<()>,
}

/// What the engine's tasks share.
struct Shared<H: Host> {
    host: H,
    limits: UdpLimits,
    /// In ticks.
    now: Cell<u32>,
    /// Sessions of all downstreams.
    open: Cell<usize>,
    epoll: Readable,
    sockets: RefCell<Vec<Option<Rc<Socket<H>>>>>,
    /// Those with replies queued in this round.
    changed: RefCell<Vec<Rc<Socket<H>>>>,
    /// Sessions that had more to read than their share of a round; no event will tell of it again.
    unread: RefCell<VecDeque<u64>>,
    /// All the memory that receiving takes, whatever the number of sockets.
    inbound: RefCell<Inbound>,
    sender: RefCell<Sender>,
    spare: RefCell<Spare>,
}

impl<H: Host + 'static> Engine<H> {
    pub fn new(host: H, limits: UdpLimits) -> io::Result<Engine<H>> {
        let epoll = Readable::new(epoll::create(CreateFlags::CLOEXEC)?)?;
        let shared = Rc::new(Shared {
            host,
            limits,
            now: Cell::new(0),
            open: Cell::new(0),
            epoll,
            sockets: RefCell::default(),
            changed: RefCell::default(),
            unread: RefCell::default(),
            inbound: RefCell::new(Inbound::new()),
            sender: RefCell::new(Sender::new()),
            spare: RefCell::default(),
        });
        let task = tokio::task::spawn_local(run(shared.clone()));
        Ok(Engine { shared, task })
    }

    /// Begins to relay what arrives at the socket.
    pub fn open(&self, socket: UdpSocket, arrival: Arrival) -> io::Result<Downstream<H>> {
        Downstream::new(&self.shared, socket, arrival)
    }

    pub fn host(&self) -> &H {
        &self.shared.host
    }

    /// One tick is over: sessions that have been idle for too long are closed.
    pub fn tick(&self) {
        self.advance();
        while self.expire() {}
    }

    /// Ticks, at this pace, for ever.
    pub async fn keep_time(&self, tick: Duration) {
        let mut interval = tokio::time::interval(tick);
        interval.tick().await;
        loop {
            interval.tick().await;
            self.advance();
            while self.expire() {
                tokio::task::yield_now().await;
            }
        }
    }

    fn advance(&self) {
        self.shared.now.set(self.shared.now.get().saturating_add(1));
    }

    /// Closes some sessions that are over; returns whether there may be more.
    fn expire(&self) -> bool {
        let mut left = EXPIRED;
        for socket in self.shared.all() {
            let expired = socket.expired(left);
            left -= expired.len();
            expired.into_iter().for_each(|slot| socket.close(slot, Reason::Idle));
            if left == 0 {
                return true;
            }
        }
        false
    }
}

impl<H: Host + 'static> Drop for Engine<H> {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.all().iter().for_each(|socket| socket.stop());
    }
}

async fn run<H: Host + 'static>(shared: Rc<Shared<H>>) {
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        match shared.epoll.ready().await {
            Ok(mut guard) => {
                if shared.round(&mut events) {
                    guard.clear_ready();
                    continue;
                }
            }
            // The runtime is shutting down.
            Err(_) => return,
        }
        tokio::task::yield_now().await;
    }
}

impl<H: Host + 'static> Shared<H> {
    /// Reads what is ready and sends what came of it; returns whether that was all.
    fn round(self: &Rc<Self>, events: &mut Vec<Event>) -> bool {
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&Timespec::default())) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => tracing::warn!(%error, "waiting for replies of UDP instances"),
        }
        let unread = self.unread.take();
        for data in unread.into_iter().chain(events.iter().map(|event| event.data.u64())) {
            let Some(socket) = self.socket(data & !WRITABLE) else { continue };
            if data & WRITABLE != 0 {
                socket.writable();
            } else {
                socket.read_session(Slot(slot_of(data)));
            }
        }
        for socket in self.changed.take() {
            socket.flush();
        }
        events.len() < EVENTS && self.unread.borrow().is_empty()
    }

    /// Has replies on a session's socket reported.
    fn watch_session(&self, id: u32, slot: Slot, upstream: &OwnedFd) -> io::Result<()> {
        let data = EventData::new_u64(u64::from(id) << 32 | u64::from(slot.0));
        Ok(epoll::add(&self.epoll, upstream, data, EventFlags::IN | EventFlags::ET)?)
    }

    /// Has it reported, once, that a socket takes more.
    fn watch_writable(&self, id: u32, socket: BorrowedFd<'_>) {
        let data = EventData::new_u64(u64::from(id) << 32 | WRITABLE);
        let flags = EventFlags::OUT | EventFlags::ET | EventFlags::ONESHOT;
        let watched = match epoll::add(&self.epoll, socket, data, flags) {
            Err(rustix::io::Errno::EXIST) => epoll::modify(&self.epoll, socket, data, flags),
            watched => watched,
        };
        if let Err(error) = watched {
            tracing::warn!(%error, "a full UDP socket cannot be watched");
        }
    }

    fn no_longer_watch(&self, socket: BorrowedFd<'_>) {
        // ENOENT: it has never been full.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// A place for one more downstream; its number is below 2^31.
    fn register(&self, make: impl FnOnce(u32) -> io::Result<Rc<Socket<H>>>) -> io::Result<Rc<Socket<H>>> {
        let mut sockets = self.sockets.borrow_mut();
        let free = sockets.iter().position(Option::is_none).unwrap_or(sockets.len());
        let id = u32::try_from(free).ok().filter(|id| *id < u32::MAX / 2);
        let socket = make(id.ok_or(io::ErrorKind::QuotaExceeded)?)?;
        if free == sockets.len() {
            sockets.push(None);
        }
        sockets[free] = Some(socket.clone());
        Ok(socket)
    }

    fn forget(&self, id: u32) {
        if let Some(place) = self.sockets.borrow_mut().get_mut(id as usize) {
            *place = None;
        }
    }

    fn socket(&self, data: u64) -> Option<Rc<Socket<H>>> {
        self.sockets.borrow().get((data >> 32) as usize)?.clone()
    }

    fn all(&self) -> Vec<Rc<Socket<H>>> {
        self.sockets.borrow().iter().flatten().cloned().collect()
    }

    fn is_full(&self) -> bool {
        self.open.get() >= self.limits.sessions_of_worker
    }
}

#[allow(clippy::cast_possible_truncation)] // The lower half is what is meant.
fn slot_of(data: u64) -> u32 {
    data as u32
}
