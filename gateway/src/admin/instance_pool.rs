//! The pool that an instance wants to be in: made as part of its registration, or asked for again later.
//!
//! A registrar may not write pools. It may have one made that leads to its own instance's job, at a port of the instance,
//! if there is none of that name; nothing that is there is changed.

use axum::Json;
use axum::extract::State;
use roundhouse_config::{Label, Port};
use roundhouse_registry::http::registration::PoolWish;
use roundhouse_registry::record::{Timestamp, ValueError};
use roundhouse_registry::write::NewPool;
use roundhouse_registry::{Instance, InstanceId};
use serde_json::{Value, json};

use super::caller::Caller;
use super::extract::{Body, NoPrecondition, Segment};
use super::instances::ports_of;
use super::{Api, Problem, own};

/// `POST /v1/instances/{label}/{id}/pool`
pub(super) async fn post(
    State(api): State<Api>,
    caller: Caller,
    Segment(label): Segment<Label>,
    Segment(id): Segment<InstanceId>,
    _: NoPrecondition,
    Body(wish): Body<PoolWish>,
) -> Result<Json<Value>, Problem> {
    let wanted = {
        let snapshot = api.shared.store.load();
        let instance = own::admit_instance(&caller, &snapshot, &label, id)?;
        wanted(&label, &instance.value, &ports_of(&instance.value), wish)?
    };
    ensure(&api, &wanted).await?;
    Ok(Json(json!({ "id": id, "job": label, "pool": wanted.name })))
}

/// The pool as it would be made; `ports` in the order in which the registrar has them.
pub(super) fn wanted(
    job: &Label,
    instance: &Instance,
    ports: &[Port],
    wish: PoolWish,
) -> Result<NewPool, ValueError> {
    let PoolWish { name, port, to } = wish;
    if port == Some(0) {
        return Err(ValueError::field("pool.port", "port 0 cannot be dialled; write 1 to 65535"));
    }
    let serves = |port: &&Port| instance.ports.get(&port.name) == Some(&port.port);
    let Some(to) = to.as_ref().or_else(|| ports.iter().find(serves)) else {
        return Err(ValueError::field(
            "pool.to",
            "the instance has no port; write the one that the pool leads to",
        ));
    };
    if !serves(&to) {
        let message = format!("the instance has no port `{}` at {}; write one of its own", to.name, to.port);
        return Err(ValueError::field("pool.to", message));
    }
    Ok(NewPool { name, job: job.clone(), to: to.clone(), port })
}

pub(super) async fn ensure(api: &Api, wanted: &NewPool) -> Result<(), Problem> {
    api.write(api.shared.registry.ensure_pool(wanted, Timestamp::now().seconds())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_leads_to_a_port_of_the_instance() {
        let ports = [("main".parse().unwrap(), 1111), ("web".parse().unwrap(), 80)].into();
        let instance = Instance::new([10, 0, 0, 7].into(), ports);
        let job: Label = "app2".parse().unwrap();
        let told: Vec<Port> = serde_json::from_str(
            r#"[{"name":"gone","port":7},{"name":"web","port":80,"protocol":"http"},{"name":"main","port":1111}]"#,
        )
        .unwrap();
        let of = |wish: &str, ports: &[Port]| {
            wanted(&job, &instance, ports, serde_json::from_str(wish).unwrap())
                .map_err(|error| error.to_string())
        };
        let first = of(r#"{"name":"blog"}"#, &told).unwrap();
        assert_eq!((first.to.name.as_str(), first.port, &first.job), ("web", None, &job));
        let named =
            of(r#"{"name":"blog","port":443,"to":{"name":"main","port":1111,"protocol":"udp"}}"#, &[]);
        assert_eq!(named.unwrap().port, Some(443));
        for (wish, wrong) in [
            (r#"{"name":"blog","port":0}"#, "pool.port: "),
            (
                r#"{"name":"blog","to":{"name":"main","port":80}}"#,
                "pool.to: the instance has no port `main` at 80",
            ),
        ] {
            assert!(of(wish, &told).unwrap_err().starts_with(wrong), "{wish}");
        }
        assert!(
            of(r#"{"name":"blog"}"#, &told[..1])
                .unwrap_err()
                .starts_with("pool.to: the instance has no port")
        );
    }
}
