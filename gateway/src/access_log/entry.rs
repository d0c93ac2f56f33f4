//! What is known of an exchange when it is over. Nothing is owned: the engine fills it from what it has at hand.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use roundhouse_registry::InstanceId;

use crate::client_address::Scheme;
use crate::plane::Reason;
use crate::trace::TraceParent;

/// One exchange. Bytes are as they came; what is `None` is left out of the line.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// When the first byte of the request was read.
    pub time: SystemTime,
    /// Who asked, as far as trusted proxies say ([`crate::client_address`]).
    pub client: IpAddr,
    pub client_port: Option<u16>,
    /// The other end of the connection, where that is not the client.
    pub peer: Option<SocketAddr>,
    /// The address that was dialled.
    pub local: SocketAddr,
    /// Where it came in by one.
    pub entrypoint: Option<&'a str>,
    /// Where TLS ends here.
    pub tls: Option<Tls<'a>>,
    pub protocol: Protocol,
    pub method: &'a [u8],
    pub scheme: Scheme,
    /// As it was asked for, with its port.
    pub host: &'a [u8],
    /// With its query, which is left out of the line where the settings say so.
    pub path: &'a [u8],
    /// Of the body, as far as it came.
    pub request_bytes: u64,
    /// Of the answer's head that was sent, if one was.
    pub status: Option<u16>,
    /// Of the body, as far as it went.
    pub response_bytes: u64,
    pub end: End,
    pub job: Option<&'a str>,
    /// Which job the client has said that it is, or proved to be.
    pub jobname: Option<&'a str>,
    /// The domain's route that led to the job.
    pub route: Option<Route<'a>>,
    /// The last one that was asked.
    pub instance: Option<Instance>,
    /// Instances that were asked, or dialled; 0: none.
    pub attempts: u32,
    /// From the first byte of the request to the last of the answer.
    pub total: Duration,
    /// To the head of the instance's answer.
    pub to_head: Option<Duration>,
    /// To connect to the instance; none where a kept connection was taken.
    pub connect: Option<Duration>,
    pub trace: Option<TraceParent>,
    pub user_agent: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    /// From the trailers, or the head of an answer without a body.
    pub grpc_status: Option<u32>,
    /// A field of the request by its name in lower case; of one that is there twice, the first. Asked for each that the
    /// settings name.
    pub header: &'a dyn Fn(&str) -> Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug)]
pub struct Tls<'a> {
    /// As in `1.3`.
    pub version: &'a str,
    pub sni: Option<&'a str>,
    pub alpn: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    pub domain: &'a str,
    /// The prefix of the path.
    pub path: &'a str,
}

#[derive(Clone, Copy, Debug)]
pub struct Instance {
    pub id: InstanceId,
    pub address: SocketAddr,
    pub protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http10,
    Http11,
    H2,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client has the instance's whole answer.
    Complete,
    /// The gateway answered itself: why, as in `x-roundhouse-reason`.
    Answered(&'static str),
    /// The client left, or reset it.
    ClientGone,
    /// The instance broke its answer off.
    InstanceFailed,
    /// One of the two stalled after the answer had begun.
    Timeout,
    /// The gateway broke it off.
    Closed(Reason),
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http10 => "http/1.0",
            Protocol::Http11 => "http/1.1",
            Protocol::H2 => "h2",
        }
    }
}

impl End {
    pub fn as_str(self) -> &'static str {
        match self {
            End::Complete => "complete",
            End::Answered(reason) => reason,
            End::ClientGone => "client_gone",
            End::InstanceFailed => "instance_failed",
            End::Timeout => "timeout",
            End::Closed(reason) => reason.as_str(),
        }
    }
}
