//! What the file wants of one job.

use std::net::IpAddr;

use anyhow::anyhow;
use roundhouse_config::{Check, CheckSpec, DomainName, JobName, JobSpec, Label, Port};
use roundhouse_registry::{Instance, InstanceId, Job};

#[derive(Debug, Clone)]
pub(crate) struct Desired {
    pub(crate) label: Label,
    pub(crate) jobname: JobName,
    pub(crate) ports: Vec<Port>,
    pub(crate) check: Option<Check>,
    pub(crate) instances: Vec<(InstanceId, Instance)>,
    pub(crate) domains: Vec<DomainName>,
}

impl Desired {
    /// Asks DNS for the host of a static job that the file gives no address for.
    pub(crate) async fn read(spec: &JobSpec) -> anyhow::Result<Desired> {
        let asks_dns = spec.is_static && spec.instances.is_empty() && spec.address.is_none();
        let address = match (&spec.host, asks_dns) {
            (Some(host), true) => Some(look_up(host).await?),
            _ => spec.address,
        };
        Ok(Desired::new(spec, address))
    }

    pub(crate) fn new(spec: &JobSpec, address: Option<IpAddr>) -> Desired {
        let listed = spec
            .instances
            .iter()
            .map(|instance| instance_of(spec, instance.address, instance.port, instance.weight));
        let on_host = address.filter(|_| spec.instances.is_empty()).map(|address| {
            let (id, mut instance) = instance_of(spec, address, None, None);
            instance.host = spec.host.as_deref().map(Into::into);
            (id, instance)
        });
        Desired {
            label: spec.label.clone(),
            jobname: spec.jobname.clone(),
            ports: spec.ports.clone(),
            check: match &spec.check {
                Some(CheckSpec::None) => None,
                Some(CheckSpec::Check(check)) => Some(check.clone()),
                None => Some(Check::default()),
            },
            instances: if spec.is_static { listed.chain(on_host).collect() } else { Vec::new() },
            domains: spec.domains.clone(),
        }
    }

    /// The record that is wanted where this one is stored. A file that names no JOBNAME does not take away the one that
    /// a registrar brought: its instances would be refused from then on.
    pub(crate) fn job(&self, stored: Option<&Job>) -> Job {
        let mut job = match stored {
            Some(stored) => stored.clone(),
            None => Job::new(self.jobname.clone(), Vec::new()),
        };
        if self.jobname != JobName::implicit(&self.label) {
            job.jobname = self.jobname.clone();
        }
        // How its instances are dialled is more than the file says.
        let dialled = |port: &Port| {
            let same = |stored: &&Port| stored.name == port.name && stored.protocol == port.protocol;
            let stored = job.ports.iter().find(same).unwrap_or(port);
            Port { port: port.port, ..stored.clone() }
        };
        job.ports = self.ports.iter().map(dialled).collect();
        job.check = self.check.clone();
        job.implicit = false;
        job
    }
}

/// One for each address and port: the same at every `apply`.
fn instance_of(
    spec: &JobSpec,
    address: IpAddr,
    port: Option<u16>,
    weight: Option<u32>,
) -> (InstanceId, Instance) {
    let number = |own: &Port| port.unwrap_or(own.port);
    let ports = spec.ports.iter().map(|own| (own.name.clone(), number(own))).collect();
    let id = InstanceId::of_static(&spec.label, address, spec.ports.first().map_or(0, number));
    let mut instance = Instance::new(address, ports);
    if let Some(line) = &spec.line {
        instance.line = line.clone();
    }
    if let Some(weight) = weight.or(spec.weight) {
        instance.weight = weight;
    }
    (id, instance)
}

async fn look_up(host: &str) -> anyhow::Result<IpAddr> {
    let unknown = |why: &str| {
        anyhow!(
            "host `{host}` is not in the hosts: block, and DNS does not know it ({why}); add hosts: < name: \"{host}\" address: \"10.0.0.1\" >"
        )
    };
    let mut addresses =
        tokio::net::lookup_host((host, 0)).await.map_err(|error| unknown(&error.to_string()))?;
    addresses.next().map(|address| address.ip().to_canonical()).ok_or_else(|| unknown("no address"))
}
