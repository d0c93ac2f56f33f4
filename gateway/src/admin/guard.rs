//! Before every handler: who asks, whether they may, and what every answer carries.
//!
//! A listener on loopback may ask for no token, so a browser on this machine could be used against it: by a page
//! whose name was made to resolve to 127.0.0.1 (DNS rebinding: the Host is the page's name), or by a form that posts
//! across origins (CSRF: the Origin is the page's). Neither header can be forged by a page. Where TLS and tokens are asked
//! for, the Host may be any, since a page has no token; the Origin is looked at all the same.

use std::net::IpAddr;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use roundhouse_registry::record::Timestamp;

use super::caller::{Caller, Peer};
use super::routes::For;
use super::seldom::Seldom;
use super::{Api, Problem, conditional};

const REVISION: HeaderName = HeaderName::from_static("x-roundhouse-revision");
/// Whole seconds since the registry was last heard; only while it is lost.
const STALE: HeaderName = HeaderName::from_static("x-roundhouse-stale");
/// Characters of a path that the audit log shows.
const MAX_SHOWN: usize = 256;

pub(super) async fn guard(State(api): State<Api>, peer: Peer, mut request: Request, next: Next) -> Response {
    let mut audit = Audit::of(&request, peer);
    let mut response = match admit(&api, &request, peer) {
        Err(problem) => problem.into_response(),
        Ok(caller) => {
            audit.token = caller.name().to_owned();
            request.extensions_mut().insert(caller);
            let condition = conditional::unless(&request);
            conditional::apply(&condition, next.run(request).await)
        }
    };
    audit.write(response.status(), &api.refused);
    let shared = &api.shared;
    let headers = response.headers_mut();
    headers.insert(REVISION, HeaderValue::from(shared.store.load().revision.0));
    if shared.store.contact().lost.is_some() {
        headers.insert(STALE, HeaderValue::from(shared.stale_seconds() as u64));
    }
    response
}

fn admit(api: &Api, request: &Request, Peer(peer): Peer) -> Result<Caller, Problem> {
    let admin = &api.shared.settings.admin;
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    // A proxy asks there with its client's headers and by its client's method; nothing is written.
    let asks = route.is_some_and(|route| route.starts_with("/v1/access/auth/"));
    let method = if asks { &Method::GET } else { request.method() };
    // Envoy asks under its client's Host. A page that came here by a name of its own would learn a yes or a no.
    let any_host = asks || admin.tls.is_some() && admin.require_token;
    refuse_pages(method, request.uri(), request.headers(), any_host)?;
    let who = route.and_then(|route| api.table.who(method, route));
    let required = admin.require_token && who != Some(For::Anybody);
    let snapshot = api.shared.store.load();
    let caller = Caller::authenticate(request.headers(), peer, required, &snapshot, Timestamp::now())?;
    if let Some(For::Role(needed)) = who {
        caller.must_have(needed)?;
    }
    Ok(caller)
}

fn refuse_pages(method: &Method, uri: &Uri, headers: &HeaderMap, any_host: bool) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // An absolute-form target's authority is what the client meant (RFC 9112, 3.2.2); both must be ours.
    let target = uri.authority().map_or(host, |authority| authority.as_str());
    if !(any_host || is_loopback(host) && is_loopback(target)) {
        let detail = "this API answers on loopback names only (127.0.0.1, [::1], localhost), so that no web page can \
                      reach it under a name of its own; ask http://127.0.0.1 with the port, or set the Host header to that";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail).at("Host"));
    }
    let Some(origin) = headers.get(header::ORIGIN).filter(|_| writes(method)) else { return Ok(()) };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    if origin.is_some_and(|(_, from)| is_loopback(from) || any_host && from.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    let detail = "a page of another site may not write here; send the request without an Origin header (curl and the \
                  CLI send none)";
    Err(Problem::new(StatusCode::FORBIDDEN, detail).at("Origin"))
}

fn writes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What the log says of a write, be it done or refused: who, from where and what; neither bodies nor secrets.
struct Audit {
    /// `None`: nothing is written by this request.
    method: Option<Method>,
    path: String,
    /// A heartbeat comes every few seconds from every registrar; a refused one is told once a minute.
    heartbeat: bool,
    peer: IpAddr,
    token: String,
}

impl Audit {
    fn of(request: &Request, Peer(peer): Peer) -> Audit {
        let path = request.uri().path();
        // Somebody has pasted a token where its id belongs.
        let pasted = path.split('/').any(|segment| segment.starts_with("rh_"));
        let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let path = if pasted { route } else { path };
        Audit {
            // Questions, though they are posted.
            method: Some(request.method())
                .filter(|method| writes(method) && !route.starts_with("/v1/access/"))
                .cloned(),
            path: path.chars().take(MAX_SHOWN).collect(),
            heartbeat: route.ends_with("/keepalive"),
            peer: peer.to_canonical(),
            token: "-".to_owned(),
        }
    }

    fn write(&self, status: StatusCode, refused: &Seldom) {
        let Audit { method: Some(method), path, peer, token, .. } = self else { return };
        let refusal = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let status = status.as_u16();
        if self.heartbeat && refusal && refused.is_due(*peer, Instant::now()) {
            tracing::info!(target: "roundhouse::audit", %token, %peer, %method, %path, status, "heartbeat refused");
        } else if self.heartbeat {
            tracing::debug!(target: "roundhouse::audit", %token, %peer, %method, %path, status, "heartbeat");
        } else {
            tracing::info!(target: "roundhouse::audit", %token, %peer, %method, %path, status, "write");
        }
    }
}

/// 127.0.0.0/8, ::1 or localhost, with any port or none.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => {
            if !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return false;
            }
            name
        }
        _ => host,
    };
    if let Some(address) = name.strip_prefix('[') {
        let address =
            address.strip_suffix(']').and_then(|address| address.parse::<std::net::Ipv6Addr>().ok());
        return address.is_some_and(|address| IpAddr::from(address).to_canonical().is_loopback());
    }
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &Method, uri: &str, pairs: &[(HeaderName, &'static str)]) -> bool {
        let headers =
            pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        refuse_pages(method, &uri.parse().unwrap(), &headers, false).is_err()
    }

    #[test]
    fn loopback_names_only() {
        for ours in
            ["127.0.0.1", "127.0.0.1:8400", "127.9.9.9:1", "[::1]:8400", "[::1]", "localhost", "LOCALHOST:1"]
        {
            assert!(is_loopback(ours), "{ours}");
        }
        for foreign in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "10.0.0.1:8400",
            "[::2]:1",
            "127.0.0.1:80@evil.example",
            "::1",
            "0.0.0.0",
            "2130706433",
        ] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_foreign_host_never_passes() {
        let ours = (header::HOST, "127.0.0.1:8400");
        assert!(refused(&Method::GET, "/v1/jobs", &[(header::HOST, "evil.example")]));
        assert!(refused(&Method::GET, "/v1/jobs", &[]));
        assert!(refused(&Method::GET, "http://evil.example/v1/jobs", std::slice::from_ref(&ours)));
        assert!(!refused(&Method::GET, "/v1/jobs", &[ours]));
    }

    #[test]
    fn a_foreign_origin_may_not_write() {
        let with = |method, origin| {
            refused(&method, "/v1/jobs/a", &[(header::HOST, "localhost:8400"), (header::ORIGIN, origin)])
        };
        for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
            assert!(
                with(Method::PUT, origin) && with(Method::POST, origin) && with(Method::DELETE, origin),
                "{origin}"
            );
            assert!(!with(Method::GET, origin), "reading is kept in by the browser itself");
        }
        assert!(!with(Method::PUT, "http://localhost:8400"));
    }

    #[test]
    fn with_tls_and_tokens_any_host_goes_and_a_foreign_origin_does_not() {
        let refused = |host, origin: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
            refuse_pages(&Method::PUT, &"/v1/jobs/a".parse().unwrap(), &headers, true).is_err()
        };
        assert!(!refused("hub.coding.net:8400", None));
        assert!(!refused("hub.coding.net:8400", Some("https://hub.coding.net:8400")));
        assert!(refused("hub.coding.net:8400", Some("https://evil.example")));
        assert!(refused("hub.coding.net:8400", Some("null")));
    }
}
