//! HTTP: one exchange, access -> route -> pick -> forward -> record, whatever is spoken on either side.
//!
//! ```text
//! connection (HTTP/1.1, or its preface says HTTP/2 ─► streams) ─► Request ─► exchange
//!   route: Host and path, or the VIP ─► pick ─► instance: pool or dial, retry ─► body: both ways ─► record
//! ```
//!
//! What is HTTP/1.1 is decided in [`crate::h1`], which has no socket; here are the sockets. Heads are positions in the text
//! that came, and go on as they came but for what ends at this hop. Bodies never lie here: the side that reads slowly
//! slows the one that writes. What an exchange needs for its time comes from the worker's supplies and goes back, so
//! that an idle connection has nothing of it.

mod admit;
mod body;
mod client;
mod coding;
mod connection;
mod converse;
mod dress;
mod edit;
mod exchange;
mod flow;
mod forward;
mod h2_io;
mod inbound;
mod instance;
mod outgoing;
mod record;
mod reply;
mod request;
mod response;
mod route;
mod streams;
mod supplies;
mod timeout;
mod tunnel;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use rand::rngs::SmallRng;

pub(crate) use self::connection::Guest;
use self::instance::Pool;
use self::request::Request;
use self::supplies::Supplies;
use crate::client_address::{self, Came, Client};
use crate::entrypoint::Entrypoint;
use crate::h1::Name;
use crate::l4::{Desk, TlsFacts};
use crate::plane::{Connection, Context};

/// One worker's.
pub struct Engine {
    context: Rc<Context>,
    pool: RefCell<Pool>,
    supplies: Supplies,
    desk: Rc<Desk>,
    /// Of new traces, which are to be unlike each other and are no secret.
    random: RefCell<SmallRng>,
}

impl Engine {
    pub(crate) fn new(context: Rc<Context>, desk: Rc<Desk>) -> Engine {
        Engine {
            context,
            pool: RefCell::default(),
            supplies: Supplies::default(),
            desk,
            random: RefCell::new(rand::make_rng()),
        }
    }

    /// Closes what has been idle for too long, for ever; addresses that nobody asks for would keep theirs otherwise.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(instance::IDLE / 2).await;
            self.pool.borrow_mut().sweep(self.context.connections().now());
        }
    }
}

/// What chooses the job. Asked anew at each request: a connection outlives many tables.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// The Host header and the path.
    ByHost,
    /// The address that was dialled; the Host passes through.
    Vip,
}

/// What is known of whoever asks, for all requests of a connection.
struct Visit<'a> {
    connection: &'a Connection,
    scope: Scope,
    /// Where it came in by one.
    entrypoint: Option<&'a Arc<Entrypoint>>,
    /// Its scheme is https.
    tls: Option<&'a TlsFacts>,
}

impl Visit<'_> {
    /// Whether what a peer says of its client is believed.
    fn trusts(&self, peer: IpAddr) -> bool {
        self.entrypoint.is_some_and(|entrypoint| entrypoint.trusts_forwarded(peer))
    }

    /// Who asks: the peer, or whom proxies name that are trusted.
    fn client(&self, request: &Request) -> Client {
        let peer = self.connection.client();
        if !self.trusts(peer.ip()) {
            return Client { address: peer.ip(), port: Some(peer.port()), hops: 0 };
        }
        let lines = |name| request.head.all(name).collect::<Vec<_>>().into_iter();
        let came = Came { x_forwarded_for: lines(Name::ForwardedFor), forwarded: lines(Name::Forwarded) };
        client_address::client(peer.ip(), came, |address| self.trusts(address))
    }
}

/// What becomes of a client's connection after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    /// It goes on.
    On,
    /// It is over: what was said is said.
    Closes,
    /// It cannot be ended in order.
    Broken,
}
