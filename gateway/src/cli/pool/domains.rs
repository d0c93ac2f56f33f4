//! The domains that are published at a pool's VIPs.

use anyhow::bail;
use hyper::Method;
use roundhouse_config::{DomainName, Label};
use roundhouse_registry::Revision;
use roundhouse_registry::record::{Destination, Domain, Record as _, Route};
use serde::Deserialize;
use serde_json::Value;

use super::options::PoolOptions;
use crate::cli::server::Server;

#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    domain: Domain,
    revision: Revision,
}

/// A domain that is to be written.
pub(super) struct Planned {
    host: DomainName,
    before: Option<Shown>,
    wanted: Domain,
}

/// What became of it.
pub(super) struct Published {
    pub(super) word: &'static str,
    pub(super) host: DomainName,
}

pub(super) async fn planned(
    hosts: &[DomainName],
    pool: &Label,
    said: &PoolOptions,
    server: &Server,
) -> anyhow::Result<Vec<Planned>> {
    let mut planned = Vec::new();
    for host in hosts {
        let before: Option<Shown> = server.find(&path(host)).await?;
        let wanted = published(host, before.as_ref().map(|shown| &shown.domain), pool, said)?;
        planned.push(Planned { host: host.clone(), before, wanted });
    }
    Ok(planned)
}

fn path(host: &DomainName) -> String {
    format!("/v1/domains/{host}")
}

/// The domain with the pool. A new one leads to the job that was named: a domain that leads nowhere is none.
fn published(
    host: &DomainName,
    before: Option<&Domain>,
    pool: &Label,
    said: &PoolOptions,
) -> anyhow::Result<Domain> {
    let mut domain = match (before, &said.job) {
        (Some(before), _) => before.clone(),
        (None, Some(job)) => {
            let mut to = Destination::new(job.clone());
            to.port.clone_from(&said.port_name);
            let mut domain = Domain::default();
            domain.routes.push(Route { to: vec![to], ..Route::default() });
            domain
        }
        (None, None) => bail!(
            "there is no domain `{host}`, and a pool does not say where it leads; add it first with `roundhouse domain \
             add {host} --to JOB`"
        ),
    };
    domain.pool = Some(pool.clone());
    domain.check()?;
    Ok(domain)
}

impl Planned {
    /// And what the gateway finds odd about it.
    pub(super) async fn write(self, server: &Server) -> anyhow::Result<(Published, Vec<Value>)> {
        let Planned { host, before, wanted } = self;
        let (word, condition) = match before {
            Some(shown) if shown.domain == wanted => {
                return Ok((Published { word: "unchanged", host }, Vec::new()));
            }
            Some(shown) => ("changed", ("If-Match", format!("\"{}\"", shown.revision))),
            None => ("created", ("If-None-Match", "*".to_owned())),
        };
        let answer = server.send(Method::PUT, &path(&host), &[(condition.0, &condition.1)], &wanted).await?;
        let warnings = answer["warnings"].as_array().cloned().unwrap_or_default();
        Ok((Published { word, host }, warnings))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_domain_keeps_its_routes_and_a_new_one_needs_a_job() {
        let (host, pool) = ("a.b".parse().unwrap(), "blog".parse().unwrap());
        let nothing = PoolOptions::default();
        let stored: Domain =
            serde_json::from_str(r#"{"routes":[{"to":[{"job":"app2"}]}],"pool":"x"}"#).unwrap();
        let moved = published(&host, Some(&stored), &pool, &nothing).unwrap();
        assert_eq!((&moved.routes, &moved.pool), (&stored.routes, &Some(pool.clone())));
        let error = published(&host, None, &pool, &nothing).unwrap_err().to_string();
        assert!(error.contains("`roundhouse domain add a.b --to JOB`"), "{error}");
        let said = PoolOptions { job: Some("app3".parse().unwrap()), ..nothing };
        let new = published(&host, None, &pool, &said).unwrap();
        let to = json!([{"match": {"path": "/"}, "to": [{"job": "app3", "weight": 100}]}]);
        assert_eq!(json!(new), json!({"routes": to, "pool": "blog"}));
    }
}
