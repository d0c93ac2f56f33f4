//! The live connections of one worker: counted, listed, and ended with a reason.
//!
//! A connection is entered before it is looked at and leaves when its task ends, so none slips between. The table belongs
//! to its worker: entering costs no lock and no shared cache line. Who wants to know or to end something sends the worker
//! a [`Filter`]; a worker walks all of its connections for it, which takes a tenth of a millisecond for 10,000, so that
//! no index has to be kept by every connection that is never asked for.
//!
//! Timeouts are kept here too: one sweep in half a second looks at all of them, instead of a timer each.

mod filter;
mod said;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};
use std::time::{Duration, Instant};

use roundhouse_config::Label;
use roundhouse_registry::InstanceId;
use serde::Serialize;
use slab::Slab;
use tokio::sync::Notify;

pub use self::filter::{Endpoints, Filter, Recheck};
pub use self::said::Said;
use super::Reason;
use crate::table::{Endpoint, Work};

/// Between two sweeps: how late a timeout may be.
pub const SWEEP: Duration = Duration::from_millis(500);

/// Sweeps since the worker began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u32);

impl Tick {
    /// Whole ticks of a duration, rounded up: nothing ends early.
    pub fn of(duration: Duration) -> u32 {
        // Several times a request; in milliseconds it would be a division of 128 bits.
        const IN_A_SECOND: u64 = (1_000_000_000 / SWEEP.as_nanos()) as u64;
        let begun = u64::from(duration.subsec_nanos().div_ceil(SWEEP.subsec_nanos()));
        let ticks = duration.as_secs().saturating_mul(IN_A_SECOND).saturating_add(begun);
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    fn since(self, earlier: Tick) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// One more: the tick that it begins in is partly over.
    fn after(self, duration: Duration) -> Tick {
        Tick(self.0.saturating_add(Tick::of(duration)).saturating_add(1))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Tcp,
    Tls,
    Udp,
    Http,
}

/// Unique in one gateway's life: which worker, and its how manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pub worker: u16,
    pub number: u64,
}

#[derive(Debug)]
pub struct Connection {
    worker: u16,
    number: u64,
    pub kind: Cell<Kind>,
    /// The other end of the socket.
    pub peer: SocketAddr,
    /// The address that was dialled.
    pub local: Cell<SocketAddr>,
    said: RefCell<Option<Box<Said>>>,
    /// Its bytes must not begin with a PROXY header.
    pub guarded: Cell<bool>,
    since: Tick,
    last: Cell<Tick>,
    idle: Cell<u32>,
    lifetime: Cell<u32>,
    /// Until when what it is at may take.
    due: Cell<Tick>,
    /// It waits for a client who may have nothing more to say.
    resting: Cell<bool>,
    /// What it is at has no end of its own.
    endless: Cell<bool>,
    /// Whether its client may still be where it is, its task is to look.
    recheck: Cell<bool>,
    /// Requests come by it that others sent.
    forwards: Cell<bool>,
    /// Its task looks again after this tick.
    again: Cell<Tick>,
    to_instance: Cell<u64>,
    to_client: Cell<u64>,
    /// Held once an instance is picked; counts at its endpoint.
    work: RefCell<Option<Work>>,
    ending: Cell<Option<Reason>>,
    task: RefCell<Option<Waker>>,
}

/// One worker's.
#[derive(Debug)]
pub struct Connections {
    worker: u16,
    entered: Cell<u64>,
    live: RefCell<Slab<Rc<Connection>>>,
    began: Instant,
    now: Cell<Tick>,
    empty: Notify,
}

/// A connection as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub id: String,
    pub kind: Kind,
    pub client: SocketAddr,
    pub local: SocketAddr,
    pub job: Option<Label>,
    pub instance: Option<InstanceId>,
    pub address: Option<SocketAddr>,
    pub open_seconds: f64,
    pub idle_seconds: f64,
    pub bytes_to_instance: u64,
    pub bytes_to_client: u64,
}

impl Connections {
    pub fn new(worker: usize) -> Connections {
        Connections {
            worker: u16::try_from(worker).unwrap_or(u16::MAX),
            entered: Cell::new(0),
            live: RefCell::default(),
            began: Instant::now(),
            now: Cell::default(),
            empty: Notify::new(),
        }
    }

    /// Entered until the value is dropped.
    pub fn enter(self: &Rc<Self>, kind: Kind, client: SocketAddr, local: SocketAddr) -> Entered {
        let number = self.entered.get();
        self.entered.set(number + 1);
        let now = self.now.get();
        let connection = Rc::new(Connection {
            worker: self.worker,
            number,
            kind: Cell::new(kind),
            peer: client,
            local: Cell::new(local),
            said: RefCell::default(),
            guarded: Cell::new(false),
            since: now,
            last: Cell::new(now),
            idle: Cell::new(u32::MAX),
            lifetime: Cell::new(u32::MAX),
            due: Cell::new(Tick(u32::MAX)),
            resting: Cell::new(false),
            endless: Cell::new(false),
            recheck: Cell::new(false),
            forwards: Cell::new(false),
            again: Cell::new(Tick(u32::MAX)),
            to_instance: Cell::new(0),
            to_client: Cell::new(0),
            work: RefCell::default(),
            ending: Cell::default(),
            task: RefCell::default(),
        });
        let key = self.live.borrow_mut().insert(connection.clone());
        Entered { connection, key, table: self.clone() }
    }

    /// One that is carried by another: of the same client, and with an end of its own.
    pub fn enter_within(self: &Rc<Self>, carrier: &Connection) -> Entered {
        let entered = self.enter(carrier.kind.get(), carrier.peer, carrier.local.get());
        entered.said.borrow_mut().clone_from(&carrier.said.borrow());
        entered
    }

    pub fn len(&self) -> usize {
        self.live.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.live.borrow().is_empty()
    }

    pub fn now(&self) -> Tick {
        self.now.get()
    }

    /// Returns once nothing is left.
    pub async fn emptied(&self) {
        while !self.is_empty() {
            self.empty.notified().await;
        }
    }

    /// Moves the clock on and ends what is over its time. Called every [`SWEEP`].
    pub fn sweep(&self) {
        let ticks = self.began.elapsed().as_millis() / SWEEP.as_millis();
        self.now.set(Tick(u32::try_from(ticks).unwrap_or(u32::MAX)));
        self.each(|connection| {
            let now = self.now.get();
            if let Some(reason) = connection.over(now) {
                connection.end(reason);
            } else if now > connection.again.get() {
                connection.wake();
            }
        });
    }

    /// Ends every connection that fits; how many there were.
    pub fn end(&self, filter: &Filter, reason: Reason) -> usize {
        let mut ended = 0;
        self.each(|connection| {
            if filter.fits(connection) {
                connection.end(reason);
                ended += 1;
            }
        });
        ended
    }

    /// Looks at those of which somebody's right to be there may have changed: `ends` says of a connection whether that is
    /// over. Of requests only their own task knows; it is told to look.
    pub fn recheck(&self, filter: &Recheck, mut ends: impl FnMut(&Connection, &Endpoint) -> bool) {
        self.each(|connection| {
            let work = connection.work.borrow();
            let endpoint = work.as_ref().map(Work::endpoint);
            if !filter.concerns(connection, endpoint.map(|endpoint| &endpoint.job)) {
                return;
            }
            if connection.kind.get() == Kind::Http {
                connection.recheck.set(true);
                connection.wake();
            } else if let Some(endpoint) = endpoint
                && connection.ending.get().is_none()
                && ends(connection, endpoint)
            {
                connection.end(Reason::Revoked);
            }
        });
    }

    /// The first `most` that fit.
    pub fn list(&self, filter: &Filter, most: usize) -> Vec<Shown> {
        let live = self.live.borrow();
        let fitting = live.iter().map(|(_, connection)| connection).filter(|one| filter.fits(one));
        fitting.take(most).map(|connection| connection.shown(self.now.get())).collect()
    }

    /// The gateway stops: what would never end does so now, and whoever is between two requests gets this long for another
    /// one.
    pub fn last_call(&self, patience: Duration) {
        let due = self.now.get().after(patience);
        self.each(|connection| {
            if connection.endless.get() {
                connection.end(Reason::Stopping);
            } else if connection.resting.get() {
                connection.due.set(connection.due.get().min(due));
            }
        });
    }

    fn each(&self, mut act: impl FnMut(&Connection)) {
        self.live.borrow().iter().for_each(|(_, connection)| act(connection));
    }
}

/// A connection in the table.
#[derive(Debug)]
pub struct Entered {
    pub connection: Rc<Connection>,
    key: usize,
    table: Rc<Connections>,
}

impl std::ops::Deref for Entered {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut live = self.table.live.borrow_mut();
        live.try_remove(self.key);
        // Counts at its endpoint no longer, whoever still holds it.
        self.connection.work.borrow_mut().take();
        if live.is_empty() {
            self.table.empty.notify_waiters();
        }
    }
}

impl Connection {
    pub fn id(&self) -> ConnectionId {
        ConnectionId { worker: self.worker, number: self.number }
    }

    /// What ends it from now on if nothing moves for `idle`, or after `lifetime` in all.
    pub fn time_out(&self, idle: Duration, lifetime: Option<Duration>) {
        // One more: the tick that it began in was partly over.
        self.idle.set(Tick::of(idle).saturating_add(1));
        self.lifetime.set(lifetime.map_or(u32::MAX, |lifetime| Tick::of(lifetime).saturating_add(1)));
    }

    /// What it is at now may take so long, and ends it with [`Reason::Idle`] otherwise.
    pub fn within(&self, now: Tick, patience: Duration) {
        self.due.set(now.after(patience));
        self.resting.set(false);
        self.endless.set(false);
    }

    /// It may take as long as it likes.
    pub fn unhurried(&self) {
        self.due.set(Tick(u32::MAX));
        self.resting.set(false);
    }

    /// The same, and it goes on for ever: it ends when the gateway is to stop.
    pub fn endless(&self) {
        self.unhurried();
        self.endless.set(true);
    }

    /// The same of waiting for a client's next words.
    pub fn rest(&self, now: Tick, patience: Duration) {
        self.within(now, patience);
        self.resting.set(true);
        self.settled();
    }

    /// Counts it at the endpoint until it leaves, or is done there.
    pub fn serve_at(&self, endpoint: Arc<Endpoint>) {
        *self.work.borrow_mut() = Some(Work::begin(endpoint));
    }

    pub fn done_there(&self) {
        *self.work.borrow_mut() = None;
    }

    /// Bytes went through, at this tick.
    pub fn moved(&self, now: Tick, to_instance: u64, to_client: u64) {
        self.last.set(now);
        self.to_instance.set(self.to_instance.get() + to_instance);
        self.to_client.set(self.to_client.get() + to_client);
    }

    /// The same of somebody who looks after its idleness himself.
    pub fn moved_by_now(&self, to_instance: u64, to_client: u64) {
        self.moved(self.last.get(), to_instance, to_client);
    }

    /// Bytes to the instance and to the client so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.to_instance.get(), self.to_client.get())
    }

    /// Tells its task to end it. The first reason stands.
    pub fn end(&self, reason: Reason) {
        if self.ending.get().is_none() {
            self.ending.set(Some(reason));
            if let Some(task) = self.task.borrow_mut().take() {
                task.wake();
            }
        }
    }

    /// Requests of others come by it.
    pub fn forwards(&self) {
        self.forwards.set(true);
    }

    /// Whether its task is to look if its client may still be where it is; it is told once.
    pub fn take_recheck(&self) -> bool {
        self.recheck.take()
    }

    /// Whether it was asked before, a tick ago or more; if not, its task is woken to ask again.
    pub fn is_asked_again(&self, now: Tick) -> bool {
        if self.again.get() == Tick(u32::MAX) {
            self.again.set(now);
            return false;
        }
        now > self.again.get()
    }

    /// Nobody will.
    pub fn settled(&self) {
        self.again.set(Tick(u32::MAX));
    }

    fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }

    /// Why it was told to end.
    pub fn ending(&self) -> Option<Reason> {
        self.ending.get()
    }

    /// Ready once somebody wants it ended.
    pub fn poll_ended(&self, cx: &mut Poller<'_>) -> Poll<Reason> {
        if let Some(reason) = self.ending.get() {
            return Poll::Ready(reason);
        }
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// [`Self::poll_ended`] for whoever awaits.
    pub async fn ended(&self) -> Reason {
        std::future::poll_fn(|cx| self.poll_ended(cx)).await
    }

    fn over(&self, now: Tick) -> Option<Reason> {
        if now.since(self.last.get()) >= self.idle.get() || now >= self.due.get() {
            Some(Reason::Idle)
        } else if now.since(self.since) >= self.lifetime.get() {
            Some(Reason::Lifetime)
        } else {
            None
        }
    }

    fn shown(&self, now: Tick) -> Shown {
        let seconds = |since: Tick| f64::from(now.since(since)) * SWEEP.as_secs_f64();
        let work = self.work.borrow();
        let endpoint = work.as_ref().map(Work::endpoint);
        Shown {
            id: self.id().to_string(),
            kind: self.kind.get(),
            client: self.client(),
            local: self.local.get(),
            job: endpoint.map(|endpoint| endpoint.job.clone()),
            instance: endpoint.map(|endpoint| endpoint.id),
            address: endpoint.map(|endpoint| endpoint.address),
            open_seconds: seconds(self.since),
            idle_seconds: seconds(self.last.get()),
            bytes_to_instance: self.to_instance.get(),
            bytes_to_client: self.to_client.get(),
        }
    }
}

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.worker, self.number)
    }
}

/// `<worker>-<number>`, as the API shows it.
impl std::str::FromStr for ConnectionId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ConnectionId, &'static str> {
        let parsed = text.split_once('-').and_then(|(worker, number)| {
            Some(ConnectionId { worker: worker.parse().ok()?, number: number.parse().ok()? })
        });
        parsed.ok_or("is no connection; write its id, as in `0-17`")
    }
}

#[cfg(test)]
mod tests;
