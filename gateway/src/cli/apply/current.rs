//! What the registry has of what one job of the file is about.

use std::collections::BTreeMap;

use roundhouse_config::DomainName;
use roundhouse_registry::record::{ValueError, decode, encode};
use roundhouse_registry::{Domain, Instance, InstanceId, Job, Revision};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::desired::Desired;
use crate::admin::job_record;
use crate::cli::server::Server;

#[derive(Debug, Clone, Default)]
pub(super) struct Current {
    pub(super) job: Option<(Job, Revision)>,
    pub(super) instances: BTreeMap<InstanceId, Stored>,
    pub(super) domains: BTreeMap<DomainName, (Domain, Revision)>,
}

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) instance: Instance,
    /// No lease holds it: this file, or a person, put it there.
    pub(super) is_static: bool,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    implicit: bool,
    revision: Revision,
    instances: Vec<Value>,
}

#[derive(Deserialize)]
struct ShownInstance {
    id: String,
    r#static: bool,
}

#[derive(Deserialize)]
struct ShownDomain {
    #[serde(flatten)]
    domain: Domain,
    revision: Revision,
}

impl Current {
    pub(super) async fn read(desired: &Desired, server: &Server) -> anyhow::Result<Current> {
        let mut current = Current::default();
        if let Some(fields) =
            server.find::<Map<String, Value>>(&format!("/v1/jobs/{}", desired.label)).await?
        {
            current.add_job(fields)?;
        }
        for domain in &desired.domains {
            let shown: Option<ShownDomain> = server.find(&format!("/v1/domains/{domain}")).await?;
            current.domains.extend(shown.map(|shown| (domain.clone(), (shown.domain, shown.revision))));
        }
        Ok(current)
    }

    /// What `GET /v1/jobs/<label>` answers.
    pub(super) fn add_job(&mut self, fields: Map<String, Value>) -> anyhow::Result<()> {
        let shown: Shown = serde_json::from_value(Value::Object(fields.clone()))?;
        for value in shown.instances {
            let ShownInstance { id, r#static } = serde_json::from_value(value.clone())?;
            let id = id.parse().map_err(|error: String| strange(&error))?;
            let instance: Instance = decode(&encode(&value))?;
            self.instances.insert(id, Stored { instance, is_static: r#static });
        }
        let job = Job { implicit: shown.implicit, ..job_record(fields)? };
        self.job = Some((job, shown.revision));
        Ok(())
    }
}

fn strange(error: &str) -> ValueError {
    ValueError::field("instances", error)
}
