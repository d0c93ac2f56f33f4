//! What the file wants of one job.

use std::net::IpAddr;

use anyhow::anyhow;
use roundhouse_config::{Check, CheckSpec, DefaultAccess, DomainName, JobName, JobSpec, Label, Outage, Port};
use roundhouse_registry::{Instance, InstanceId, Job};

#[derive(Debug, Clone)]
pub(crate) struct Desired {
    pub(crate) label: Label,
    /// The record where there is none: what the file leaves out is as a record without it has it.
    record: Job,
    /// What the file says of it.
    access: Option<DefaultAccess>,
    outage: Option<Outage>,
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
            record: record(spec),
            access: spec.served.access,
            outage: spec.served.outage.clone(),
            instances: if spec.is_static { listed.chain(on_host).collect() } else { Vec::new() },
            domains: spec.domains.clone(),
        }
    }

    /// The record that is wanted where this one is stored. A file that names no JOBNAME does not take away the one that
    /// a registrar brought: its instances would be refused from then on. Nor does one that is silent about access let
    /// in whom the record keeps out, or take back a VIP that was wished.
    pub(crate) fn job(&self, stored: Option<&Job>) -> Job {
        let mut job = self.record.clone();
        let Some(stored) = stored else { return job };
        if job.jobname == JobName::implicit(&self.label) {
            job.jobname = stored.jobname.clone();
        }
        job.access = self.access.unwrap_or(stored.access);
        job.outage = self.outage.clone().unwrap_or_else(|| stored.outage.clone());
        job.vip = job.vip.or(stored.vip);
        job
    }
}

/// A job's record by the file alone.
fn record(spec: &JobSpec) -> Job {
    let default = Job::new(spec.jobname.clone(), spec.ports.clone());
    let served = spec.served.clone();
    Job {
        check: match &spec.check {
            Some(CheckSpec::None) => None,
            Some(CheckSpec::Check(check)) => Some(check.clone()),
            None => Some(Check::default()),
        },
        balance: served.balance,
        app: served.app,
        access: served.access.unwrap_or_default(),
        outage: served.outage.unwrap_or_default(),
        drain: served.drain.unwrap_or(default.drain),
        on_unhealthy: served.on_unhealthy,
        timeouts: served.timeouts,
        limits: served.limits,
        hold: served.hold.unwrap_or(default.hold),
        vip: served.vip,
        ..default
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
