//! What the registry has of what one job of the file is about, by the API.

use roundhouse_registry::record::{ValueError, decode, encode};
use roundhouse_registry::{Domain, Instance, Job, Revision};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::admin::job_record;
use crate::cli::server::Server;
use crate::jobs::{Current, Desired, Stored};

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

pub(super) async fn read(desired: &Desired, server: &Server) -> anyhow::Result<Current> {
    let mut current = Current::default();
    if let Some(fields) = server.find::<Map<String, Value>>(&format!("/v1/jobs/{}", desired.label)).await? {
        add_job(&mut current, fields)?;
    }
    for domain in &desired.domains {
        let shown: Option<ShownDomain> = server.find(&format!("/v1/domains/{domain}")).await?;
        current.domains.extend(shown.map(|shown| (domain.clone(), (shown.domain, shown.revision))));
    }
    Ok(current)
}

/// What `GET /v1/jobs/<label>` answers.
fn add_job(current: &mut Current, fields: Map<String, Value>) -> anyhow::Result<()> {
    let shown: Shown = serde_json::from_value(Value::Object(fields.clone()))?;
    for value in shown.instances {
        let ShownInstance { id, r#static } = serde_json::from_value(value.clone())?;
        let id = id.parse().map_err(|error: String| strange(&error))?;
        let instance: Instance = decode(&encode(&value))?;
        current.instances.insert(id, Stored { instance, is_static: r#static });
    }
    let job = Job { implicit: shown.implicit, ..job_record(fields)? };
    current.job = Some((job, shown.revision));
    Ok(())
}

fn strange(error: &str) -> ValueError {
    ValueError::field("instances", error)
}

#[cfg(test)]
mod tests {
    use roundhouse_config::JobsFile;
    use serde_json::json;

    use super::*;
    use crate::jobs::{Action, plan};

    const FILE: &str = r#"
hosts: < name: "box" address: "10.0.0.9" >
jobs: < name: "db" port: "3306" static: true host: "box" weight: 50 domains: "db.example.net" >
"#;

    #[test]
    fn what_the_api_shows_is_read_back() {
        let file = JobsFile::parse(FILE, "test").unwrap();
        let desired = Desired::new(&file.jobs[0], file.jobs[0].address);
        let (id, instance) = desired.instances[0].clone();
        let mut shown = json!(desired.job(None));
        let mut instance = json!(instance);
        for (field, value) in
            [("id", json!(id)), ("static", json!(true)), ("health", json!({})), ("revision", json!(4))]
        {
            instance[field] = value;
        }
        for (field, value) in [
            ("revision", json!(3)),
            ("vip", json!("127.99.0.1")),
            ("vip_wish", Value::Null),
            ("instances", json!([instance])),
        ] {
            shown[field] = value;
        }
        let mut current = Current::default();
        add_job(&mut current, shown.as_object().cloned().unwrap()).unwrap();
        let changes = plan(&desired, &current);
        assert!(changes[..2].iter().all(|change| change.action == Action::Keep), "{changes:?}");
    }
}
