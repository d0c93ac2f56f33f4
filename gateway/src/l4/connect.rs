//! Pick and dial: a refused connect goes to another instance before the client has lost a byte.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use roundhouse_registry::probe::is_self_connect;
use tokio::net::TcpStream;

use crate::plane::Context;
use crate::table::{Endpoint, JobEntry, PortEntry, Tried};

/// Attempts that cost the client a connect timeout each; three instances silent at once is a fault no retry mends.
const SLOW: usize = 3;
/// Refusals cost nothing, and yet there is an end to patience.
const ALL: usize = 32;

/// The instances that one connection or request has been tried at; a retry always goes to another.
#[derive(Debug, Default)]
pub struct Attempts {
    tried: Tried,
    slow: usize,
}

impl Attempts {
    /// Whose turn it is now.
    pub fn next(&self, context: &Context, port: &PortEntry) -> Option<Arc<Endpoint>> {
        if self.slow >= SLOW || self.tried.count() >= ALL {
            return None;
        }
        port.endpoints().pick(context.index, &self.tried)
    }

    pub fn failed(&mut self, endpoint: &Endpoint, error: &io::Error) {
        self.tried.add(endpoint.id);
        self.slow += usize::from(error.kind() == io::ErrorKind::TimedOut);
    }

    /// It took the request and gave no answer, which may have cost time.
    pub fn unanswered(&mut self, endpoint: &Endpoint) {
        self.tried.add(endpoint.id);
        self.slow += 1;
    }

    pub fn count(&self) -> usize {
        self.tried.count()
    }
}

pub struct Connected {
    pub stream: TcpStream,
    pub endpoint: Arc<Endpoint>,
}

#[derive(Debug)]
pub enum ConnectError {
    /// The job has no instance that may be dialled.
    Nobody,
    /// Every one that was dialled failed; the last error.
    Failed { tried: usize, address: SocketAddr, error: io::Error },
    /// This host has no local port or descriptor left: nobody's fault but ours.
    Exhausted(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Nobody => f.write_str("no instance is up"),
            ConnectError::Failed { tried, address, error } => {
                write!(f, "{tried} instance(s) dialled, the last one at {address}: {error}")
            }
            ConnectError::Exhausted(error) => {
                write!(f, "this gateway is out of ports or descriptors: {error}")
            }
        }
    }
}

/// A new connection to an instance of the port.
pub async fn connect(context: &Context, job: &JobEntry, port: &PortEntry) -> Result<Connected, ConnectError> {
    let mut attempts = Attempts::default();
    let mut last = ConnectError::Nobody;
    while let Some(endpoint) = attempts.next(context, port) {
        match dial(context, &endpoint, job.check.is_some()).await {
            Ok(stream) => return Ok(Connected { stream, endpoint }),
            Err(error) if is_our_shortage(&error) => return Err(ConnectError::Exhausted(error)),
            Err(error) => {
                attempts.failed(&endpoint, &error);
                context.counters().retries.fetch_add(1, Relaxed);
                last = ConnectError::Failed { tried: attempts.count(), address: endpoint.address, error };
            }
        }
    }
    Err(last)
}

/// One attempt at one instance; its failure is reported to whoever keeps its health.
pub async fn dial(context: &Context, endpoint: &Arc<Endpoint>, checked: bool) -> io::Result<TcpStream> {
    let timeout = context.limits().connect_timeout;
    let stream = match tokio::time::timeout(timeout, TcpStream::connect(endpoint.address)).await {
        Ok(Ok(stream)) if is_self_connect(&stream) => {
            Err(io::Error::other("connected to itself: nobody listens there"))
        }
        Ok(stream) => stream,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {timeout:?}"))),
    };
    match &stream {
        Ok(stream) => {
            let _ = stream.set_nodelay(true);
        }
        Err(error) if !is_our_shortage(error) => context.connect_failed(endpoint, checked),
        Err(_) => {}
    }
    stream
}

/// EADDRNOTAVAIL: no local port left. EMFILE and ENFILE: no descriptor.
pub fn is_our_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let shortages = [Errno::ADDRNOTAVAIL, Errno::MFILE, Errno::NFILE];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|shortage| shortage.raw_os_error() == code))
}
