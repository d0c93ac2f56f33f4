//! A worker's decisions: what a connection or a request is, made a query; and what came of it, counted and written down.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use roundhouse_config::{JobName, Label};
use roundhouse_registry::Revision;
use roundhouse_registry::access::{
    Claim, Decision, Http, Policy, Port, Query, Reason, Shown, Table, Verdict,
};
use roundhouse_registry::record::Timestamp;

use super::Access;
use super::audit::{Audit, Line};
use super::owner::{Owners, Protocol};
use super::readings::decide;
use crate::plane::{Connection, Counters, Kind, Said};

/// The root cgroup, which is where everything is that is in no container.
const ROOT: u64 = 1;

/// One worker's.
pub(crate) struct Gate {
    access: Arc<Access>,
    table: RefCell<Cache<Arc<ArcSwap<Table>>, Arc<Table>>>,
    owners: Owners,
    audit: Audit,
}

/// Who asks, and what of the question is seen.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    /// The other end of the socket, or whom a trusted proxy named.
    pub(crate) client: IpAddr,
    pub(crate) connection: &'a Connection,
    pub(crate) claim: Claim<'a>,
    pub(crate) proof: Shown<'a>,
    pub(crate) http: Http<'a>,
    /// What its path is to others.
    pub(crate) readings: &'a [String],
    /// It is the other end of the socket.
    pub(crate) direct: bool,
}

impl Asking<'_> {
    /// Whoever forwards for the whole world forwards nobody of this machine.
    fn is_forged(&self) -> bool {
        !self.direct && self.client.is_loopback() && !self.connection.peer.ip().is_loopback()
    }
}

/// What was decided.
#[derive(Clone, Debug)]
pub(crate) enum Judgement {
    /// Who it is, where somebody had to know.
    Allowed(Option<JobName>),
    Denied(Judged),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    /// It would be let in if it said who it is.
    pub(crate) claimable: bool,
    /// It may have registered just now.
    pub(crate) miss: bool,
    /// Of the table that decided.
    pub(crate) revision: Revision,
}

impl Gate {
    pub(crate) fn new(access: Arc<Access>, counters: Arc<Counters>) -> Gate {
        let table = RefCell::new(Cache::new(access.table.clone()));
        Gate { access, table, owners: Owners::new(), audit: Audit::new(counters) }
    }

    pub(crate) fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// Whether it may come to the job's port; counted, and written down. Who asks is made out only where somebody has to
    /// know.
    pub(crate) fn judge<'a>(
        &self,
        asking: impl FnOnce() -> Asking<'a>,
        job: &Label,
        port: Port<'_>,
    ) -> Judgement {
        self.look(|table| {
            let Some(policy) = table.policy(job) else {
                // The job went while the client connected.
                self.audit.count(&Decision::without_rules(Verdict::Deny, Reason::NoJob));
                return Judgement::Denied(Judged { claimable: false, miss: false, revision: table.revision });
            };
            if policy.is_open() {
                self.audit.count_open();
                return Judgement::Allowed(None);
            }
            let asking = &asking();
            if asking.is_forged() {
                self.audit.count(&Decision::without_rules(Verdict::Deny, Reason::Forged));
                return Judgement::Denied(Judged { claimable: false, miss: false, revision: table.revision });
            }
            self.decided(table, policy, asking, port, |line| {
                self.audit.record(line);
                match line.decision.allows() {
                    true => Judgement::Allowed(line.decision.jobname().cloned()),
                    false => Judgement::Denied(Judged {
                        claimable: table.could_be_named(policy, line.query),
                        miss: line.decision.may_be_a_miss(),
                        revision: table.revision,
                    }),
                }
            })
        })
    }

    /// Whether it may still be there.
    pub(crate) fn still_allows(&self, asking: &Asking<'_>, job: &Label, port: Port<'_>) -> bool {
        self.look(|table| {
            let Some(policy) = table.policy(job) else { return true };
            policy.is_open()
                || self.decided(table, policy, asking, port, |line| {
                    // Knowledge that has only grown old ends nothing that it allowed when it was fresh.
                    let aged = matches!(line.decision.reason, Reason::Stale | Reason::StaleUnproved);
                    let allowed = line.decision.allows() || aged;
                    if !allowed {
                        self.audit.revoked(line);
                    }
                    allowed
                })
        })
    }

    fn decided<R>(
        &self,
        table: &Table,
        policy: &Policy,
        asking: &Asking<'_>,
        port: Port<'_>,
        then: impl FnOnce(&Line<'_>) -> R,
    ) -> R {
        let Asking { client, connection, direct, readings, .. } = *asking;
        let from_here = direct && (client.is_loopback() || client == connection.local.get().ip());
        let own = if from_here { Some(self.access.host.addresses()) } else { None };
        let mut query = Query {
            peer: client,
            claim: asking.claim,
            proof: asking.proof,
            owner: None,
            own: own.as_ref().map_or(&[], |own| own.as_slice()),
            port,
            http: asking.http,
            now: Timestamp::now(),
            stale: self.access.stale(),
        };
        let (mut answered, mut decision) = decide(table, policy, query, readings);
        // Where several jobs share the address and the socket is on this very host, nobody has to guess.
        if decision.candidates > 1 && direct && self.access.host.has(client) {
            query.owner = self.owner(connection);
            if query.owner.is_some() {
                (answered, decision) = decide(table, policy, query, readings);
            }
        }
        then(&Line { policy, query: &answered, decision: &decision, connection, revision: table.revision })
    }

    /// The cgroup of the client's socket; the kernel is asked once a connection.
    fn owner(&self, connection: &Connection) -> Option<u64> {
        connection.owner(|| {
            let protocol = if connection.kind.get() == Kind::Udp { Protocol::Udp } else { Protocol::Tcp };
            let (socket, remote) = (connection.peer, connection.local.get());
            match self.owners.owner(protocol, socket, remote) {
                Ok(owner) => owner.map(|owner| owner.cgroup).filter(|cgroup| *cgroup != ROOT),
                Err(error) => {
                    tracing::debug!(%socket, %error, "the kernel does not tell whose socket it is");
                    None
                }
            }
        })
    }

    fn look<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        match self.table.try_borrow_mut() {
            Ok(mut cache) => look(cache.load()),
            // A look inside a look.
            Err(_) => look(&self.access.table.load()),
        }
    }
}

impl<'a> Asking<'a> {
    /// What is known of a connection that is no request's.
    pub(crate) fn of_connection(
        connection: &'a Connection,
        said: Option<&'a Said>,
        http: Http<'a>,
    ) -> Asking<'a> {
        let client = connection.client();
        Asking {
            client: client.ip(),
            connection,
            claim: said.map_or(Claim::None, Said::claim),
            proof: said.map_or_else(Shown::default, Said::proof),
            http,
            readings: &[],
            direct: client == connection.peer,
        }
    }
}
