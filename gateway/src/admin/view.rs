//! What a reader is shown of jobs and instances: the record, and what this gateway knows of it. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use roundhouse_config::{Label, PortName};
use roundhouse_registry::probe::Verdict;
use roundhouse_registry::{Instance, InstanceId, Job, Member, Snapshot, Versioned};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::catch::NotCaught;
use crate::table::{Endpoint, Table, vip_address};

/// The record and the live state of an instance.
#[derive(Serialize)]
pub(super) struct InstanceView<'a> {
    id: InstanceId,
    job: &'a Label,
    #[serde(flatten)]
    record: Cow<'a, Versioned<Instance>>,
    /// No lease: it stays until a person takes it out.
    r#static: bool,
    /// The registry no longer has it; why it is served all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'a str>,
    health: BTreeMap<PortName, &'static str>,
    /// Over all ports; 0 where this gateway does not know the instance yet.
    open: u32,
    served: u64,
    connect_failures: u64,
    /// Why it is never dialled.
    refused: Option<String>,
}

/// One consistent look at everything.
pub(super) struct View<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) table: &'a Table,
    pub(super) not_caught: &'a [NotCaught],
}

impl<'a> View<'a> {
    pub(super) fn vip(&self, label: &Label) -> Option<IpAddr> {
        vip_address(self.table.vips, self.snapshot.vip(label)?)
    }

    /// The record's fields with the label, the VIP and the revision. The record's own `vip`, a wish, is `vip_wish`.
    pub(super) fn job(&self, label: &Label, record: &Versioned<Job>) -> Map<String, Value> {
        let mut fields = match serde_json::to_value(record) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let wish = fields.insert("vip".into(), json!(self.vip(label)));
        fields.insert("vip_wish".into(), wish.unwrap_or_default());
        fields.insert("vip_offset".into(), json!(self.snapshot.vip(label)));
        fields.insert("label".into(), json!(label));
        fields
    }

    pub(super) fn job_summary(&self, label: &Label, record: &Versioned<Job>) -> Map<String, Value> {
        let mut fields = self.job(label, record);
        let instances = self.snapshot.members(label).count();
        let ready = self.snapshot.members(label).filter(|member| {
            let mut endpoints = self.endpoints(label, member.id()).peekable();
            endpoints.peek().is_some() && endpoints.all(|endpoint| endpoint.takes_work())
        });
        fields.insert("ready_count".into(), json!(ready.count()));
        fields.insert("instance_count".into(), json!(instances));
        fields
    }

    pub(super) fn job_details(&self, label: &Label, record: &Versioned<Job>) -> Map<String, Value> {
        let mut fields = self.job(label, record);
        fields.insert("instances".into(), json!(self.instances_of(label).collect::<Vec<_>>()));
        let not_caught: Vec<_> = self.not_caught.iter().filter(|port| port.job == *label).collect();
        fields.insert("not_caught".into(), json!(not_caught));
        fields
    }

    pub(super) fn instances_of(&self, label: &'a Label) -> impl Iterator<Item = InstanceView<'a>> {
        self.snapshot.members(label).map(move |member| self.instance(label, member))
    }

    pub(super) fn instance(&self, job: &'a Label, member: Member<'a>) -> InstanceView<'a> {
        let id = member.id();
        let (record, held) = match member {
            Member::Live(_, record) => (Cow::Borrowed(&**record), None),
            Member::Held(_, record) => {
                let Versioned { value, created, modified, lease } = &**record;
                let instance = value.instance.clone();
                let record =
                    Versioned { value: instance, created: *created, modified: *modified, lease: *lease };
                (Cow::Owned(record), Some(&*value.reason))
            }
        };
        let endpoints: Vec<Arc<Endpoint>> = self.endpoints(job, id).collect();
        InstanceView {
            id,
            job,
            r#static: held.is_none() && record.lease.is_none(),
            record,
            held,
            health: endpoints.iter().map(|endpoint| (endpoint.port.clone(), health(endpoint))).collect(),
            open: endpoints.iter().map(|endpoint| endpoint.live.open.load(Relaxed)).sum(),
            served: endpoints.iter().map(|endpoint| endpoint.live.served.load(Relaxed)).sum(),
            connect_failures: endpoints
                .iter()
                .map(|endpoint| endpoint.live.connect_failures.load(Relaxed))
                .sum(),
            refused: endpoints.iter().find_map(|endpoint| endpoint.refused.clone()),
        }
    }

    /// One for each port that both the job and the instance have.
    fn endpoints(&self, job: &Label, id: InstanceId) -> impl Iterator<Item = Arc<Endpoint>> {
        let ports = self.table.job(job.as_str()).into_iter().flat_map(|job| &job.ports);
        ports.filter_map(move |port| port.endpoints().find(id).cloned())
    }
}

pub(super) fn health(endpoint: &Endpoint) -> &'static str {
    match endpoint.live.verdict() {
        Verdict::Unknown => "unknown",
        Verdict::Healthy => "healthy",
        Verdict::Unhealthy => "unhealthy",
    }
}
