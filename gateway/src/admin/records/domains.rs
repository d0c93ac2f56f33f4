//! Domains: what whoever wrote one would want to know of its jobs, its paths, its redirects and its certificate.

use roundhouse_config::DomainName;
use roundhouse_registry::Domain;
use roundhouse_registry::record::{Key, ValueError};

use super::{Site, Writable};
use crate::admin::Problem;
use crate::table::{DomainEntry, normalised};
use crate::tls::Facts;

impl Writable for Domain {
    fn key(name: &DomainName) -> Key {
        Key::Domain(name.clone())
    }

    fn refusal(&self, host: &DomainName, site: &Site<'_>) -> Result<(), Problem> {
        if site.table.inside_zone(host.as_str()).is_none() {
            return Ok(());
        }
        let zone = &site.table.zone;
        let message =
            format!("names under `{zone}` are the jobs' own, so this one is never asked for; choose another");
        Err(ValueError::field("host", message).into())
    }

    fn warnings(&self, host: &DomainName, site: &Site<'_>) -> Vec<String> {
        let destinations = self.routes.iter().flat_map(|route| &route.to);
        let lacking = destinations.filter_map(|to| site.lacks_port(&to.job, to.port.as_ref()));
        lacking
            .chain(odd_paths(self))
            .chain(rounds(self, host))
            .chain(misses_certificate(self, host, site))
            .collect()
    }
}

/// Paths are matched in one form, so a prefix in another form is nobody's.
fn odd_paths(domain: &Domain) -> impl Iterator<Item = String> + use<'_> {
    domain.routes.iter().filter_map(|route| {
        let path = &*route.matches.path;
        let normal = normalised(path);
        (normal != path).then(|| {
            format!("no request has the path `{path}` by the time that it is matched; write `{normal}`")
        })
    })
}

/// Redirects that only change the path, into one that is theirs again.
fn rounds(domain: &Domain, host: &DomainName) -> Vec<String> {
    let entry = DomainEntry::tried(host, domain);
    let back = entry.routes.iter().filter(|route| entry.leads_back(route, route.path()));
    back.map(|route| {
        let matches = route.matches().described();
        format!("the redirect of {matches} leads to itself, so that clients go round in circles")
    })
    .collect()
}

fn misses_certificate(domain: &Domain, host: &DomainName, site: &Site<'_>) -> Option<String> {
    let name = domain.certificate.as_ref()?;
    let Some(record) = site.snapshot.certs.get(name) else {
        return Some(format!("there is no certificate `{name}` yet"));
    };
    let facts = Facts::of_chain(record.value.chain.pem())?;
    (!facts.covers(host.as_str())).then(|| {
        format!(
            "certificate `{name}` is for {}, not for `{host}`; clients will refuse it",
            facts.names.join(", ")
        )
    })
}
