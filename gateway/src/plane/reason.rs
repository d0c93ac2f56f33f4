//! Why a connection was refused or ended by the gateway: a closed list, so that each is a metric's label.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::counters::count;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal,)+) => {
        /// A connection's, a UDP session's or an arriving connection's end, where the gateway decided it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$name),+];

            /// As in metrics, logs and the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => $label,)+
                }
            }
        }
    };
}

reasons! {
    /// The worker holds as many as `limits.connections` or the descriptors allow.
    WorkerFull = "worker_full",
    /// `connections` of the entrypoint.
    EntrypointFull = "entrypoint_full",
    /// `limits.connections` of the job.
    JobFull = "job_full",
    /// `connections_per_client` of the gateway, the entrypoint or the job.
    ClientFull = "client_full",
    /// No descriptor was left to accept it with.
    Descriptors = "descriptors",
    /// The UDP session table is full of sessions that are in use.
    SessionsFull = "sessions_full",
    /// A UDP session that no instance had answered made room for another.
    Evicted = "evicted",
    /// A trusted peer did not begin with a PROXY header.
    ProxyMissing = "proxy_missing",
    /// A trusted peer's PROXY header is wrong.
    ProxyInvalid = "proxy_invalid",
    /// A peer that is not trusted sent a PROXY header, or a trusted one a second.
    ProxyForged = "proxy_forged",
    /// What came where TLS was expected is no TLS.
    NotTls = "not_tls",
    /// A ClientHello that no client may send.
    HelloInvalid = "hello_invalid",
    /// The PROXY header, the ClientHello or the handshake did not end in time.
    HelloTimeout = "hello_timeout",
    /// The client left before the PROXY header or the ClientHello was whole.
    HelloCut = "hello_cut",
    /// The name in the ClientHello leads nowhere, or there is none.
    UnknownName = "unknown_name",
    /// The TLS handshake with the client failed.
    Handshake = "handshake",
    /// The job went while the client connected.
    NoRoute = "no_route",
    /// An access rule, or that none lets the client in.
    Denied = "denied",
    /// The same, of a client that was let in before.
    Revoked = "revoked",
    /// No instance took the connection.
    NoBackend = "no_backend",
    /// Nothing moved for the idle timeout.
    Idle = "idle",
    /// The connection was open for as long as the job or the gateway allows.
    Lifetime = "lifetime",
    /// The instance drains, and the job's deadline is over.
    Drained = "drained",
    /// The instance is gone from the registry and refuses connections.
    Gone = "gone",
    /// The instance's check failed, and the job says `on_unhealthy: close`.
    Unhealthy = "unhealthy",
    /// The instance answered by ICMP that nobody listens (UDP).
    Unreachable = "unreachable",
    /// The client reset it.
    ResetByClient = "reset_by_client",
    /// The instance reset it.
    ResetByInstance = "reset_by_instance",
    /// The client's HTTP/2 frames asked for much and said nothing.
    Flood = "flood",
    /// A person closed it.
    Operator = "operator",
    /// The gateway stops.
    Stopping = "stopping",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often each was the reason, on one worker.
#[derive(Debug)]
pub struct Reasons([AtomicU64; Reason::ALL.len()]);

impl Default for Reasons {
    fn default() -> Reasons {
        Reasons(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Reasons {
    pub fn add(&self, reason: Reason) {
        count(&self.0[reason as usize], 1);
    }

    pub fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize].load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_reason_has_a_label_and_a_count_of_its_own() {
        let labels: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(labels.len(), Reason::ALL.len());
        let reasons = Reasons::default();
        for (n, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, n);
            reasons.add(*reason);
        }
        assert!(Reason::ALL.iter().all(|reason| reasons.of(*reason) == 1));
    }
}
