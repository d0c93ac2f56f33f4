//! Where a record of one's own is kept: etcd itself, or a gateway's HTTP API.

#[cfg(feature = "etcd")]
use std::sync::Arc;

use roundhouse_config::{RegistrySettings, RegistryUrl};

use super::RemoteError;
#[cfg(feature = "http")]
use crate::http::{HttpClient, HttpError};
#[cfg(feature = "etcd")]
use crate::kv::KvError;
use crate::kv::LeaseId;
#[cfg(feature = "etcd")]
use crate::kv::etcd::{Etcd, Options};
#[cfg(feature = "etcd")]
use crate::write::{Registry, WriteError};

pub(crate) enum Target {
    #[cfg(feature = "etcd")]
    Etcd(Registry),
    #[cfg(feature = "http")]
    Http(HttpClient),
}

pub(crate) enum Refusal {
    /// Asking again at once will not help.
    No(String),
    /// Somebody live has the place, perhaps a former self whose lease has not run out.
    Taken(String),
    Unreachable(String),
}

impl Target {
    pub(crate) fn new(registry: &RegistrySettings) -> Result<Target, RemoteError> {
        match &registry.url {
            RegistryUrl::Embedded => Err(RemoteError::NotRemote(registry.url.clone())),
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
                Ok(client) => client.map(Target::Http).ok_or_else(|| RemoteError::NotBuilt(url.clone())),
                Err(error) => Err(RemoteError::Token(error.to_string())),
            },
            #[allow(unreachable_patterns)]
            url => Err(RemoteError::NotBuilt(url.clone())),
        }
    }

    pub(crate) async fn keep_alive(&self, lease: LeaseId) -> Result<bool, Refusal> {
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

    pub(crate) async fn revoke(&self, lease: LeaseId) -> Result<(), Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => Ok(etcd.revoke(lease).await?),
            #[cfg(feature = "http")]
            Target::Http(client) => Ok(client.revoke(lease).await?),
        }
    }
}

impl Refusal {
    pub(crate) fn reason(self) -> String {
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

pub(crate) fn unreachable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unreachable(error.to_string())
}
