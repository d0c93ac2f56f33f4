//! HTTP/2 towards instances: connections that many requests share.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use tokio::sync::{Notify, OnceCell};

use super::pool::Key;
use crate::l4::Stream;
use crate::l7::Engine;
use crate::l7::h2_io::H2Io;
use crate::plane::Tick;
use crate::table::Endpoint;

/// Connections to one endpoint; beyond it requests wait for a stream.
const MOST: usize = 16;
/// One that carries nothing is closed after it.
const IDLE: Duration = Duration::from_secs(60);
/// Streams of one connection while there may be another.
const STREAMS: u32 = 100;
/// RFC 9113, 6.9.2: what an instance may send ahead of its client's reading, a stream and in all. The streams are those of
/// many clients, so there is room for all of them: some that read nothing would stop the others.
const STREAM_WINDOW: u32 = 64 << 10;
const WINDOW: u32 = STREAMS * STREAM_WINDOW;
/// What waits to be sent on one stream.
const SEND_BUFFER: usize = 64 << 10;

/// Those of one endpoint.
#[derive(Default)]
pub(super) struct Connections {
    open: Vec<Open>,
    /// One is being dialled: whoever comes meanwhile shares it, or its failure.
    dialling: Option<Rc<Dial>>,
}

#[derive(Default)]
struct Dial {
    over: Notify,
    /// Why it came to nothing.
    failed: Cell<Option<io::ErrorKind>>,
}

struct Open {
    /// While it lives its address in memory, which is the key, is nobody else's.
    endpoint: Arc<Endpoint>,
    sender: SendRequest<Bytes>,
    use_of: Rc<Use>,
    reused: bool,
}

impl Open {
    /// One that its instance has taken leave of (RFC 9113, 6.8) stays open for the streams that it has.
    fn takes_streams(&mut self) -> bool {
        let refused = self.sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        !self.use_of.closed.get() && !matches!(refused, Poll::Ready(Err(_)))
    }
}

/// What is known of a connection from outside.
#[derive(Default)]
struct Use {
    streams: Cell<usize>,
    last: Cell<Tick>,
    closed: Cell<bool>,
    ping: RefCell<Option<PingPong>>,
    /// The instance has said what it takes.
    settled: OnceCell<()>,
}

impl Use {
    /// Its SETTINGS come before its answer to a PING does (RFC 9113, 3.4). Only who has to know waits for that.
    async fn settle(&self) {
        // Whoever asked before and went has perhaps sent one: then that one's answer is waited for.
        if let Some(ping) = &mut *self.ping.borrow_mut() {
            let _ = ping.send_ping(Ping::opaque());
        }
        poll_fn(|cx| match &mut *self.ping.borrow_mut() {
            Some(ping) => ping.poll_pong(cx).map(drop),
            None => Poll::Ready(()),
        })
        .await;
    }
}

/// A place on a connection.
pub(in crate::l7) struct Shared {
    pub(in crate::l7) sender: SendRequest<Bytes>,
    pub(in crate::l7) place: Place,
    reused: bool,
}

/// Counted for as long as its stream lasts.
pub(in crate::l7) struct Place(Rc<Use>);

impl Place {
    fn on(use_of: &Rc<Use>) -> Place {
        use_of.streams.set(use_of.streams.get() + 1);
        Place(use_of.clone())
    }

    pub(in crate::l7) fn touch(&self, now: Tick) {
        self.0.last.set(now);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
    }
}

impl Shared {
    pub(in crate::l7) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether the instance serves WebSocket on streams (RFC 8441, 3).
    pub(in crate::l7) async fn takes_websocket(&self, patience: Duration) -> bool {
        if !self.sender.is_extended_connect_protocol_enabled() {
            let use_of = &self.place.0;
            let settled = use_of.settled.get_or_init(|| use_of.settle());
            let _ = tokio::time::timeout(patience, settled).await;
        }
        self.sender.is_extended_connect_protocol_enabled()
    }
}

impl Connections {
    pub(super) fn with_room(&mut self) -> Option<Shared> {
        self.open.retain_mut(Open::takes_streams);
        let full = self.open.len() >= MOST;
        let least = self.open.iter_mut().min_by_key(|open| open.use_of.streams.get())?;
        if least.use_of.streams.get() >= least.sender.current_max_send_streams().min(STREAMS as usize)
            && !full
        {
            return None;
        }
        let reused = std::mem::replace(&mut least.reused, true);
        Some(Shared { sender: least.sender.clone(), place: Place::on(&least.use_of), reused })
    }

    /// Whether anything is left.
    pub(super) fn sweep(&mut self, now: Tick) -> bool {
        self.open.retain(|open| {
            let long = now.0.saturating_sub(open.use_of.last.get().0) >= Tick::of(IDLE);
            let idle = open.use_of.streams.get() == 0 && (long || open.endpoint.live.is_leaving());
            // Without a sender the connection ends by itself, with a GOAWAY (RFC 9113, 6.8).
            !idle && !open.use_of.closed.get()
        });
        !self.open.is_empty() || self.dialling.is_some()
    }
}

/// A place on a connection that is open, or is about to be; `None`: somebody has to dial. An instance that one dial has
/// not reached is not dialled again by each of those who waited for that, one after the other.
pub(super) async fn shared(engine: &Engine, key: Key) -> io::Result<Option<Shared>> {
    loop {
        let dial = {
            let mut pool = engine.pool.borrow_mut();
            let Some(connections) = pool.h2.get_mut(&key) else { return Ok(None) };
            if let Some(shared) = connections.with_room() {
                return Ok(Some(shared));
            }
            match &connections.dialling {
                Some(dial) => dial.clone(),
                None => return Ok(None),
            }
        };
        dial.over.notified().await;
        if let Some(kind) = dial.failed.get() {
            return Err(kind.into());
        }
    }
}

/// Held while a connection is dialled that others may share.
pub(super) struct Dialling<'a> {
    engine: &'a Engine,
    key: Key,
    told: Option<Rc<Dial>>,
}

impl<'a> Dialling<'a> {
    /// `for_all`: it will be HTTP/2 for certain.
    pub(super) fn begin(engine: &'a Engine, key: Key, for_all: bool) -> Dialling<'a> {
        let told = for_all.then(|| {
            let told = Rc::new(Dial::default());
            engine.pool.borrow_mut().h2.entry(key).or_default().dialling = Some(told.clone());
            told
        });
        Dialling { engine, key, told }
    }

    /// Those who wait need not hope any more.
    pub(super) fn failed(&self, error: &io::Error) {
        if let Some(told) = &self.told {
            told.failed.set(Some(error.kind()));
        }
    }
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        let Some(told) = &self.told else { return };
        if let Some(connections) = self.engine.pool.borrow_mut().h2.get_mut(&self.key) {
            connections.dialling = None;
        }
        told.over.notify_waiters();
    }
}

/// Makes a stream of bytes a connection that requests may share; its I/O runs as a task of this worker.
pub(super) async fn begin(
    engine: &Engine,
    key: Key,
    endpoint: &Arc<Endpoint>,
    stream: Stream,
) -> io::Result<Shared> {
    let head = u32::try_from(engine.context.limits().head.0).unwrap_or(u32::MAX);
    let shaken = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(head)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false)
        .handshake(H2Io::new(stream, Bytes::new()))
        .await;
    let (sender, mut connection) = shaken.map_err(io::Error::other)?;
    let use_of = Rc::new(Use {
        last: Cell::new(engine.context.connections().now()),
        ping: RefCell::new(connection.ping_pong()),
        ..Use::default()
    });
    let ended = use_of.clone();
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "HTTP/2 connection to an instance ended");
        }
        ended.closed.set(true);
    });
    let place = Place::on(&use_of);
    let open = Open { endpoint: endpoint.clone(), sender: sender.clone(), use_of, reused: true };
    engine.pool.borrow_mut().h2.entry(key).or_default().open.push(open);
    Ok(Shared { sender, place, reused: false })
}
