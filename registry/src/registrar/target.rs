//! The calls of a registrar besides those of every lease.

use std::time::Duration;

#[cfg(feature = "http")]
use hyper::StatusCode;
use roundhouse_config::Label;

use super::pool::PoolTold;
#[cfg(feature = "http")]
use crate::http::HttpError;
#[cfg(feature = "http")]
use crate::http::registration::{Registered, StateChange};
use crate::kv::LeaseId;
#[cfg(feature = "etcd")]
use crate::record::{Instance, Key, Timestamp, decode};
use crate::record::{InstanceId, State};
#[cfg(feature = "etcd")]
use crate::remote::unreachable;
use crate::remote::{Refusal, Target};
#[cfg(feature = "etcd")]
use crate::write::WriteError;
use crate::write::{NewInstance, NewPool};

impl Target {
    /// The lease, and what was said of the pool: a gateway makes it in the same call.
    #[cfg_attr(
        not(feature = "http"),
        expect(unused_variables, reason = "etcd is asked for the pool by itself")
    )]
    pub(super) async fn register(
        &self,
        new: &NewInstance,
        ttl: Duration,
        pool: Option<&NewPool>,
    ) -> Result<(LeaseId, PoolTold), Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => match etcd.register_leased(new, ttl).await {
                Ok((lease, _)) => Ok((lease, None)),
                Err(WriteError::Kv(error)) => Err(unreachable(error)),
                Err(error @ WriteError::AddressTaken { .. }) => Err(Refusal::Taken(error.to_string())),
                Err(error) => Err(Refusal::No(error.to_string())),
            },
            #[cfg(feature = "http")]
            Target::Http(client) => match client.register(new, ttl, pool).await {
                Ok(Registered { lease, pool }) => Ok((lease, pool)),
                Err(HttpError::Refused { status: StatusCode::CONFLICT, message, field: Some(field) })
                    if field == "address" =>
                {
                    Err(Refusal::Taken(message))
                }
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Makes the pool if there is none; why it is not there, or not for this instance.
    #[cfg_attr(not(feature = "http"), expect(unused_variables, reason = "only a gateway asks for whom"))]
    pub(super) async fn ensure_pool(&self, id: InstanceId, pool: &NewPool) -> Result<(), String> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => {
                let made = etcd.ensure_pool(pool, Timestamp::now().seconds()).await;
                made.map_err(|error| error.to_string())
            }
            #[cfg(feature = "http")]
            Target::Http(client) => client.ensure_pool(id, pool).await.map_err(|error| error.to_string()),
        }
    }

    /// `None`: the key is gone, or nobody can read it.
    pub(super) async fn state(&self, job: &Label, id: InstanceId) -> Result<Option<State>, Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => {
                let key = Key::Instance(job.clone(), id).to_string();
                let entry = etcd.kv().get(&key).await?;
                Ok(entry
                    .and_then(|entry| decode::<Instance>(&entry.value).ok())
                    .map(|instance| instance.state))
            }
            #[cfg(feature = "http")]
            Target::Http(client) => Ok(client.state(job, id).await?),
        }
    }

    /// Writes the state if the stored one is among `from` (`None`: whatever it is), and answers what it is then; `None`:
    /// the key is gone.
    pub(super) async fn set_state(
        &self,
        job: &Label,
        id: InstanceId,
        state: State,
        from: Option<&[State]>,
    ) -> Result<Option<State>, Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => match etcd.set_state_from(job, id, state, from).await {
                Ok((_, state)) => Ok(Some(state)),
                Err(WriteError::NotFound(_)) => Ok(None),
                Err(error) => Err(error.into()),
            },
            #[cfg(feature = "http")]
            Target::Http(client) => {
                let change = StateChange { state, from: from.map(<[State]>::to_vec) };
                Ok(client.set_state(job, id, &change).await?)
            }
        }
    }
}
