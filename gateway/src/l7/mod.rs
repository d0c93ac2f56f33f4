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
mod tap;
mod upload;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use self::pool::Pool;
use crate::plane::Context;
use crate::table::{JobEntry, PortEntry};

/// One worker's.
pub struct Engine {
    context: Rc<Context>,
    pool: RefCell<Pool>,
}

impl Engine {
    pub fn new(context: Rc<Context>) -> Engine {
        Engine { context, pool: RefCell::default() }
    }
}

/// What chooses the job.
#[derive(Clone)]
pub enum Scope {
    /// The Host header and the path.
    ByHost,
    /// The address that was dialled; the Host passes through.
    Port(Arc<JobEntry>, Arc<PortEntry>),
}
