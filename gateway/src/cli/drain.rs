//! `roundhouse drain` and `undrain`: one instance, named as people name it.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::bail;
use hyper::Method;
use roundhouse_config::Label;
use roundhouse_registry::State;
use roundhouse_registry::http::registration::StateChange;
use serde_json::Value;

use super::get::text;
use super::server::Server;
use super::{Outcome, columns};

pub(super) async fn set_state(
    name: &str,
    state: State,
    server: &Server,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let instance = find(name, server).await?;
    let [job, id, before] = ["job", "id", "state"].map(|field| text(&instance[field]));
    let change = StateChange { state, from: None };
    server.send(Method::POST, &format!("/v1/instances/{job}/{id}/state"), &[], &change).await?;
    writeln!(out, "{job}/{id}: {} -> {state}", columns::clean(&before))?;
    Ok(Outcome::Ok)
}

/// The instance that a person means.
pub(super) async fn find(name: &str, server: &Server) -> anyhow::Result<Value> {
    let path = match name.split_once('/') {
        Some((job, _)) => format!("/v1/instances/{}", job.parse::<Label>()?),
        None => "/v1/instances".to_owned(),
    };
    let instances: Vec<Value> = server.get(&path).await?;
    among(name, &instances).cloned()
}

/// `job/<id>`, `job/<beginning of the id>`, `job/<address:port>`, or any of these without the job.
fn among<'a>(name: &str, instances: &'a [Value]) -> anyhow::Result<&'a Value> {
    let wanted = name.split_once('/').map_or(name, |(_, rest)| rest);
    if wanted.is_empty() {
        bail!("`{name}` names no instance; write app2/<id>, the beginning of an id, or app2/<address:port>");
    }
    let address = wanted.parse::<SocketAddr>().ok();
    let fits = |instance: &&Value| match address {
        Some(address) => {
            let mut ports = instance["ports"].as_object().into_iter().flatten();
            instance["address"].as_str().is_some_and(|own| own.parse() == Ok(address.ip()))
                && ports.any(|(_, port)| port.as_u64() == Some(address.port().into()))
        }
        None => instance["id"].as_str().is_some_and(|id| id.starts_with(wanted)),
    };
    let found: Vec<&Value> = instances.iter().filter(fits).collect();
    match found[..] {
        [instance] => Ok(instance),
        [] => bail!("there is no instance `{name}`; `roundhouse get instances` lists them"),
        _ => {
            let names: Vec<_> =
                found.iter().map(|item| format!("{}/{}", text(&item["job"]), text(&item["id"]))).collect();
            bail!("`{name}` fits {} instances; write more of one: {}", found.len(), names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_is_found_by_id_its_beginning_or_its_address() {
        let instances = [
            json!({"job": "a", "id": "0a1b2c3d-1", "address": "10.0.0.7", "ports": {"main": 1111, "web": 80}}),
            json!({"job": "a", "id": "0a1b9999-2", "address": "10.0.0.8", "ports": {"main": 1111}}),
        ];
        let id = |name: &str| {
            among(name, &instances).map(|found| text(&found["id"])).map_err(|error| error.to_string())
        };
        assert_eq!(id("a/0a1b2c3d-1").unwrap(), "0a1b2c3d-1");
        assert_eq!(id("0a1b9").unwrap(), "0a1b9999-2");
        assert_eq!(id("a/10.0.0.8:1111").unwrap(), "0a1b9999-2");
        assert_eq!(id("10.0.0.7:80").unwrap(), "0a1b2c3d-1");
        assert!(id("a/0a1b").unwrap_err().contains("fits 2 instances"));
        assert!(id("a/ff").unwrap_err().contains("there is no instance"));
        assert!(id("a/").unwrap_err().contains("names no instance"));
    }
}
