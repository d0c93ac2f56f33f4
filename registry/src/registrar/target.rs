//! Where a registrar registers: etcd itself, or a gateway's HTTP API. The calls are the same five.

#[cfg(feature = "etcd")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "http")]
use hyper::StatusCode;
use roundhouse_config::{Label, RegistrySettings, RegistryUrl};

use super::RegistrarError;
use super::pool::PoolTold;
#[cfg(feature = "http")]
use crate::http::registration::{Registered, StateChange};
#[cfg(feature = "http")]
use crate::http::{HttpClient, HttpError};
#[cfg(feature = "etcd")]
use crate::kv::KvError;
use crate::kv::LeaseId;
#[cfg(feature = "etcd")]
use crate::kv::etcd::{Etcd, Options};
#[cfg(feature = "etcd")]
use crate::record::{Instance, Key, Timestamp, decode};
use crate::record::{InstanceId, State};
use crate::write::{NewInstance, NewPool};
#[cfg(feature = "etcd")]
use crate::write::{Registry, WriteError};

pub(super) enum Target {
    #[cfg(feature = "etcd")]
    Etcd(Registry),
    #[cfg(feature = "http")]
    Http(HttpClient),
}

pub(super) enum Refusal {
    /// Asking again at once will not help.
    No(String),
    /// Another live instance has the address, perhaps a former self whose lease has not run out.
    Taken(String),
    Unreachable(String),
}

impl Target {
    pub(super) fn new(registry: &RegistrySettings) -> Result<Target, RegistrarError> {
        match &registry.url {
            RegistryUrl::Embedded => Err(RegistrarError::NotRemote(registry.url.clone())),
            #[cfg(feature = "etcd")]
            RegistryUrl::Etcd { endpoints } => {
                let options = Options {
                    endpoints: endpoints.clone(),
                    prefix: registry.prefix.clone(),
                    access: registry.access.clone(),
                };
                Ok(Target::Etcd(Registry::new(Arc::new(Etcd::new(options)))))
            }
            #[cfg(feature = "http")]
            url @ RegistryUrl::Http { .. } => match HttpClient::at(url, &registry.access.api) {
                Ok(client) => client.map(Target::Http).ok_or_else(|| RegistrarError::NotBuilt(url.clone())),
                Err(error) => Err(RegistrarError::Token(error.to_string())),
            },
            #[allow(unreachable_patterns)]
            url => Err(RegistrarError::NotBuilt(url.clone())),
        }
    }

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

    pub(super) async fn keep_alive(&self, lease: LeaseId) -> Result<bool, Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => match etcd.keep_alive(lease).await {
                Ok(()) => Ok(true),
                Err(KvError::NoLease(_)) => Ok(false),
                Err(error) => Err(error.into()),
            },
            #[cfg(feature = "http")]
            Target::Http(client) => Ok(client.keep_alive(lease).await?),
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

    pub(super) async fn revoke(&self, lease: LeaseId) -> Result<(), Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => Ok(etcd.revoke(lease).await?),
            #[cfg(feature = "http")]
            Target::Http(client) => Ok(client.revoke(lease).await?),
        }
    }
}

impl Refusal {
    pub(super) fn reason(self) -> String {
        match self {
            Refusal::No(reason) | Refusal::Taken(reason) | Refusal::Unreachable(reason) => reason,
        }
    }
}

#[cfg(feature = "http")]
impl From<HttpError> for Refusal {
    fn from(error: HttpError) -> Refusal {
        match error {
            // 5xx: the gateway is there, its registry is not.
            HttpError::Refused { status, message, .. } if !status.is_server_error() => Refusal::No(message),
            error => unreachable(error),
        }
    }
}

#[cfg(feature = "etcd")]
impl From<KvError> for Refusal {
    fn from(error: KvError) -> Refusal {
        match error {
            KvError::Unavailable { .. } => unreachable(error),
            error => Refusal::No(error.to_string()),
        }
    }
}

#[cfg(feature = "etcd")]
impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Refusal {
        match error {
            WriteError::Kv(error) => error.into(),
            WriteError::Busy(_) => unreachable(error),
            error => Refusal::No(error.to_string()),
        }
    }
}

fn unreachable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unreachable(error.to_string())
}
