//! Whether a request may go to where it was routed: who asks, as far as it can be known, and what for, in every form in
//! which the instance may read it.

use std::cell::OnceCell;
use std::pin::Pin;
use std::task::Poll;

use roundhouse_config::JobName;
use roundhouse_registry::access::{Claim, Shown};
use roundhouse_registry::record::Digest;

use super::exchange::Exchange;
use super::reply::{Reason, Refusal};
use super::route::Routed;
use crate::access::{Asking, Judged, Judgement, Readings};
use crate::client_address::Client;
use crate::h1::Name;
use crate::plane::{self, Said};

/// What is asked of a request.
pub(super) struct Question<'a> {
    exchange: Exchange<'a>,
    routed: &'a Routed,
    client: Client,
    /// Of the connection, if the request is its own peer's.
    said: Option<Box<Said>>,
    /// As the instance may read it, once somebody has to know.
    path: OnceCell<Readings<'a>>,
}

impl<'a> Question<'a> {
    pub(super) fn new(exchange: Exchange<'a>, routed: &'a Routed, client: Client) -> Question<'a> {
        let connection = exchange.visit.connection;
        // A connection's certificate and PROXY header are of whoever it comes from, not of those whom that one names.
        let said = if client.hops == 0 { connection.said() } else { None };
        if client.hops > 0 {
            connection.forwards();
        }
        Question { exchange, routed, client, said, path: OnceCell::new() }
    }

    /// Who asks, where somebody had to know.
    pub(super) async fn ask(&self) -> Result<Option<JobName>, Refusal> {
        match self.judge() {
            Judgement::Allowed(jobname) => Ok(jobname),
            Judgement::Denied(judged) => Box::pin(self.ask_again(judged)).await,
        }
    }

    /// It may have registered just now.
    async fn ask_again(&self, judged: Judged) -> Result<Option<JobName>, Refusal> {
        let gate = self.exchange.engine.context.gate();
        if judged.miss
            && gate.access().catch_up().caught_up(self.client.address, judged.revision).await
            && let Judgement::Allowed(jobname) = self.judge()
        {
            return Ok(jobname);
        }
        self.exchange.engine.context.counters().reasons.add(plane::Reason::Denied);
        let sentence = format!("this client may not use job `{}`", self.routed.job.label);
        Err(Refusal::new(Reason::AccessDenied, sentence))
    }

    /// The exchange goes on for as long as its client may be there.
    pub(super) async fn watched<T>(&self, mut exchanging: Pin<&mut impl Future<Output = T>>) -> T {
        let connection = self.exchange.visit.connection;
        std::future::poll_fn(|cx| {
            // So that it is woken to look; that it is to end is noticed by whoever is at work within.
            if let Poll::Pending = connection.poll_ended(cx)
                && connection.take_recheck()
                && !self.still_allows()
            {
                connection.end(plane::Reason::Revoked);
            }
            exchanging.as_mut().poll(cx)
        })
        .await
    }

    fn path(&self) -> &Readings<'a> {
        self.path.get_or_init(|| {
            let Question { exchange, routed, .. } = self;
            let rewritten = routed.route.as_ref().and_then(|route| route.policy.rewrite.as_ref());
            match rewritten.and_then(|rewrite| rewrite.target(exchange.request.path())) {
                Some(target) => Readings::of(&target).into_owned(),
                None => Readings::of(exchange.request.path()),
            }
        })
    }

    fn judge(&self) -> Judgement {
        let Routed { job, port, .. } = self.routed;
        self.exchange.engine.context.gate().judge(|| self.asking(), &job.label, port.asked())
    }

    fn still_allows(&self) -> bool {
        let Routed { job, port, .. } = self.routed;
        self.exchange.engine.context.gate().still_allows(&self.asking(), &job.label, port.asked())
    }

    fn asking(&self) -> Asking<'_> {
        let Exchange { request, visit, .. } = self.exchange;
        let (said, path) = (self.said.as_deref(), self.path());
        let (token, shows) = match single(request.head.all(Name::JobnameProof)) {
            Single::None => (None, true),
            Single::One(token) => (Some(Digest::of(token)), true),
            Single::Several => (None, false),
        };
        let mut proof = said.map_or_else(Shown::default, Said::proof);
        proof.token = proof.token.or(token);
        Asking {
            client: self.client.address,
            connection: visit.connection,
            claim: if shows { self.claim(said) } else { Claim::Garbled },
            proof,
            http: path.seen(request.method()),
            readings: path.others(),
            direct: self.client.hops == 0 && visit.connection.client() == visit.connection.peer,
        }
    }

    /// What the header says, or the connection; they may not contradict each other.
    fn claim<'s>(&'s self, said: Option<&'s Said>) -> Claim<'s> {
        let before = said.map_or(Claim::None, Said::claim);
        let header = match single(self.exchange.request.head.all(Name::Jobname)) {
            Single::None => return before,
            Single::One(name) => std::str::from_utf8(name).map_or(Claim::Garbled, Claim::Name),
            Single::Several => Claim::Garbled,
        };
        if before == Claim::None || before == header { header } else { Claim::Garbled }
    }
}

enum Single<'a> {
    None,
    One(&'a [u8]),
    Several,
}

fn single<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Single<'a> {
    match (values.next(), values.next()) {
        (None, _) => Single::None,
        (Some(one), None) => Single::One(one),
        (Some(_), Some(_)) => Single::Several,
    }
}
