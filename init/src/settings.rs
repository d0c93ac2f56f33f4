//! What job-init does, resolved: options laid over the file, defaults filled in, contradictions refused.
//!
//! Precedence: option, environment, file, default. Everything wrong is reported at once.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use roundhouse_config::{Access, JobName, Label, Port, Protocol, RawAccess, RegistrySettings, RegistryUrl};
use roundhouse_registry::InstanceId;
use roundhouse_registry::record::Digest;
use roundhouse_registry::registrar::new_proof;
use roundhouse_registry::write::NewPool;

use crate::exit::ExitMap;
use crate::file;
use crate::options::Options;
use crate::ready::CheckKind;
use crate::rewrite::Rewrites;
use crate::supervise::Policy;

/// Shorter than the 10 s container engines give between TERM and KILL would be enough for most; those who need a
/// whole one raise their engine's limit too.
const GRACE: Duration = Duration::from_secs(10);

/// Longer than a hub needs to hear of the state, and short enough to leave the command half of an engine's 10 s.
const DRAIN_WAIT: Duration = Duration::from_secs(5);

/// The registry's own default: an instance that vanished is gone after it.
const TTL: Duration = Duration::from_secs(10);

/// etcd counts leases in whole seconds.
const SHORTEST_TTL: Duration = Duration::from_secs(1);

const WEIGHT: u32 = 100;

pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) exit_map: ExitMap,
    /// What the command is told about itself; `None` where nothing is known or wanted.
    pub(crate) identity: Option<Identity>,
    /// What is registered, and where.
    pub(crate) plan: Option<Plan>,
}

/// Who the command is. Not to be printed: whoever has its proof is it.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) job: Label,
    /// The JOBNAME as given.
    pub(crate) jobname: Option<JobName>,
    pub(crate) id: InstanceId,
    pub(crate) ports: Vec<Port>,
    /// The token by which the command proves who it is, and its hash.
    pub(crate) proof: (String, Digest),
}

/// What is registered, and where.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) registry: RegistrySettings,
    pub(crate) identity: Identity,
    /// `None`: the one the way to the registry starts from.
    pub(crate) address: Option<IpAddr>,
    pub(crate) line: Option<Label>,
    /// The pool that it wants to be in.
    pub(crate) pool: Option<NewPool>,
    pub(crate) weight: u32,
    pub(crate) version: Option<String>,
    /// Other jobs live at the address too.
    pub(crate) shared_ip: bool,
    pub(crate) ttl: Duration,
    /// The port a connect to which must succeed before anything is registered.
    pub(crate) check: Option<u16>,
}

impl Settings {
    /// Resolves options and environment, and the file where there is one.
    pub(crate) fn resolve(options: Options, config: Option<&Path>) -> Result<Self, Vec<String>> {
        let options = match config {
            Some(path) => options.or(file::read(path)?),
            None => options,
        };
        let mut problems = Vec::new();
        let identity = identity(&options, &mut problems);
        let plan = plan(&options, identity.as_ref(), &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            policy: Policy {
                own_session: !options.single_child.unwrap_or(false),
                rewrites: Rewrites::new(options.rewrite.unwrap_or_default()),
                grace: options.grace.unwrap_or(GRACE),
                drain_wait: options.drain_wait.unwrap_or(DRAIN_WAIT),
            },
            exit_map: ExitMap::new(options.map_exit.unwrap_or_default()),
            identity: identity.filter(|_| !options.no_env.unwrap_or(false)),
            plan,
        })
    }
}

fn identity(options: &Options, problems: &mut Vec<String>) -> Option<Identity> {
    let ports: Vec<Port> = options.port.iter().flatten().map(|argument| argument.0.clone()).collect();
    for (n, port) in ports.iter().enumerate() {
        if ports[..n].iter().any(|earlier| earlier.name == port.name) {
            problems.push(format!("port `{}` is given twice; give each port a name of its own", port.name));
        }
    }
    let job = match (&options.job, &options.jobname) {
        (Some(job), _) => job.clone(),
        (None, Some(jobname)) => {
            let label = jobname.job().parse().map_err(|error| problems.push(format!("jobname: {error}")));
            label.ok()?
        }
        (None, None) => return None,
    };
    let id = options.id.unwrap_or_else(InstanceId::random);
    Some(Identity { job, jobname: options.jobname.clone(), id, ports, proof: new_proof() })
}

fn plan(options: &Options, identity: Option<&Identity>, problems: &mut Vec<String>) -> Option<Plan> {
    let url = options.registry.clone()?;
    if url == RegistryUrl::Embedded {
        problems
            .push("registry `embedded` is inside a gateway; write that gateway's `http://host:8400`".into());
    }
    let access = access(options, &url, problems);
    if options.port.as_ref().is_none_or(Vec::is_empty) {
        problems.push("nothing to register without a port; write `--port main=1111/tcp`".into());
    }
    if options.address.is_some_and(|address| address.is_unspecified() || address.is_multicast()) {
        problems.push("address: nobody can dial it; write the one others reach this instance at".into());
    }
    let ttl = options.ttl.unwrap_or(TTL);
    if ttl < SHORTEST_TTL {
        problems.push("ttl is below one second; write `1s` or more".into());
    }
    if options.job.is_none() && options.jobname.is_none() {
        problems.push("a registry but no job; write `--job app2` or `--jobname job.…`".into());
    }
    let identity = identity?.clone();
    let checked = identity.ports.iter().find(|port| port.protocol != Protocol::Udp);
    let default = RegistrySettings::default();
    let prefix = options.prefix.clone().unwrap_or(default.prefix);
    let pool = options.pool.as_ref().and_then(|pool| {
        let to = identity.ports.first()?.clone();
        Some(NewPool { name: pool.name.clone(), job: identity.job.clone(), to, port: pool.port })
    });
    Some(Plan {
        registry: RegistrySettings { url, prefix, access, record: None },
        check: match options.check.unwrap_or(CheckKind::Tcp) {
            CheckKind::Tcp => checked.map(|port| port.port),
            CheckKind::None => None,
        },
        identity,
        address: options.address,
        line: options.line.clone(),
        pool,
        weight: options.weight.unwrap_or(WEIGHT),
        version: options.app_version.clone(),
        shared_ip: options.shared_ip.unwrap_or(false),
        ttl,
    })
}

fn access(options: &Options, url: &RegistryUrl, problems: &mut Vec<String>) -> Access {
    let raw = RawAccess {
        ca: options.ca.clone(),
        cert: options.cert.clone(),
        key: options.key.clone(),
        user: options.user.clone(),
        password_file: options.password_file.clone(),
        token_file: options.token_file.clone(),
    };
    raw.resolve(url).unwrap_or_else(|found| {
        problems.extend(found.into_iter().map(|(key, message)| format!("{key} {message}")));
        Access::default()
    })
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
