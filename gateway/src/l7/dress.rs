//! What a route makes of an instance's answer: its head is changed, and its content coded perhaps.

use super::body::Filter;
use super::coding::coder;
use super::edit::Changes;
use super::exchange::Exchange;
use super::request::Request;
use super::response::Response;
use super::route::Routed;
use crate::h1::{Length, Name};
use crate::policy::{Accepted, Answer, Choice, weakened};
use crate::table::{DomainEntry, Endpoint, RouteEntry};

/// What the route says of the answer: its head is changed, and its content perhaps.
pub(super) fn change(
    exchange: &Exchange<'_>,
    routed: &Routed,
    endpoint: &Endpoint,
    response: &mut Response,
) -> Option<Box<dyn Filter>> {
    let Exchange { engine, request, .. } = *exchange;
    let route = routed.route.as_deref()?;
    if route.policy.leaves_answers() && routed.domain.as_ref().is_none_or(|domain| domain.hsts.is_none()) {
        return None;
    }
    let mut changes = Changes::of(&route.policy.response_headers);
    by_policy(&mut changes, routed.domain.as_deref(), route, request);
    if let Some(sticky) = &route.policy.sticky
        && sticky.instance(request.head.named("cookie")) != Some(endpoint.id)
    {
        changes.add("set-cookie", sticky.set_cookie(endpoint.id, request.tls));
    }
    let mut filter = None;
    let choice = match &route.policy.compress {
        Some(compress) if !request.is_head() => {
            compress.choose(&Accepted::new(request.head.all(Name::AcceptEncoding)), &answered(response))
        }
        _ => Choice::Never,
    };
    if choice != Choice::Never {
        changes.add("vary", "accept-encoding");
    }
    if let Choice::Coded(coding) = choice {
        filter = coder(coding);
    }
    if let (Choice::Coded(coding), true) = (choice, filter.is_some()) {
        changes.set("content-encoding", coding.as_str());
        changes.remove("accept-ranges");
        let etag = response.head.named("etag").next().and_then(|etag| std::str::from_utf8(etag).ok());
        if let Some(etag) = etag.and_then(weakened) {
            changes.set("etag", etag);
        }
        response.recoded = true;
    }
    changes.in_response(response, &engine.supplies);
    filter
}

fn answered(response: &Response) -> Answer<'_> {
    Answer {
        status: response.status,
        content_type: response.head.first(Name::ContentType),
        content_length: match response.length {
            Length::Known(length) => Some(length),
            Length::Chunked | Length::UntilClose => None,
        },
        content_encoding: response.head.first(Name::ContentEncoding),
        cache_control: response.head.named("cache-control").next(),
    }
}

/// What a route's policies change in an answer's head.
fn by_policy<'a>(
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
