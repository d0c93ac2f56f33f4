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

mod body;
mod client;
mod coding;
mod connection;
mod converse;
mod edit;
mod exchange;
mod forward;
mod h2_io;
mod inbound;
mod instance;
mod outgoing;
mod reply;
mod request;
mod response;
mod route;
mod streams;
mod supplies;
mod timeout;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use self::instance::Pool;
use self::supplies::Supplies;
use crate::l4::Desk;
use crate::plane::{Connection, Context};

/// One worker's.
pub struct Engine {
    context: Rc<Context>,
    pool: RefCell<Pool>,
    supplies: Supplies,
    desk: Rc<Desk>,
}

impl Engine {
    pub(crate) fn new(context: Rc<Context>, desk: Rc<Desk>) -> Engine {
        Engine { context, pool: RefCell::default(), supplies: Supplies::default(), desk }
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
    Vip(SocketAddr),
}

/// What is known of whoever asks, for all requests of a connection.
#[derive(Clone, Copy)]
struct Visit<'a> {
    connection: &'a Connection,
    scope: Scope,
    /// The client's scheme is https.
    tls: bool,
    /// That it gave in its handshake.
    server_name: Option<&'a str>,
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
