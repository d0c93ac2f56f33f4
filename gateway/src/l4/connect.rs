//! Pick and dial: a refused connect goes to another instance before the client has lost a byte.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use roundhouse_registry::InstanceId;
use roundhouse_registry::probe::is_self_connect;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with, sockopt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::plane::{Context, count};
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
    silent: Vec<InstanceId>,
}

impl Attempts {
    /// Whose turn it is now. When everybody has been tried, one that said nothing is dialled again: a SYN that is lost
    /// (its backlog was full for a moment, say) is sent again only after a second (RFC 6298, 2), which is too late.
    pub fn next(&mut self, context: &Context, port: &PortEntry) -> Option<Arc<Endpoint>> {
        if self.slow >= SLOW || self.tried.count() >= ALL {
            return None;
        }
        let endpoints = port.endpoints();
        endpoints.pick(context.index, &self.tried).or_else(|| {
            let silent = self.silent.pop()?;
            endpoints.find(silent).filter(|endpoint| endpoint.takes_work() || endpoints.is_alone()).cloned()
        })
    }

    /// The same, but for one that is wanted, if it is up.
    pub fn next_or(
        &mut self,
        wanted: Option<InstanceId>,
        context: &Context,
        port: &PortEntry,
    ) -> Option<Arc<Endpoint>> {
        let found = wanted.and_then(|id| port.endpoints().find(id).cloned());
        found.filter(|endpoint| endpoint.takes_work()).or_else(|| self.next(context, port))
    }

    pub fn failed(&mut self, endpoint: &Endpoint, error: &io::Error) {
        self.tried.add(endpoint.id);
        if error.kind() == io::ErrorKind::TimedOut {
            self.slow += 1;
            self.silent.push(endpoint.id);
        }
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

#[derive(Debug)]
pub enum ConnectError {
    /// The job has no instance that may be dialled.
    Nobody,
    /// Every one that was dialled failed; the last error.
    Failed { tried: usize, address: SocketAddr, error: io::Error },
    /// The client said meanwhile who it is, and may not come in.
    Denied,
    /// This host has no local port or descriptor left: nobody's fault but ours.
    Exhausted(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Denied => f.write_str("the client may not use the job"),
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

/// What goes to an instance before anything is relayed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct First<'a> {
    /// What the gateway says.
    pub(super) said: &'a [u8],
    /// What the client has said already, which may go with the SYN.
    pub(super) early: &'a [u8],
}

/// A connection to an instance.
#[derive(Debug)]
pub(super) struct Connected<W> {
    pub(super) wire: W,
    pub(super) endpoint: Arc<Endpoint>,
    /// Bytes of `early` that it has got.
    pub(super) taken: usize,
}

/// A new connection to an instance of the port that has got the first bytes, made ready by `ready` (a TLS handshake,
/// say): who fails at that is as good as one that refused.
pub(super) async fn connect<W>(
    context: &Context,
    job: &JobEntry,
    port: &PortEntry,
    first: First<'_>,
    ready: impl AsyncFn(TcpStream) -> io::Result<W>,
) -> Result<Connected<W>, ConnectError> {
    let mut attempts = Attempts::default();
    let mut last = ConnectError::Nobody;
    while let Some(endpoint) = attempts.next(context, port) {
        let error = match dial_with(context, &endpoint, job, first.early).await {
            Ok((stream, taken)) => match begin(stream, first.said, &ready).await {
                Ok(wire) => return Ok(Connected { wire, endpoint, taken }),
                Err(error) => {
                    context.connect_failed(&endpoint, job.check.is_some());
                    error
                }
            },
            Err(error) if is_our_shortage(&error) => return Err(ConnectError::Exhausted(error)),
            Err(error) => error,
        };
        attempts.failed(&endpoint, &error);
        count(&context.counters().retries, 1);
        last = ConnectError::Failed { tried: attempts.count(), address: endpoint.address, error };
    }
    Err(last)
}

async fn begin<W>(
    mut stream: TcpStream,
    said: &[u8],
    ready: &impl AsyncFn(TcpStream) -> io::Result<W>,
) -> io::Result<W> {
    // A fresh socket's buffer has room for it, so nobody waits here.
    if !said.is_empty() {
        stream.write_all(said).await?;
    }
    ready(stream).await
}

/// One attempt at one instance; its failure is reported to whoever keeps its health.
pub async fn dial(context: &Context, endpoint: &Arc<Endpoint>, job: &JobEntry) -> io::Result<TcpStream> {
    dial_with(context, endpoint, job, &[]).await.map(|(stream, _)| stream)
}

/// The same with the bytes that may go with the SYN, of which so many did.
async fn dial_with(
    context: &Context,
    endpoint: &Arc<Endpoint>,
    job: &JobEntry,
    early: &[u8],
) -> io::Result<(TcpStream, usize)> {
    let timeout = job.connect_timeout(context.limits());
    let opened = open(endpoint.address, timeout, early).await.and_then(|(stream, taken)| {
        // Only a port that the kernel gives out to clients can be met by chance (tcp(7): simultaneous open).
        if endpoint.address.port() >= context.ephemeral_from() && is_self_connect(&stream) {
            return Err(io::Error::other("connected to itself: nobody listens there"));
        }
        Ok((stream, taken))
    });
    if let Err(error) = &opened
        && !is_our_shortage(error)
    {
        context.connect_failed(endpoint, job.check.is_some());
    }
    opened
}

async fn open(address: SocketAddr, timeout: Duration, early: &[u8]) -> io::Result<(TcpStream, usize)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    // A proxy's small writes are whole messages.
    sockopt::set_tcp_nodelay(&socket, true)?;
    let begun = match early {
        [] => rustix::net::connect(&socket, &address).map(|()| 0),
        // RFC 7413, 4.1.2. Without the server's cookie it connects as ever, and no byte is taken.
        early => sendto(&socket, early, FAST_OPEN, &address),
    };
    let taken = match begun {
        Ok(taken) => taken,
        Err(Errno::INPROGRESS) => 0,
        Err(error) => return Err(error.into()),
    };
    // On this very host, and only there, it is connected already; asking costs less than waiting for the event.
    let connected = is_connected(&socket);
    let stream = TcpStream::from_std(std::net::TcpStream::from(socket))?;
    if !connected {
        match tokio::time::timeout(timeout, stream.writable()).await {
            Ok(ready) => ready?,
            Err(_) => {
                let error = format!("no answer within {timeout:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, error));
            }
        }
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
    }
    Ok((stream, taken))
}

/// send(2), MSG_FASTOPEN (linux/socket.h): the data goes with the SYN. A peer that is gone is an error, not a signal.
const FAST_OPEN: SendFlags = SendFlags::from_bits_retain(0x2000_0000).union(SendFlags::NOSIGNAL);

fn is_connected(socket: &rustix::fd::OwnedFd) -> bool {
    let mut state = [PollFd::new(socket, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut state, Some(&now)).is_ok() && state[0].revents() == PollFlags::OUT
}

/// EADDRNOTAVAIL: no local port left. EMFILE and ENFILE: no descriptor.
pub fn is_our_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::ADDRNOTAVAIL, Errno::MFILE, Errno::NFILE];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|shortage| shortage.raw_os_error() == code))
}
