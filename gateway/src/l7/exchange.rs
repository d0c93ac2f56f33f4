//! One request and its answer.

use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use rand::RngExt as _;

use super::admit::Question;
use super::client::Client;
use super::forward::forward;
use super::outgoing::Fate;
use super::record::Record;
use super::reply::{Reason, Refusal};
use super::request::Request;
use super::response::Response;
use super::route::{Routed, Way, route};
use super::timeout::grpc_timeout;
use super::{Engine, Visit, Went};
use crate::access_log::End;
use crate::capacity::Full;
use crate::h1::{Name, Version};
use crate::plane::count;
use crate::table::{DomainEntry, RouteEntry};
use crate::trace::{self, Traced};

/// What an exchange is about, for all who have a part in it.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) engine: &'a Engine,
    pub(super) visit: &'a Visit<'a>,
    pub(super) request: &'a Request,
    pub(super) record: &'a Record<'a>,
    pub(super) trace: Traced,
}

/// What is seldom done is boxed, here and below: a future has the size of the largest of what it may wait for, and this one
/// is there for each request.
pub(super) async fn exchange(
    engine: &Engine,
    visit: &Visit<'_>,
    request: &Request,
    client: &mut Client<'_>,
) -> Went {
    let context = &*engine.context;
    count(&context.counters().requests, 1);
    let (asking, trace) = (visit.client(request), traced(engine, request));
    let record = Record::begin(engine, visit, request, asking, trace.parent);
    let exchange = Exchange { engine, visit, request, record: &record, trace };

    if let Err(refusal) = visit.covers(context, request) {
        return exchange.refuse(client, &refusal).await;
    }
    let routed = match context.look(|table| route(table, context.index, visit, request, context.https_port()))
    {
        Way::To(routed) => routed,
        Way::Elsewhere { status, location, domain } => {
            let response = redirect(status, &location, &domain, request.tls);
            return exchange.say(client, &response, "redirect").await;
        }
        Way::Preflight { route, domain } => {
            let response = preflight(&route, &domain, request);
            return exchange.say(client, &response, "cors-preflight").await;
        }
        Way::Nowhere(refusal) => return exchange.refuse(client, &refusal).await,
    };
    record.led_to(&routed.job, routed.domain.as_ref().zip(routed.route.as_ref()));
    let question = Question::new(exchange, &routed, asking);
    let identity = match question.ask().await {
        Ok(identity) => identity,
        Err(refusal) => return exchange.refuse(client, &refusal).await,
    };
    let _slot = match routed.job.enter_request(|| context.client(asking.address)) {
        Ok(slot) => slot,
        Err(full) => return exchange.refuse(client, &job_full(&routed.job.label, full)).await,
    };
    let forwarded = {
        let forwarding = pin!(forward(&exchange, &routed, identity.as_ref(), client));
        let watched = pin!(question.watched(forwarding));
        exchange.in_time(watched, patience(request, &routed)).await
    };
    match forwarded {
        Ok(Ok(went)) => went,
        Ok(Err(refusal)) => exchange.refuse(client, &refusal).await,
        Err(TimedOut(_)) if client.begun => client.cut(),
        Err(TimedOut(patience)) => exchange.refuse(client, &no_whole_answer(patience)).await,
    }
}

struct TimedOut(Duration);

/// How long the exchange may take in all, where somebody says so.
fn patience(request: &Request, routed: &Routed) -> Option<Duration> {
    let said = routed.route.as_ref().and_then(|route| route.policy.timeout);
    let grpc = request.head.first(Name::GrpcTimeout).and_then(grpc_timeout);
    match (said, grpc) {
        (Some(said), Some(grpc)) => Some(said.min(grpc)),
        (said, grpc) => said.or(grpc),
    }
}

fn no_whole_answer(patience: Duration) -> Refusal {
    Refusal::new(Reason::Timeout, format!("there was no whole answer within {patience:?}"))
}

fn traced(engine: &Engine, request: &Request) -> Traced {
    let random = || {
        // Three words; as many bytes as they have would be drawn one by one.
        let words: [u64; 3] = engine.random.borrow_mut().random();
        let mut bytes = trace::Random::default();
        for (eight, word) in bytes.chunks_exact_mut(8).zip(words) {
            eight.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    };
    trace::traced(request.head.all(Name::TraceParent), random, engine.context.access_log().is_on())
}

fn job_full(label: &roundhouse_config::Label, full: Full) -> Refusal {
    match full {
        Full::All => Refusal::new(
            Reason::JobFull,
            format!("job `{label}` has as many requests under way as its `limits.connections` allow"),
        ),
        Full::Client => Refusal::new(
            Reason::ClientFull,
            format!(
                "this client has as many requests under way at job `{label}` as `limits.connections_per_client` allows"
            ),
        ),
    }
}

fn redirect(status: u16, location: &str, domain: &DomainEntry, tls: bool) -> Response {
    let mut response = Response::of(status);
    response.head.push_field(b"location", location.as_bytes());
    response.head.push_field(b"content-length", b"0");
    if let (Some(hsts), true) = (&domain.hsts, tls) {
        response.head.push_field(b"strict-transport-security", hsts.as_bytes());
    }
    response
}

fn preflight(route: &RouteEntry, domain: &DomainEntry, request: &Request) -> Response {
    let mut response = Response::of(204);
    let origin = request.head.named("origin").next().unwrap_or_default();
    if let Some(cors) = &route.policy.cors {
        for (name, value) in cors.preflight(origin, request.head.named("access-control-request-headers")) {
            response.head.push_field(name.as_bytes(), value.as_bytes());
        }
    }
    if let (Some(hsts), true) = (&domain.hsts, request.tls) {
        response.head.push_field(b"strict-transport-security", hsts.as_bytes());
    }
    response
}

impl Exchange<'_> {
    async fn in_time<T>(
        &self,
        forwarding: Pin<&mut impl Future<Output = T>>,
        patience: Option<Duration>,
    ) -> Result<T, TimedOut> {
        match patience {
            None => Ok(forwarding.await),
            Some(patience) => {
                let forwarded = Box::pin(tokio::time::timeout(patience, forwarding)).await;
                forwarded.map_err(|_| {
                    self.record.ended(End::Timeout);
                    TimedOut(patience)
                })
            }
        }
    }

    /// The gateway's own word, after which a client that sent no body may ask again.
    async fn refuse(&self, client: &mut Client<'_>, refusal: &Refusal) -> Went {
        self.record.answered(refusal.reason.status(), refusal.reason.as_str());
        let counters = self.engine.context.counters();
        match refusal.reason {
            Reason::NoRoute => count(&counters.no_route, 1),
            Reason::NoBackend => count(&counters.no_backend, 1),
            _ => {}
        }
        let (fate, went) = self.fate();
        let told = refusal.tell(self.request, &mut client.reply, fate, &self.engine.supplies);
        self.said(Box::pin(told), went).await
    }

    async fn say(&self, client: &mut Client<'_>, response: &Response, reason: &'static str) -> Went {
        self.record.answered(response.status, reason);
        let (fate, went) = self.fate();
        let said = client.reply.say(response, b"", fate, &self.engine.supplies);
        self.said(Box::pin(said), went).await
    }

    /// A client that does not read what it is told is not waited for.
    async fn said(&self, said: Pin<Box<impl Future<Output = io::Result<()>>>>, went: Went) -> Went {
        let patience = self.engine.context.limits().body_idle;
        match Box::pin(tokio::time::timeout(patience, said)).await {
            Ok(Ok(())) => went,
            Ok(Err(_)) | Err(_) => Went::Broken,
        }
    }

    fn fate(&self) -> (Fate, Went) {
        let line = &self.request.line;
        let read = !self.request.has_body() && !line.websocket;
        if !line.persistent || !read || self.engine.context.is_draining() {
            return (Fate::Closes, Went::Closes);
        }
        match line.version {
            Version::Http10 => (Fate::StaysAsAsked, Went::On),
            Version::Http11 | Version::Http2 => (Fate::Stays, Went::On),
        }
    }
}
