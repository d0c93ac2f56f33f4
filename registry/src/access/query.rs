//! What is asked, and what is decided.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::JobName;

use super::group::Compiled;
use super::place::Subject;
use super::policy::Port;
use crate::record::{Digest, Timestamp};

/// May this peer come to that port of a job?
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The peer's address, or the client's that a trusted proxy named. IPv4-mapped or not.
    pub peer: IpAddr,
    pub claim: Claim<'a>,
    pub proof: Shown<'a>,
    /// Which socket is at the other end, where that is on this host and its cgroup is known (see
    /// [`CGROUP`](crate::record::CGROUP)).
    pub owner: Option<u64>,
    /// The addresses of this host, where the peer is on it and came from an address that is no instance's, such as
    /// 127.0.0.1.
    pub own: &'a [IpAddr],
    pub port: Port<'a>,
    pub http: Http<'a>,
    /// For rules that expire.
    pub now: Timestamp,
    /// How long ago the registry was last heard.
    pub stale: Duration,
}

/// Which job the peer says it is. That is no credential: it only chooses among those who live at its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim<'a> {
    #[default]
    None,
    /// Text that may be a JOBNAME.
    Name(&'a str),
    /// It says several things, or something that is no text. It is treated as who claims falsely.
    Garbled,
}

/// What proves who the peer is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// The hash of the token that it showed.
    pub token: Option<Digest>,
    /// The JOBNAME in its client certificate, which was verified.
    pub certificate: Option<&'a str>,
}

/// What of the request can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http<'a> {
    /// It is none: rules that name methods or paths do not speak of it.
    Not,
    /// Requests that nobody here looks into: what forbids some of them forbids all, and what allows some allows none.
    Unseen,
    Seen {
        method: &'a str,
        /// Normalised.
        path: &'a str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Allow,
    Deny,
}

/// Why. A closed list, so that each can be a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// No rule, no guard: nobody ever said who may come in.
    Open,
    /// A rule names the peer.
    Rule,
    /// No rule does, and the job lets in whom none names.
    DefaultAllow,
    /// No rule does, and the job's record says deny.
    DefaultDeny,
    /// No rule does, and the job is guarded.
    Guarded,
    /// The peer claims to be a job that does not live at its address.
    FalseClaim,
    /// Somebody on another machine says that it forwards for a loopback address, which is nobody's.
    Forged,
    /// A rule would let it in if it proved who it is.
    Unproved,
    /// What is known is too old for this job.
    Stale,
    /// What is known is so old that the job wants proof.
    StaleUnproved,
    /// There is no such job, or no such port of it.
    NoJob,
    /// Nothing was ever heard of the registry.
    Unheard,
}

/// Borrowed from the table that decided.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'t> {
    pub verdict: Verdict,
    pub reason: Reason,
    /// The rule that decided; of several the first by id.
    pub rule: Option<&'t Arc<Compiled>>,
    /// Who the peer is, where that is one job alone.
    pub identity: Option<&'t Arc<Subject>>,
    /// Other jobs live at its address.
    pub shared: bool,
    /// Its identity is proved.
    pub proved: bool,
    /// Jobs that it may be.
    pub candidates: u32,
    /// What would be decided if the rules that are only tried out were in force, where that is something else.
    pub would: Option<Would<'t>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Would<'t> {
    pub verdict: Verdict,
    /// `None`: no rule would name the peer.
    pub rule: Option<&'t Arc<Compiled>>,
}

impl Verdict {
    pub fn allows(self) -> bool {
        self == Verdict::Allow
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
        }
    }
}

impl Reason {
    pub const ALL: [Reason; 12] = [
        Reason::Open,
        Reason::Rule,
        Reason::DefaultAllow,
        Reason::DefaultDeny,
        Reason::Guarded,
        Reason::FalseClaim,
        Reason::Forged,
        Reason::Unproved,
        Reason::Stale,
        Reason::StaleUnproved,
        Reason::NoJob,
        Reason::Unheard,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Open => "open",
            Reason::Rule => "rule",
            Reason::DefaultAllow => "default_allow",
            Reason::DefaultDeny => "default_deny",
            Reason::Guarded => "guarded",
            Reason::FalseClaim => "false_claim",
            Reason::Forged => "forged",
            Reason::Unproved => "unproved",
            Reason::Stale => "stale",
            Reason::StaleUnproved => "stale_unproved",
            Reason::NoJob => "no_job",
            Reason::Unheard => "unheard",
        }
    }
}

impl Decision<'_> {
    pub fn allows(&self) -> bool {
        self.verdict.allows()
    }

    /// Where nothing has to be looked at, or can be.
    pub fn without_rules(verdict: Verdict, reason: Reason) -> Decision<'static> {
        Decision {
            verdict,
            reason,
            rule: None,
            identity: None,
            shared: false,
            proved: false,
            candidates: 0,
            would: None,
        }
    }

    /// Whether newer knowledge of who lives where might let the peer in: it is nobody, or not whom it says.
    pub fn may_be_a_miss(&self) -> bool {
        let unknown = self.candidates == 0 || self.reason == Reason::FalseClaim;
        !self.allows() && unknown && self.rule.is_none()
    }

    pub fn jobname(&self) -> Option<&JobName> {
        self.identity.map(|subject| &subject.jobname)
    }
}
