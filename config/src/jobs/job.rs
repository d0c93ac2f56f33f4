//! One job of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::str::FromStr;

use super::check::{self, CheckSpec};
use super::fields::Fields;
use super::host;
use super::port;
use super::served::{self, Served};
use crate::names::{DomainName, JobName, Label};
use crate::problem::Place;
use crate::service::Port;

/// One job of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    pub label: Label,
    /// What the file says, or `job.<label>`.
    pub jobname: JobName,
    pub image: Option<String>,
    /// Where it runs, lower-cased: a name, or an address written in place of one.
    pub host: Option<String>,
    /// The host's address, where the `hosts:` block has it or `host` is one; else DNS knows.
    pub address: Option<IpAddr>,
    /// At least one; `port: "9999"` is the one called `main`.
    pub ports: Vec<Port>,
    /// The environment in the order of the file, each key once.
    pub envs: Vec<(String, String)>,
    /// The carrier line its instances are on.
    pub line: Option<Label>,
    /// 1 to 1000.
    pub weight: Option<u32>,
    /// `None` where the file says nothing.
    pub check: Option<CheckSpec>,
    pub served: Served,
    pub domains: Vec<DomainName>,
    /// Its instances come from this file, not from job-init.
    pub is_static: bool,
    /// The instances of a static job; where empty, it is one on `host`.
    pub instances: Vec<StaticInstance>,
    /// Where the file has it.
    pub place: Place,
}

/// An instance that the file lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticInstance {
    pub address: IpAddr,
    /// In place of the job's only port.
    pub port: Option<u16>,
    /// 1 to 1000.
    pub weight: Option<u32>,
}

/// A job together with the paths that [`super::clash`] speaks of.
pub(super) struct Draft {
    pub(super) job: JobSpec,
    pub(super) path: String,
    /// One for each of the job's ports.
    pub(super) ports: Vec<String>,
    /// One for each of the job's instances.
    pub(super) instances: Vec<String>,
    /// One for each of the job's domains.
    pub(super) domains: Vec<String>,
}

/// Reads one job. What is wrong with it is noted and left out of it; without a label it is no job at all.
pub(super) fn read(fields: &Fields<'_>, hosts: &BTreeMap<String, IpAddr>) -> Option<Draft> {
    let label = fields.required("name", "app", Label::from_str);
    let host = host(fields);
    let address = host.as_ref().and_then(|host| hosts.get(host).copied().or_else(|| host.parse().ok()));
    let (ports, port_paths): (Vec<_>, _) = port::read_all(fields).into_iter().unzip();
    let (instances, instance_paths): (Vec<_>, _) = instances(fields, &ports).into_iter().unzip();
    let (domain_paths, domains) = fields.parsed_list("domains").into_iter().unzip();
    let jobname = fields.parsed("jobname");
    let envs = envs(fields);
    let check = fields.message("check").map(|fields| check::read(&fields));
    let served = served::read(fields);
    let is_static = fields.truth("static").unwrap_or_default();
    if is_static && instances.is_empty() && !fields.has("instances") && host.is_none() {
        let hint = "write run_on_host: \"host-1\", or instances: < address: \"10.0.0.1\" >";
        let message = "is said of a job that has neither a host nor instances";
        fields.report.wrong_with_hint(&fields.path_of("static"), message, hint);
    }
    if !is_static && fields.has("instances") {
        fields.wrong("instances", "are listed for a job that is not static; write static: true beside them");
    }
    let line = fields.parsed("line");
    let weight = weight(fields);
    let image = fields.filled("image").map(str::to_owned);

    let label = label?;
    let job = JobSpec {
        jobname: jobname.unwrap_or_else(|| JobName::implicit(&label)),
        label,
        image,
        host,
        address,
        ports,
        envs,
        line,
        weight,
        check,
        served,
        domains,
        is_static,
        instances,
        place: fields.report.nearest(fields.path()),
    };
    let path = fields.path().to_owned();
    Some(Draft { job, path, ports: port_paths, instances: instance_paths, domains: domain_paths })
}

fn host(fields: &Fields<'_>) -> Option<String> {
    let old = fields.read("host", host::host_name);
    let new = fields.read("run_on_host", host::host_name);
    if let (Some(old), Some(new)) = (&old, &new)
        && old != new
    {
        let first = fields.report.reference(&fields.path_of("host"));
        let message =
            format!("says `{new}`, but host: says `{old}`, at {first}; they mean the same, write one");
        fields.wrong("run_on_host", message);
    }
    new.or(old)
}

fn envs(fields: &Fields<'_>) -> Vec<(String, String)> {
    let mut keys = BTreeSet::new();
    let mut envs = Vec::new();
    for env in fields.messages("envs") {
        let key = env.required("key", "http_port", env_key);
        let value = env.text("value").unwrap_or_default();
        if value.contains('\0') {
            env.wrong("value", "has a NUL, which no environment can hold");
        }
        let Some(key) = key else { continue };
        if !keys.insert(key.clone()) {
            env.wrong("key", format!("`{key}` is set twice; write it once"));
        }
        envs.push((key, value.to_owned()));
    }
    envs
}

/// The rule of environ(7): a name without `=`.
fn env_key(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['=', '\0']) {
        return Err("is no name of an environment variable; write as in `http_port`".to_owned());
    }
    Ok(text.to_owned())
}

fn instances(fields: &Fields<'_>, ports: &[Port]) -> Vec<(StaticInstance, String)> {
    let read = |instance: &Fields<'_>| {
        let address = instance.required("address", "10.0.0.1", host::address);
        let port = instance.read("port", port::number);
        if port.is_some() && ports.len() > 1 {
            instance.wrong("port", "does not say which of the job's ports it is; leave it out");
        }
        if instance.has("port") && port.is_none() {
            return None;
        }
        let instance_weight = weight(instance);
        let found = StaticInstance { address: address?, port, weight: instance_weight };
        Some((found, instance.path().to_owned()))
    };
    fields.messages("instances").iter().filter_map(read).collect()
}

fn weight(fields: &Fields<'_>) -> Option<u32> {
    let weight = fields.count("weight")?;
    if !(1..=1000).contains(&weight) {
        fields.wrong("weight", format!("{weight} is out of bounds; write 1 to 1000, where 100 is the usual"));
    }
    Some(weight)
}
