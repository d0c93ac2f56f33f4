//! What `roundhouse domain` takes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use roundhouse_config::{ByteSize, DomainName, Label, PortName, duration};
use roundhouse_registry::record::domain::{CookieName, Method};
use roundhouse_registry::record::{Destination, Name};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DomainCommand {
    /// Add a domain, or a route to one; what is there already is amended by what is said.
    Add(AddDomain),
    /// Take out a domain, or its routes of one path.
    Rm {
        host: DomainName,
        /// Only the routes of this path.
        #[arg(long, value_name = "PATH")]
        path: Option<Box<str>>,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AddDomain {
    pub(in crate::cli) host: DomainName,
    /// Where the route leads: a job, its port (else its first of HTTP), its weight (else 100). May be repeated.
    #[arg(long, value_name = "JOB[:PORT][=WEIGHT]", conflicts_with = "redirect")]
    pub(in crate::cli) to: Vec<To>,
    /// Where the route sends clients instead: a scheme and host, and what replaces the path, as in https://b.net/new.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) redirect: Option<super::amend::Target>,
    /// The path that the route is for, with all below it.
    #[arg(long, default_value = "/")]
    pub(in crate::cli) path: Box<str>,
    /// A method that the route is for alone. May be repeated.
    #[arg(long)]
    pub(in crate::cli) method: Vec<Method>,
    /// Take the route's path away before an instance sees it.
    #[arg(long)]
    pub(in crate::cli) strip_path: bool,
    /// Compress what the route answers, for clients that can undo it.
    #[arg(long)]
    pub(in crate::cli) compress: bool,
    /// The largest body of a request on the route, such as 10MiB.
    #[arg(long, value_name = "SIZE")]
    pub(in crate::cli) max_body: Option<ByteSize>,
    /// Keep each client at its instance, by a cookie of this name.
    #[arg(long, value_name = "COOKIE")]
    pub(in crate::cli) sticky: Option<CookieName>,
    /// certs/<NAME>, which must be there and have the domain's name.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) certificate: Option<Name>,
    /// Send requests without TLS to https.
    #[arg(long)]
    pub(in crate::cli) https_redirect: bool,
    /// Serve requests without TLS.
    #[arg(long, conflicts_with = "https_redirect")]
    pub(in crate::cli) no_https_redirect: bool,
    /// For how long browsers come by https alone once they did, such as 180d; 0s: they forget it.
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    pub(in crate::cli) hsts: Option<Duration>,
}

/// `app2`, `app2:web`, `app2:web=50`, `app2=50`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct To(pub(super) Destination);

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<To, String> {
        let (place, weight) = match text.split_once('=') {
            Some((place, weight)) => (place, Some(weight)),
            None => (text, None),
        };
        let (job, port) = match place.split_once(':') {
            Some((job, port)) => (job, Some(port)),
            None => (place, None),
        };
        let error = |error: &dyn fmt::Display| format!("{error}; write as in app2, app2:web or app2:web=50");
        let job: Label = job.parse().map_err(|wrong| error(&wrong))?;
        let port: Option<PortName> = port.map(str::parse).transpose().map_err(|wrong| error(&wrong))?;
        let weight = weight.map(str::parse).transpose();
        let weight = weight.map_err(|_| error(&"a weight is a whole number"))?;
        let mut destination = Destination::new(job);
        destination.port = port;
        destination.weight = weight.unwrap_or(destination.weight);
        Ok(To(destination))
    }
}
