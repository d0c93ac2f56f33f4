//! Changes carried out over the API, each only if the record is still as it was read.

use hyper::Method;
use roundhouse_registry::Revision;
use roundhouse_registry::http::HttpError;
use roundhouse_registry::http::registration::{ImplicitJob, RegisterBody};

use crate::cli::server::Server;
use crate::jobs::{Change, Record, Subject};

pub(super) async fn carry_out(change: &Change, server: &Server) -> Result<(), HttpError> {
    let path = match &change.subject {
        Subject::Job(label) => format!("/v1/jobs/{label}"),
        Subject::Instance(label, id) => format!("/v1/instances/{label}/{id}"),
        Subject::Domain(host) => format!("/v1/domains/{host}"),
    };
    match &change.record {
        None => Ok(()),
        Some(Record::Job(job, at)) => {
            let (name, value) = condition(*at);
            server.send(Method::PUT, &path, &[(name, &value)], job).await.map(drop)
        }
        Some(Record::Domain(domain, at)) => {
            let (name, value) = condition(*at);
            server.send(Method::PUT, &path, &[(name, &value)], domain).await.map(drop)
        }
        // The id is made of job, address and port, so whoever has it meant the same instance.
        Some(Record::Instance(instance, jobname, ports)) => {
            let job = Some(ImplicitJob { jobname: Some(jobname.clone()), ports: ports.clone() });
            let body = RegisterBody { instance: instance.clone(), ttl: None, job, pool: None };
            server.send(Method::PUT, &path, &[], &body).await.map(drop)
        }
    }
}

pub(super) fn condition(at: Option<Revision>) -> (&'static str, String) {
    match at {
        Some(revision) => ("If-Match", format!("\"{revision}\"")),
        None => ("If-None-Match", "*".to_owned()),
    }
}
