//! Why a name goes where it goes: the same look-ups as a connection's, told step by step.
//!
//! [`explain`] is a pure function of the table and a few facts; nothing is dialled and nobody's turn is taken. Two things
//! that answer alike elsewhere are told apart here: a name that leads nowhere (`no-route`), a job that nobody serves
//! (`no-backend`), and an address that this gateway could not listen on (`not-caught`).

mod access;
mod dialled;
mod endpoints;
mod entrypoint;
mod hub;
mod nearest;
mod requested;
mod routed;
mod target;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use roundhouse_config::{Answer, JobName};
use roundhouse_registry::access as registry_access;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::UnixTime;

pub use self::access::Asker;
use self::target::{Host, Target};
use super::{Api, Problem};
use crate::catch::NotCaught;
use crate::run::Listed;
use crate::table::{Named, Table};
use crate::tls::Certificates;

/// What an explanation depends on.
pub struct Facts<'a> {
    pub table: &'a Table,
    pub not_caught: &'a [NotCaught],
    pub entrypoints: &'a [Listed],
    /// What TLS that ends here is shown.
    pub certificates: &'a Certificates,
    pub now: UnixTime,
    pub access: &'a registry_access::Table,
    /// Who would come, if that is asked too.
    pub asker: Option<&'a Asker>,
    /// What names resolve to where they have no VIPs of their own; none: they have.
    pub hub: &'a [IpAddr],
    /// Seconds since the registry was heard and why it is not, if it is lost.
    pub lost: Option<(f64, String)>,
}

/// Told apart by whom to ask next: the caller, the job's owner, the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Ok,
    NoRoute,
    NoBackend,
    NotCaught,
    /// Whoever is asked about may not come in.
    Denied,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `name`, `address`, `listener`, `certificate`, `proxy`, `forwarded`, `port`, `https`, `route`, `redirect`, `access`, `endpoint`, `pick`, `registry`, `hint`.
    pub what: String,
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub target: String,
    pub verdict: Verdict,
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    target: String,
    #[serde(default)]
    from: Option<IpAddr>,
    #[serde(default)]
    r#as: Option<JobName>,
}

pub(super) async fn handler(
    State(api): State<Api>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Explanation>, Problem> {
    let Ok(Query(Asked { target: text, from, r#as })) = query else {
        let detail = "say what to explain, as in /v1/explain?target=app2.jobs.coding.net:1111 (URLs %-encoded), and perhaps to whom, as in &from=10.0.0.7&as=job.app2";
        return Err(Problem::bad_request(detail).at("target"));
    };
    let target: Target = text.parse().map_err(|error| Problem::invalid(error).at("target"))?;
    let asker = from.map(|from| Asker { from, claimed: r#as });
    let shared = &api.shared;
    let contact = shared.store.contact();
    let names = &shared.settings.names;
    let facts = Facts {
        table: &shared.table.load(),
        not_caught: &shared.not_caught.load(),
        entrypoints: &shared.entrypoints.load(),
        certificates: &shared.certificates.load(),
        now: UnixTime::now(),
        access: &shared.access.table(),
        asker: asker.as_ref(),
        hub: if names.answer == Answer::Hub { &names.hub_addresses } else { &[] },
        lost: contact.lost.clone().map(|reason| (shared.stale_seconds(), reason)),
    };
    Ok(Json(explain(&text, &target, &facts)))
}

/// `text` is the target as it was asked.
pub fn explain(text: &str, target: &Target, facts: &Facts<'_>) -> Explanation {
    let mut steps = Steps::default();
    let verdict = follow(target, facts, &mut steps);
    let revision = facts.table.revision;
    steps.add("registry", match &facts.lost {
        None => format!("in contact; this is revision {revision}"),
        Some((seconds, reason)) => {
            format!("lost for {seconds:.0} s ({reason}); this is revision {revision}, and what came since is unknown")
        }
    });
    Explanation { target: text.to_owned(), verdict, steps: steps.0 }
}

fn follow(target: &Target, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let name = match &target.host {
        Host::Address(address) => return dialled::address(*address, target, facts, steps),
        Host::Name(name) => name,
    };
    let Some(named) = facts.table.resolve(name) else {
        return unknown(name, facts.table, steps);
    };
    match named {
        Named::Job { job, port } => {
            let rule = match (&port, facts.table.inside_zone(name)) {
                (Some(port), _) => format!("port `{port}` named in front of its label"),
                (None, Some(prefix)) if prefix == job.label.as_str() => "by its label".to_owned(),
                _ => "by its JOBNAME".to_owned(),
            };
            steps.add("name", format!("`{name}` is job `{}` ({}), {rule}", job.label, job.jobname));
            if entrypoint::is_meant(target, &job, facts) {
                return requested::job(target, &job, port.as_ref(), facts, steps);
            }
            dialled::job(target, &job, port.as_ref(), facts, steps)
        }
        Named::Domain(domain) => {
            steps.add(
                "name",
                match domain.name.is_wildcard() {
                    true => format!("`{name}` is under the wildcard domain `{}`", domain.name),
                    false => format!("`{name}` is a domain"),
                },
            );
            requested::domain(target, &domain, facts, steps)
        }
    }
}

fn unknown(name: &str, table: &Table, steps: &mut Steps) -> Verdict {
    let zone = &table.zone;
    steps.add(
        "name",
        if table.inside_zone(name).is_some() {
            format!("`{name}` is under the zone `{zone}`, but no job has that label, JOBNAME or port")
        } else {
            format!(
                "`{name}` is no domain, and not under the zone `{zone}` (nor its short form `{}`)",
                zone.first_label()
            )
        },
    );
    let near = nearest::nearest(name, table);
    if !near.is_empty() {
        steps.add("hint", format!("did you mean {}?", near.join(", ")));
    }
    Verdict::NoRoute
}

impl Verdict {
    /// The first that is not ok: what fails for some fails.
    fn and(self, other: Verdict) -> Verdict {
        if self == Verdict::Ok { other } else { self }
    }
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, what: &str, detail: impl Into<String>) {
        self.0.push(Step { what: what.to_owned(), detail: detail.into() });
    }
}
