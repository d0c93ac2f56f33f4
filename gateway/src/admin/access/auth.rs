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
//!
//! Proxies pass on what their clients sent beside what they say themselves, and nobody can tell the one from the other. So
//! where several methods or paths are said, each of them must be allowed, and where none is, all that there are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use roundhouse_config::{JobName, Label};
use roundhouse_registry::access::{Claim, Decision, Http, Policy, Query, Reason, Shown, Table, Verdict};
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
    let (job, asked) = target(segment("job").unwrap_or_default())?;
    let headers = request.headers();
    let client = client(headers, caller.peer)?;
    let wanted = Wanted::by(&request);
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
            port: port(policy, asked.as_ref())?,
            http: Http::Unseen,
            now: Timestamp::now(),
            stale: access.stale(),
        };
        let decision = wanted.decide(&table, policy, query);
        if patient && decision.may_be_a_miss() {
            return Ok(None);
        }
        Ok(Some(answer(&decision)))
    };
    if let Some(decided) = decide(true)? {
        return Ok(decided);
    }
    let decided = access.table().revision;
    let _ = access.catch_up().caught_up(client, decided).await;
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

/// What a proxy's client asks for.
struct Wanted<'r> {
    /// Each that was said; none: it may be any.
    methods: Vec<&'r str>,
    paths: Vec<Readings<'r>>,
}

impl<'r> Wanted<'r> {
    fn by(request: &'r Request) -> Wanted<'r> {
        // As it came: routes have their segments decoded, and `%3F` begins no query.
        let path = request.uri().path();
        if let Some((at, _)) = path.match_indices('/').nth(4) {
            return Wanted {
                methods: vec![request.method().as_str()],
                paths: vec![Readings::of(&path[at..])],
            };
        }
        let said = |names: [&str; 2]| -> Vec<&'r str> {
            let lines = names.into_iter().flat_map(|name| request.headers().get_all(name));
            // Of what is no text nobody knows what it says.
            lines.map(|line| line.to_str().ok()).collect::<Option<_>>().unwrap_or_default()
        };
        let paths = said(["x-original-uri", "x-forwarded-uri"]);
        Wanted {
            methods: said(["x-original-method", "x-forwarded-method"]),
            paths: paths.into_iter().map(Readings::of).collect(),
        }
    }

    /// The first that is not let in decides.
    fn decide<'t>(&self, table: &'t Table, policy: &'t Policy, query: Query<'_>) -> Decision<'t> {
        let mut methods: BTreeSet<&str> = self.methods.iter().copied().collect();
        if methods.is_empty() {
            let named = policy.rules().flat_map(|rule| rule.rule().methods.iter());
            // And one that no rule names.
            methods = named.map(|method| &**method).chain([""]).collect();
        }
        let mut least = None;
        for path in &self.paths {
            for method in &methods {
                let query = Query { http: path.seen(method), ..query };
                let (_, decision) = access::decide(table, policy, query, path.others());
                if !decision.allows() {
                    return decision;
                }
                least = Some(decision);
            }
        }
        least.unwrap_or_else(|| table.decide(policy, &Query { http: Http::Unseen, ..query }))
    }
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
            say(JOBNAME, decision.jobname().map(JobName::as_str));
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
