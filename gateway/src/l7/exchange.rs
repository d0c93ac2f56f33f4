//! One request and its answer.

use std::sync::atomic::Ordering::Relaxed;

use super::client::Client;
use super::edit::Changes;
use super::forward::forward;
use super::outgoing::Fate;
use super::reply::{Reason, Refusal};
use super::request::Request;
use super::response::Response;
use super::route::{Way, route};
use super::timeout::grpc_timeout;
use super::{Engine, Visit, Went};
use crate::capacity::Full;
use crate::h1::{Name, Version};
use crate::table::{DomainEntry, RouteEntry};

pub(super) async fn exchange(
    engine: &Engine,
    visit: Visit<'_>,
    request: &Request,
    mut client: Client<'_>,
) -> Went {
    let context = &*engine.context;
    context.counters().requests.fetch_add(1, Relaxed);
    if let Err(refusal) = visit.covers(context, request) {
        return refuse(engine, request, &mut client, &refusal).await;
    }
    let way = context.look(|table| route(table, context.index, &visit, request, context.https_port()));
    let routed = match way {
        Way::To(routed) => routed,
        Way::Elsewhere { status, location, domain } => {
            let response = redirect(status, &location, &domain, request.tls);
            return say(engine, request, &mut client, &response).await;
        }
        Way::Preflight { route, domain } => {
            let response = preflight(&route, &domain, request);
            return say(engine, request, &mut client, &response).await;
        }
        Way::Nowhere(refusal) => {
            context.counters().no_route.fetch_add(1, Relaxed);
            return refuse(engine, request, &mut client, &refusal).await;
        }
    };
    let _slot = match routed.job.enter_request(|| context.client(visit.connection.client.get().ip())) {
        Ok(slot) => slot,
        Err(full) => return refuse(engine, request, &mut client, &job_full(&routed.job.label, full)).await,
    };
    let patience = patience(request, routed.route.as_deref());
    let forwarded = forward(engine, visit, request, &routed, &mut client);
    let forwarded = match patience {
        None => forwarded.await,
        Some(patience) => match tokio::time::timeout(patience, forwarded).await {
            Ok(forwarded) => forwarded,
            Err(_) if client.begun => return client.cut(),
            Err(_) => Err(Refusal::new(Reason::Timeout, format!("no whole answer within {patience:?}"))),
        },
    };
    match forwarded {
        Ok(went) => went,
        Err(refusal) => refuse(engine, request, &mut client, &refusal).await,
    }
}

/// How long the exchange may take in all, where somebody says so.
fn patience(request: &Request, route: Option<&RouteEntry>) -> Option<std::time::Duration> {
    let said = route.and_then(|route| route.policy.timeout);
    let grpc = request.head.first(Name::GrpcTimeout).and_then(grpc_timeout);
    match (said, grpc) {
        (Some(said), Some(grpc)) => Some(said.min(grpc)),
        (said, grpc) => said.or(grpc),
    }
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

/// The gateway's own word, after which a client that sent no body may ask again.
pub(super) async fn refuse(
    engine: &Engine,
    request: &Request,
    client: &mut Client<'_>,
    refusal: &Refusal,
) -> Went {
    let (fate, went) = fate(engine, request);
    match refusal.tell(request, &mut client.reply, fate, &engine.supplies).await {
        Ok(()) => went,
        Err(_) => Went::Broken,
    }
}

async fn say(engine: &Engine, request: &Request, client: &mut Client<'_>, response: &Response) -> Went {
    let (fate, went) = fate(engine, request);
    match client.reply.say(response, b"", fate, &engine.supplies).await {
        Ok(()) => went,
        Err(_) => Went::Broken,
    }
}

fn fate(engine: &Engine, request: &Request) -> (Fate, Went) {
    let read = !request.has_body() && !request.line.websocket;
    if !request.line.persistent || !read || engine.context.is_draining() {
        return (Fate::Closes, Went::Closes);
    }
    match request.line.version {
        Version::Http10 => (Fate::StaysAsAsked, Went::On),
        Version::Http11 | Version::Http2 => (Fate::Stays, Went::On),
    }
}

/// What a route's policies change in an answer's head.
pub(super) fn dress<'a>(
    changes: &mut Changes<'a>,
    domain: Option<&'a DomainEntry>,
    route: &'a RouteEntry,
    request: &'a Request,
) {
    if let Some(cors) = &route.policy.cors {
        for name in crate::policy::CORS_FIELDS {
            changes.remove(name);
        }
        for (name, value) in cors.answer(request.head.named("origin").next()) {
            changes.add(name, value);
        }
    }
    if let (Some(hsts), true) = (domain.and_then(|domain| domain.hsts.as_deref()), request.tls) {
        changes.set("strict-transport-security", hsts);
    }
}
