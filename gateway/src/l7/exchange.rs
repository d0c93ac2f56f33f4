//! One request and its answer.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::http::HeaderValue;
use hyper::{Request, Response};

use super::download::Download;
use super::forward::{ForwardError, forward};
use super::reply::{Reason, reply};
use super::route::{Refused, at_vip, checked, route};
use super::{Engine, Scope, headers};

pub(super) async fn exchange(
    engine: &Rc<Engine>,
    peer: SocketAddr,
    scope: Scope,
    request: Request<Incoming>,
) -> Response<Download> {
    let context = &*engine.context;
    context.counters().requests.fetch_add(1, Relaxed);
    let (mut parts, body) = request.into_parts();
    let (revision, routed) = context.look(|table| {
        let routed = checked(&parts).and_then(|()| match scope {
            Scope::ByHost { .. } => route(table, context.index, &parts),
            Scope::Vip(address) => at_vip(table, address),
        });
        (table.revision, routed)
    });
    let (job, port) = match routed {
        Ok(routed) => routed,
        Err(Refused { reason, sentence }) => {
            context.counters().no_route.fetch_add(1, Relaxed);
            return reply(reason, revision, &sentence);
        }
    };

    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(HOST, host);
    }
    headers::end_hop(&mut parts.headers);
    if !parts.headers.contains_key(HOST) {
        context.look(|table| headers::host_of_old_clients(&mut parts.headers, &job, &port, &table.zone));
    }
    headers::forwarded(&mut parts.headers, peer, matches!(scope, Scope::ByHost { tls: true }));

    match forward(engine, &job, &port, parts, body).await {
        Ok(response) => response,
        Err(ForwardError::NoBackend(error)) => {
            context.counters().no_backend.fetch_add(1, Relaxed);
            // Not louder: a dead job may be asked for ten thousand times a second. It is counted, and health is logged.
            tracing::debug!(job = %job.label, port = %port.name(), %peer, %error, "no backend");
            let sentence = format!("job `{}` is known and cannot be reached: {error}", job.label);
            reply(Reason::NoBackend, revision, &sentence)
        }
        Err(ForwardError::BadGateway { address, error }) => {
            tracing::debug!(job = %job.label, %address, %error, "bad gateway");
            let sentence = format!("job `{}` at {address} gave no answer: {error}", job.label);
            reply(Reason::BadGateway, revision, &sentence)
        }
        Err(ForwardError::Silent { address }) => {
            tracing::debug!(job = %job.label, %address, "no answer in time");
            let sentence = format!("job `{}` at {address} took the request and did not answer", job.label);
            reply(Reason::Timeout, revision, &sentence)
        }
    }
}
