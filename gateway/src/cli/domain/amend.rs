//! From a domain as it is, and what was asked for, to what it shall be. Pure.
//!
//! A route is found by its path and methods. What is said replaces what is there, what is not said stays: whoever edits the
//! weights of a route does not lose its headers.

use std::num::NonZeroU16;
use std::str::FromStr;

use anyhow::bail;
use roundhouse_config::DomainName;
use roundhouse_registry::Domain;
use roundhouse_registry::record::domain::{Compress, Hsts, Https, Redirect, Rewrite, Scheme, Sticky};
use roundhouse_registry::record::{Destination, Record, Route, RouteMatch};

use super::options::{AddDomain, To};

pub(super) fn amended(before: Option<&Domain>, add: &AddDomain) -> anyhow::Result<Domain> {
    let mut domain = before.cloned().unwrap_or_default();
    if before.is_none() || add.is_of_a_route() {
        amend_route(&mut domain, add)?;
    }
    if add.https_redirect {
        domain.https = Https::Redirect;
    }
    if add.no_https_redirect {
        domain.https = Https::Off;
    }
    if let Some(max_age) = add.hsts {
        let former = domain.hsts.take();
        let told = former.unwrap_or(Hsts { max_age, include_subdomains: false, preload: false });
        domain.hsts = Some(Hsts { max_age, ..told });
    }
    if let Some(name) = &add.certificate {
        domain.certificate = Some(name.clone());
    }
    // What the gateway would refuse is said without asking it.
    domain.check()?;
    Ok(domain)
}

fn amend_route(domain: &mut Domain, add: &AddDomain) -> anyhow::Result<()> {
    let mut matches = RouteMatch::path(add.path.clone());
    matches.methods.clone_from(&add.method);
    let place = match domain.routes.iter().position(|route| route.matches == matches) {
        Some(place) => place,
        None if add.to.is_empty() && add.redirect.is_none() => {
            let (host, route) = (&add.host, matches.described());
            bail!("domain `{host}` has no route {route} yet; say where it leads, as in --to app2");
        }
        None => {
            domain.routes.push(Route { matches, ..Route::default() });
            domain.routes.len() - 1
        }
    };
    let Some(route) = domain.routes.get_mut(place) else { return Ok(()) };
    if !add.to.is_empty() {
        route.to = add.to.iter().map(|To(destination): &To| Destination::clone(destination)).collect();
        route.redirect = None;
    }
    if let Some(target) = &add.redirect {
        route.to.clear();
        route.redirect = Some(target.0.clone());
    }
    if add.strip_path {
        let host = route.rewrite.take().and_then(|rewrite| rewrite.host);
        route.rewrite = Some(Rewrite { prefix: Some("/".into()), host });
    }
    if add.compress && route.compress.is_none() {
        route.compress = Some(Compress::default());
    }
    if let Some(size) = add.max_body {
        route.max_body = Some(size);
    }
    if let Some(cookie) = &add.sticky {
        route.sticky = Some(match route.sticky.take() {
            Some(former) => Sticky { cookie: cookie.clone(), ..former },
            None => Sticky { cookie: cookie.clone(), ttl: None, secure: None, same_site: None },
        });
    }
    Ok(())
}

/// Without the routes of this path.
pub(super) fn without(before: &Domain, host: &DomainName, path: &str) -> anyhow::Result<Domain> {
    let mut domain = before.clone();
    domain.routes.retain(|route| &*route.matches.path != path);
    if domain.routes.len() == before.routes.len() {
        let paths: Vec<&str> = before.routes.iter().map(|route| &*route.matches.path).collect();
        bail!("domain `{host}` has no route of the path `{path}`; it has {}", paths.join(", "));
    }
    if domain.routes.is_empty() {
        bail!(
            "`{path}` is all that domain `{host}` has; take it out whole with `roundhouse domain rm {host}`"
        );
    }
    Ok(domain)
}

impl AddDomain {
    fn is_of_a_route(&self) -> bool {
        !self.to.is_empty()
            || self.redirect.is_some()
            || self.strip_path
            || self.compress
            || self.max_body.is_some()
            || self.sticky.is_some()
    }
}

/// `https://b.net`, `https://b.net:8443/new`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Target(Redirect);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let wrong = || format!("`{text}` is no target; write as in https://b.net, or https://b.net/new");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(wrong()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port.parse::<NonZeroU16>().map_err(|_| wrong())?)),
            None => (authority, None),
        };
        let host: DomainName = host.parse().map_err(|error| format!("{error}; {}", wrong()))?;
        let prefix = (!path.is_empty()).then(|| path.into());
        Ok(Target(Redirect { scheme: Some(scheme), host: Some(host), port, prefix, ..Redirect::default() }))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        add: AddDomain,
    }

    fn add(words: &str) -> AddDomain {
        Line::try_parse_from(std::iter::once("add").chain(words.split(' '))).unwrap().add
    }

    fn after(before: Option<&Domain>, words: &str) -> Domain {
        amended(before, &add(words)).unwrap()
    }

    fn json(domain: &Domain) -> Value {
        serde_json::to_value(domain).unwrap()
    }

    #[test]
    fn a_new_domain_needs_somewhere_to_lead() {
        let first = after(None, "a.b --to app2:web=50 --to app3 --https-redirect --hsts 180d");
        let to = json!([{ "job": "app2", "port": "web", "weight": 50 }, { "job": "app3", "weight": 100 }]);
        let expected = json!({ "routes": [{ "match": { "path": "/" }, "to": to }], "https": "redirect",
            "hsts": { "max_age": "180d", "include_subdomains": false, "preload": false } });
        assert_eq!(json(&first), expected);
        let error = amended(None, &add("a.b --compress")).unwrap_err().to_string();
        assert_eq!(error, "domain `a.b` has no route `/` yet; say where it leads, as in --to app2");
        assert_eq!(after(Some(&first), "a.b --to app2:web=50 --to app3 --https-redirect"), first);
    }

    #[test]
    fn another_path_is_another_route_and_what_is_not_said_stays() {
        let first = after(None, "a.b --to app2 --compress --sticky who");
        let second =
            after(Some(&first), "a.b --path /api --method GET --to api --strip-path --max-body 1MiB");
        assert_eq!(second.routes.len(), 2);
        let third = after(Some(&second), "a.b --to app3 --certificate blog");
        assert_eq!(third.routes[0].to[0].job.as_str(), "app3");
        assert_eq!(third.routes[0].compress, first.routes[0].compress);
        assert_eq!(third.routes[0].sticky, first.routes[0].sticky);
        assert_eq!(third.routes[1], second.routes[1]);
        assert_eq!(json(&third)["certificate"], "blog");
        // Nothing is said of a route, so none is needed.
        assert_eq!(after(Some(&third), "a.b --no-https-redirect"), third);
        let error = amended(Some(&third), &add("a.b --path /x --compress")).unwrap_err().to_string();
        assert!(error.contains("no route `/x` yet"), "{error}");
        let error = amended(Some(&third), &add("a.b --path x --to a")).unwrap_err().to_string();
        assert!(error.starts_with("routes[2].match.path: a path prefix starts with `/`"), "{error}");
    }

    #[test]
    fn a_redirect_is_a_url() {
        let domain = after(None, "a.b --path /old --redirect https://c.d:8443/new");
        let redirect =
            json!({ "scheme": "https", "host": "c.d", "port": 8443, "prefix": "/new", "status": 308 });
        assert_eq!(json(&domain)["routes"][0]["redirect"], redirect);
        let served = after(Some(&domain), "a.b --path /old --to app2");
        assert_eq!((served.routes.len(), &served.routes[0].redirect), (1, &None));
        for wrong in ["c.d", "ftp://c.d", "https://", "https://c.d:0", "https://c d"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_last_route_is_the_domain() {
        let host: DomainName = "a.b".parse().unwrap();
        let domain = after(Some(&after(None, "a.b --to app2")), "a.b --path /api --to api");
        assert_eq!(without(&domain, &host, "/api").unwrap(), after(None, "a.b --to app2"));
        let error = |domain: &Domain, path: &str| without(domain, &host, path).unwrap_err().to_string();
        assert!(error(&domain, "/x").contains("no route of the path `/x`; it has /, /api"));
        let last = after(None, "a.b --to app2");
        assert!(error(&last, "/").contains("take it out whole with `roundhouse domain rm a.b`"));
    }

    #[test]
    fn a_destination_says_what_is_wrong_with_it() {
        for (text, wrong) in
            [("a=x", "whole number"), ("A", "upper-case"), ("a:", "write as in"), ("", "write as in")]
        {
            let error = text.parse::<To>().unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
