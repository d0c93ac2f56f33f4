//! Who may ask, and what every answer carries.
//!
//! The listener is on loopback and asks for no token, so a browser on this machine could be used against it: by a page
//! whose name was made to resolve to 127.0.0.1 (DNS rebinding: the Host is the page's name), or by a form that posts
//! across origins (CSRF: the Origin is the page's). Neither header can be forged by a page.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::shared::Shared;

const REVISION: HeaderName = HeaderName::from_static("x-roundhouse-revision");
/// Whole seconds since the registry was last heard; only while it is lost.
const STALE: HeaderName = HeaderName::from_static("x-roundhouse-stale");

pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(request.method(), request.uri(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(REVISION, HeaderValue::from(shared.store.load().revision.0));
    if shared.store.contact().lost.is_some() {
        headers.insert(STALE, HeaderValue::from(shared.stale_seconds() as u64));
    }
    response
}

fn refusal(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // An absolute-form target's authority is what the client meant (RFC 9112, 3.2.2); both must be ours.
    let target = uri.authority().map_or(host, |authority| authority.as_str());
    if !(is_loopback(host) && is_loopback(target)) {
        let detail = "this API answers on loopback names only (127.0.0.1, [::1], localhost), so that no web page can \
                      reach it under a name of its own; ask http://127.0.0.1 with the port, or set the Host header to that";
        return Some(Problem::new(StatusCode::FORBIDDEN, detail).at("Host"));
    }
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let foreign = |origin: &str| !origin.split_once("://").is_some_and(|(_, host)| is_loopback(host));
    if !reads && origin.is_some_and(foreign) {
        let detail = "a page of another site may not write here; send the request without an Origin header (curl and the \
                      CLI send none)";
        return Some(Problem::new(StatusCode::FORBIDDEN, detail).at("Origin"));
    }
    None
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
        refusal(method, &uri.parse().unwrap(), &headers).is_some()
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
}
