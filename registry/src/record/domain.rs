//! `domains/<host>`: a public host name and where its requests go.

use roundhouse_config::{Label, PortName};
use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Name, ValueError};

const MAX_ROUTES: usize = 256;
const MAX_PATH: usize = 1_024;
const MAX_DESTINATIONS: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    pub routes: Vec<Route>,
    /// `certs/<name>`; `null`: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Name>,
    /// `pools/<pool>` on whose VIPs clients find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Label>,
    #[serde(default, skip_serializing)]
    redirect: NotServed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    #[serde(default, rename = "match")]
    pub matches: RouteMatch,
    pub to: Vec<Destination>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMatch {
    /// A path prefix that ends at a segment: `/blog` matches `/blog` and `/blog/1`, not `/blogger`.
    #[serde(default = "root")]
    pub path: Box<str>,
    #[serde(default, skip_serializing)]
    method: NotServed,
    #[serde(default, skip_serializing)]
    header: NotServed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    pub job: Label,
    /// Left out: the job's first port of an HTTP protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<PortName>,
    #[serde(default = "default_weight")]
    pub weight: u32,
    #[serde(default, skip_serializing)]
    version: NotServed,
}

/// What the design has and this version does not: a domain that asks for it would be served wrongly, so it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NotServed;

impl<'de> Deserialize<'de> for NotServed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<NotServed, D::Error> {
        match Option::<IgnoredAny>::deserialize(from)? {
            None => Ok(NotServed),
            Some(_) => Err(D::Error::custom("is not served by this version; leave it out")),
        }
    }
}

fn root() -> Box<str> {
    "/".into()
}

fn default_weight() -> u32 {
    100
}

impl Default for RouteMatch {
    fn default() -> RouteMatch {
        RouteMatch { path: root(), method: NotServed, header: NotServed }
    }
}

impl Domain {
    /// Everything under the host name goes to one job.
    pub fn to_job(job: Label) -> Domain {
        let to = vec![Destination { job, port: None, weight: default_weight(), version: NotServed }];
        Domain { routes: vec![Route { matches: RouteMatch::default(), to }], ..Domain::default() }
    }

    pub fn validate(&self) -> Result<(), ValueError> {
        if self.routes.is_empty() || self.routes.len() > MAX_ROUTES {
            let message = format!("{} routes; write 1 to {MAX_ROUTES}", self.routes.len());
            return Err(ValueError::field("routes", message));
        }
        for (i, route) in self.routes.iter().enumerate() {
            let path = &route.matches.path;
            let at = format!("routes[{i}].match.path");
            check_path(&at, path)?;
            if self.routes[..i].iter().any(|other| other.matches == route.matches) {
                let message =
                    format!("`{path}` is the prefix of an earlier route, so this one is never reached");
                return Err(ValueError::field(at, message));
            }
            if route.to.is_empty() || route.to.len() > MAX_DESTINATIONS {
                let message = format!("{} destinations; write 1 to {MAX_DESTINATIONS}", route.to.len());
                return Err(ValueError::field(format!("routes[{i}].to"), message));
            }
            if route.to.iter().all(|to| to.weight == 0) {
                return Err(ValueError::field(
                    format!("routes[{i}].to"),
                    "all weights are 0, so nobody gets a request",
                ));
            }
        }
        Ok(())
    }
}

/// A path prefix, of a route or of a rule.
pub(super) fn check_path(at: impl Into<String>, path: &str) -> Result<(), ValueError> {
    if !path.starts_with('/') || path.len() > MAX_PATH || path.bytes().any(|byte| byte <= b' ' || byte == 127)
    {
        let message = "a path prefix starts with `/` and has no space; write \"/\" for all";
        return Err(ValueError::field(at, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::decode;

    #[test]
    fn the_shape_of_the_documentation_reads() {
        let domain: Domain = decode(
            br#"{"routes":[{"match":{"path":"/"},"to":[{"job":"coding-blog","port":"main","version":null,"weight":100}]}],
                "certificate":null,"pool":null}"#,
        )
        .unwrap();
        assert_eq!(domain.validate(), Ok(()));
        assert_eq!(domain.routes[0].to[0].port, Some("main".parse().unwrap()));
    }

    #[test]
    fn what_would_be_served_wrongly_is_not_served() {
        let refused = |text: &str| decode::<Domain>(text.as_bytes()).unwrap_err().to_string();
        for (text, at) in [
            (r#"{"routes":[{"to":[{"job":"a"}]}],"redirect":"https://b"}"#, "redirect"),
            (r#"{"routes":[{"to":[{"job":"a","version":"2"}]}]}"#, "routes[0].to[0].version"),
            (r#"{"routes":[{"match":{"method":"GET"},"to":[{"job":"a"}]}]}"#, "routes[0].match.method"),
            (r#"{"routes":[{"match":{"header":{"a":"b"}},"to":[{"job":"a"}]}]}"#, "routes[0].match.header"),
        ] {
            let error = refused(text);
            assert!(error.starts_with(at) && error.contains("leave it out"), "{error}");
        }
        let named: Domain =
            decode(br#"{"routes":[{"to":[{"job":"a"}]}],"certificate":"blog","pool":"edge"}"#).unwrap();
        assert_eq!(named.certificate, Some("blog".parse().unwrap()));
        assert_eq!(named.pool, Some("edge".parse().unwrap()));
    }

    #[test]
    fn routes_that_cannot_work_are_refused() {
        let refused =
            |text: &str| decode::<Domain>(text.as_bytes()).unwrap().validate().unwrap_err().to_string();
        assert!(refused(r#"{"routes":[]}"#).contains("write 1 to"));
        assert!(refused(r#"{"routes":[{"to":[]}]}"#).contains("destinations"));
        assert!(
            refused(r#"{"routes":[{"match":{"path":"x"},"to":[{"job":"a"}]}]}"#).contains("starts with `/`")
        );
        assert!(
            refused(r#"{"routes":[{"to":[{"job":"a"}]},{"to":[{"job":"b"}]}]}"#).contains("never reached")
        );
        assert!(refused(r#"{"routes":[{"to":[{"job":"a","weight":0}]}]}"#).contains("all weights are 0"));
    }
}
