//! HTTP/1.1: one exchange, access -> route -> pick -> forward -> record.
//!
//! ```text
//! connection (hyper) ─► exchange ─► route: Host and path, or the VIP ─► forward: pool or dial, retry ─► body
//! ```
//!
//! hyper reads and writes the wire in this version; [`connection`] and [`pool`] are the seam behind which our own codec
//! comes. The rest does not know who parsed the head.

mod connection;
mod download;
mod exchange;
mod forward;
mod headers;
mod pool;
mod reply;
mod route;
mod socket;
mod upload;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use self::pool::Pool;
use crate::plane::Context;

/// One worker's.
pub struct Engine {
    context: Rc<Context>,
    pool: RefCell<Pool>,
}

impl Engine {
    pub fn new(context: Rc<Context>) -> Engine {
        Engine { context, pool: RefCell::default() }
    }

    /// Closes what has been idle for too long, for ever; addresses that nobody asks for would keep theirs otherwise.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(pool::IDLE).await;
            self.pool.borrow_mut().sweep();
        }
    }
}

/// What chooses the job. Asked anew at each request: a connection outlives many tables.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// The Host header and the path.
    ByHost {
        /// The client's scheme was https.
        tls: bool,
    },
    /// The address that was dialled; the Host passes through.
    Vip(SocketAddr),
}
