//! External authorisation: a proxy asks before it forwards. 200 lets the request through, 403 does not.
//!
//! ```text
//! nginx auth_request, Traefik ForwardAuth   any method  /v1/access/auth/<job>[:<port>]
//! Envoy ext_authz over HTTP                 the request's own method, /v1/access/auth/<job>[:<port>]/<its path>
//! ```
//!
//! The proxy is who asks, by its token or because it is on this machine, and is believed: the client is the last element of
//! its `X-Forwarded-For`, the request's method and path stand in `X-Original-Method` and `X-Original-URI` (nginx by
//! custom), in `X-Forwarded-Method` and `X-Forwarded-Uri` (Traefik), or are the asking request's own (Envoy). The client's
//! `X-Jobname` is its claim, `X-Jobname-Proof` its token.

use std::net::IpAddr;

use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use roundhouse_config::Label;
use roundhouse_registry::access::{Claim, Decision, Query, Reason, Shown, Verdict};
use roundhouse_registry::record::{Digest, RulePort, Timestamp};

use super::asked::port;
use crate::access::{self, Readings};
use crate::admin::caller::Caller;
use crate::admin::{Api, Problem};
use crate::client_address::last_forwarded;

const JOBNAME: HeaderName = HeaderName::from_static("x-jobname");
const PROOF: HeaderName = HeaderName::from_static("x-jobname-proof");
const RULE: HeaderName = HeaderName::from_static("x-roundhouse-rule");

pub(in crate::admin) async fn auth(
    State(api): State<Api>,
    caller: Caller,
    segments: RawPathParams,
    request: Request,
) -> Result<Response, Problem> {
    let segment = |wanted: &str| segments.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let (job, wanted) = target(segment("job").unwrap_or_default())?;
    let headers = request.headers();
    let client = client(headers, caller.peer)?;
    let (method, path) = original(&request, segment("rest"));
    let path = Readings::of(&path);
    let access = &api.shared.access;
    let decide = |patient: bool| -> Result<Option<Response>, Problem> {
        let table = access.table();
        let Some(policy) = table.policy(&job) else {
            return Ok(Some(answer(&Decision::without_rules(Verdict::Deny, Reason::NoJob))));
        };
        let query = Query {
            peer: client,
            claim: claim(headers),
            proof: Shown { token: single(headers, &PROOF).map(Digest::of), certificate: None },
            owner: None,
            own: &[],
            port: port(policy, wanted.as_ref())?,
            http: path.seen(&method),
            now: Timestamp::now(),
            stale: access.stale(),
        };
        let (_, decision) = access::decide(&table, policy, query, path.others());
        if patient && decision.may_be_a_miss() {
            return Ok(None);
        }
        Ok(Some(answer(&decision)))
    };
    if let Some(decided) = decide(true)? {
        return Ok(decided);
    }
    let _ = access.catch_up().caught_up(client).await;
    Ok(decide(false)?.unwrap_or_else(|| StatusCode::FORBIDDEN.into_response()))
}

/// `redis`, `redis:main` or `redis:6379`.
fn target(text: &str) -> Result<(Label, Option<RulePort>), Problem> {
    let (job, port) = match text.split_once(':') {
        Some((job, port)) => (job, Some(port)),
        None => (text, None),
    };
    let job = job.parse().map_err(|error: roundhouse_config::NameError| Problem::invalid(error).at("job"))?;
    let port = port.map(|port| match port.parse::<u16>() {
        Ok(number) => Ok(RulePort::Number(number)),
        Err(_) => port.parse().map(RulePort::Name),
    });
    let port = port.transpose();
    Ok((job, port.map_err(|error: roundhouse_config::NameError| Problem::invalid(error).at("job"))?))
}

fn client(headers: &HeaderMap, proxy: IpAddr) -> Result<IpAddr, Problem> {
    let lines = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
    let Some(client) = last_forwarded(lines) else {
        let detail = "whose request is it? let the proxy set X-Forwarded-For to its client's address (nginx: \
                      proxy_set_header X-Forwarded-For $remote_addr;)";
        return Err(Problem::bad_request(detail).at("X-Forwarded-For"));
    };
    // Whoever forwards for the whole world forwards nobody of this machine.
    if client.is_loopback() && !proxy.to_canonical().is_loopback() {
        let detail = "a loopback address was forwarded by another machine; it is nobody's";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail).at("X-Forwarded-For"));
    }
    Ok(client)
}

/// The method and the path that the client asked for.
fn original(request: &Request, rest: Option<&str>) -> (String, String) {
    let headers = request.headers();
    let text = |names: [&str; 2]| {
        names.into_iter().find_map(|name| headers.get(name)?.to_str().ok()).map(str::to_owned)
    };
    let own = || match rest {
        Some(rest) => format!("/{rest}"),
        None => "/".to_owned(),
    };
    let said = if rest.is_some() { None } else { text(["x-original-uri", "x-forwarded-uri"]) };
    let method = if rest.is_some() { None } else { text(["x-original-method", "x-forwarded-method"]) };
    let path = said.unwrap_or_else(own);
    (method.unwrap_or_else(|| request.method().to_string()), path)
}

fn claim(headers: &HeaderMap) -> Claim<'_> {
    if headers.get_all(&PROOF).iter().count() > 1 {
        return Claim::Garbled;
    }
    let mut lines = headers.get_all(&JOBNAME).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Claim::None,
        (Some(name), None) => name.to_str().map_or(Claim::Garbled, Claim::Name),
        (Some(_), Some(_)) => Claim::Garbled,
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get(name).map(HeaderValue::as_bytes)
}

fn answer(decision: &Decision<'_>) -> Response {
    let mut headers = HeaderMap::new();
    let mut say = |name: HeaderName, value: Option<&str>| {
        headers.extend(value.and_then(|value| HeaderValue::from_str(value).ok()).map(|value| (name, value)));
    };
    match decision.allows() {
        true => {
            say(JOBNAME, decision.jobname().map(|name| name.as_str()));
            say(RULE, decision.rule.map(|rule| rule.id.as_str()));
            (StatusCode::OK, headers).into_response()
        }
        // Nothing of the rules goes to a client whom the proxy shows this.
        false => (StatusCode::FORBIDDEN, "access denied\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_job_and_perhaps_a_port() {
        let of =
            |text: &str| target(text).map(|(job, port)| (job.to_string(), port.map(|port| port.to_string())));
        assert_eq!(of("redis").ok(), Some(("redis".into(), None)));
        assert_eq!(of("redis:6379").ok(), Some(("redis".into(), Some("6379".into()))));
        assert_eq!(of("redis:main").ok(), Some(("redis".into(), Some("main".into()))));
        assert!(of("Redis").is_err() && of("").is_err() && of("redis:").is_err());
    }

    #[test]
    fn a_loopback_client_is_believed_of_this_machine_alone() {
        let headers = |value: &str| {
            HeaderMap::from_iter([(
                HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_str(value).unwrap(),
            )])
        };
        let (here, elsewhere) = ([127, 0, 0, 1].into(), [10, 0, 0, 1].into());
        assert_eq!(client(&headers("10.0.0.9, ::ffff:127.0.0.5"), here).ok(), Some([127, 0, 0, 5].into()));
        assert!(client(&headers("127.0.0.5"), elsewhere).is_err());
        assert_eq!(client(&headers("127.0.0.5, 10.0.0.9"), elsewhere).ok(), Some([10, 0, 0, 9].into()));
        assert!(client(&HeaderMap::new(), here).is_err() && client(&headers("unknown"), here).is_err());
    }
}
