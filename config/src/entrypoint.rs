//! A listener that routes by what the client asks for, not by the address it came to.
//!
//! `[[entrypoint]]` of a file and the record `entrypoints/<name>` are this one type, in the JSON shape of the API:
//! unknown fields are ignored, so that an older gateway reads a newer record. What its fields mean together is said by
//! [`Entrypoint::contradictions`] for both.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::names::{Label, PortName};
use crate::serde_as_text;
use crate::settings::Limits;
use crate::units::{Listen, Network};
use crate::word::words;

/// Each new connection, or request, is compared with all of them; whole fleets of balancers need fewer.
const MAX_TRUSTED: usize = 256;

/// A listener that routes by what the client asks for, or leads to one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrypoint {
    /// Port 0 lets the kernel choose: for a file only, since a record would be another port on each gateway.
    pub listen: Listen,
    #[serde(default)]
    pub protocol: EntrypointProtocol,
    /// tcp and udp name no job in what they carry, so every connection goes to this one. With tls: whatever the SNI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Label>,
    /// The port of that job; left out: its first one that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<PortName>,
    /// tls only: the gateway ends TLS and relays what was inside. Without it TLS passes through, routed by SNI
    /// (RFC 6066 section 3). https always ends TLS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminate: bool,
    /// Peers inside must begin every connection with exactly one PROXY header (version 1 or 2); others must send none.
    /// Guessing would let anybody claim any address. Not with udp.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_proxy: Vec<Network>,
    /// Peers inside say in X-Forwarded-For or Forwarded who their client is, and are believed; of all others these fields
    /// are replaced. A peer here is whoever a PROXY header names, where there is one. http and https only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_forwarded: Vec<Network>,
    /// Connections open here at once on one gateway, of udp: sessions; 1 to 1,000,000. None: as many as the workers
    /// hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// The same of one client, which is an address or the prefix around it that `[limits]` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_per_client: Option<u32>,
    /// PEM: who signs client certificates; with it every client must show one. Where TLS ends only. Relative to the
    /// file; absolute in a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// TCP Fast Open (RFC 7413): a client that was here before sends its first bytes with the SYN, a round trip earlier.
    /// The first bytes may then arrive twice (section 2.1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fast_open: bool,
    /// The kernel shows a connection only once it has sent a byte (TCP_DEFER_ACCEPT, tcp(7)), so that whoever connects
    /// and says nothing takes no descriptor. It breaks every protocol in which the server speaks first, such as SMTP,
    /// SSH and MySQL: both sides wait until the kernel loses patience.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub defer_accept: bool,
}

/// What is spoken on an entrypoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum EntrypointProtocol {
    #[default]
    Http,
    /// HTTP in TLS that ends here.
    Https,
    /// TLS by its SNI: passed through as it is, or with `terminate` relayed without it.
    Tls,
    /// One job.
    Tcp,
    /// One job.
    Udp,
}

words!(EntrypointProtocol { Http = "http", Https = "https", Tls = "tls", Tcp = "tcp", Udp = "udp" });
serde_as_text!(EntrypointProtocol);

impl Entrypoint {
    /// Nothing but what is spoken where.
    pub fn new(listen: Listen, protocol: EntrypointProtocol) -> Self {
        Self {
            listen,
            protocol,
            job: None,
            port: None,
            terminate: false,
            trust_proxy: Vec::new(),
            trust_forwarded: Vec::new(),
            connections: None,
            connections_per_client: None,
            client_ca: None,
            fast_open: false,
            defer_accept: false,
        }
    }

    /// Whether the gateway has the client's TLS end here.
    pub fn ends_tls(&self) -> bool {
        match self.protocol {
            EntrypointProtocol::Https => true,
            EntrypointProtocol::Tls => self.terminate,
            EntrypointProtocol::Http | EntrypointProtocol::Tcp | EntrypointProtocol::Udp => false,
        }
    }

    /// Each field that is out of bounds or does not fit the others, and what to write instead.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let udp = self.protocol == EntrypointProtocol::Udp;
        let not_udp =
            |given: bool| (given && udp).then(|| "is TCP's, and this is udp; leave it out".to_owned());
        let fields = [
            ("job", self.wrong_job()),
            ("port", self.wrong_port()),
            ("terminate", self.wrong_terminate()),
            ("trust_proxy", self.wrong_trust()),
            ("trust_forwarded", self.wrong_trust_forwarded()),
            ("connections", out_of_bounds(self.connections)),
            ("connections_per_client", out_of_bounds(self.connections_per_client)),
            ("client_ca", self.wrong_client_ca()),
            ("fast_open", not_udp(self.fast_open)),
            ("defer_accept", not_udp(self.defer_accept)),
        ];
        fields.into_iter().filter_map(|(field, message)| Some((field, message?))).collect()
    }

    fn wrong_job(&self) -> Option<String> {
        let message = match (self.protocol, &self.job) {
            (EntrypointProtocol::Tcp | EntrypointProtocol::Udp, None) => {
                "is missing: tcp and udp say nowhere which job is meant; write its label, such as `redis`"
            }
            (EntrypointProtocol::Http | EntrypointProtocol::Https, Some(_)) => {
                "an HTTP request names its host; leave `job` out and write a domain for it"
            }
            _ => return None,
        };
        Some(message.to_owned())
    }

    fn wrong_port(&self) -> Option<String> {
        let alone = self.port.is_some() && self.job.is_none();
        alone.then(|| "is a job's port; write `job` too, or leave it out".to_owned())
    }

    fn wrong_terminate(&self) -> Option<String> {
        match self.protocol {
            _ if !self.terminate => None,
            EntrypointProtocol::Tls => None,
            EntrypointProtocol::Https => Some("https always ends TLS; leave it out".to_owned()),
            other => {
                Some(format!("is for `tls`, and this is `{other}`, which has no TLS to end; leave it out"))
            }
        }
    }

    fn wrong_trust(&self) -> Option<String> {
        if self.protocol == EntrypointProtocol::Udp && !self.trust_proxy.is_empty() {
            return Some("a PROXY header begins a connection, and udp has none; leave it out".to_owned());
        }
        too_many(&self.trust_proxy)
    }

    fn wrong_trust_forwarded(&self) -> Option<String> {
        match self.protocol {
            _ if self.trust_forwarded.is_empty() => None,
            EntrypointProtocol::Http | EntrypointProtocol::Https => too_many(&self.trust_forwarded),
            other => Some(format!("is about fields of HTTP requests, and this is {other}; leave it out")),
        }
    }

    fn wrong_client_ca(&self) -> Option<String> {
        if self.client_ca.is_none() || self.ends_tls() {
            return None;
        }
        let message = "clients show a certificate only where TLS ends; \
                       write protocol `https`, or `tls` with `terminate`, or leave it out";
        Some(message.to_owned())
    }
}

fn too_many(ranges: &[Network]) -> Option<String> {
    let count = ranges.len();
    (count > MAX_TRUSTED).then(|| format!("{count} ranges; write at most {MAX_TRUSTED}"))
}

fn out_of_bounds(count: Option<u32>) -> Option<String> {
    let count = count.filter(|count| !Limits::CONNECTIONS.contains(count))?;
    let (least, most) = (Limits::CONNECTIONS.start(), Limits::CONNECTIONS.end());
    Some(format!("{count} is out of bounds; write {least} to {most}"))
}
