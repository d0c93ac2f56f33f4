//! The calls of a presence besides those of every lease.

use std::time::Duration;

#[cfg(feature = "http")]
use crate::http::HttpError;
#[cfg(feature = "http")]
use crate::http::presence::is_taken;
#[cfg(feature = "etcd")]
use crate::kv::KvError;
use crate::kv::{LeaseId, Revision};
use crate::record::{Director, Leader, Name};
#[cfg(feature = "etcd")]
use crate::record::{Key, decode};
use crate::remote::{Refusal, Target};
#[cfg(feature = "etcd")]
use crate::write::WriteError;

impl Target {
    pub(super) async fn announce(
        &self,
        id: &str,
        director: &Director,
        ttl: Duration,
    ) -> Result<(LeaseId, Revision), Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => {
                let (lease, written) = etcd.announce_director(id, director, ttl).await.map_err(of_write)?;
                Ok((lease, written.revision))
            }
            #[cfg(feature = "http")]
            Target::Http(client) => {
                client.announce_director(id, director, ttl).await.map_err(|error| of_call(error, "id"))
            }
        }
    }

    /// What it says from now on; `None`: the lease is gone.
    pub(super) async fn tell(
        &self,
        id: &str,
        director: &Director,
        lease: LeaseId,
    ) -> Result<Option<Revision>, Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => match etcd.put_director(id, director, lease).await {
                Ok(written) => Ok(Some(written.revision)),
                Err(WriteError::Kv(KvError::NoLease(_))) => Ok(None),
                Err(error) => Err(of_write(error)),
            },
            #[cfg(feature = "http")]
            Target::Http(client) => {
                client.put_director(id, director, lease).await.map_err(|error| of_call(error, "id"))
            }
        }
    }

    /// When the record was written last; `None`: it is gone.
    pub(super) async fn told(&self, id: &str) -> Result<Option<Revision>, Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => {
                let entry = etcd.kv().get(&Key::Director(id.to_owned()).to_string()).await?;
                Ok(entry.map(|entry| entry.modified))
            }
            #[cfg(feature = "http")]
            Target::Http(client) => Ok(client.director_revision(id).await?),
        }
    }

    #[cfg_attr(not(feature = "http"), expect(unused_variables))]
    pub(super) async fn withdraw(&self, id: &str, lease: LeaseId) -> Result<(), Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => Ok(etcd.revoke(lease).await?),
            #[cfg(feature = "http")]
            Target::Http(client) => Ok(client.withdraw_director(id, lease).await?),
        }
    }
}

impl Target {
    /// The fence; `None`: the lease is gone.
    pub(super) async fn lead(
        &self,
        name: &Name,
        leader: &Leader,
        lease: LeaseId,
    ) -> Result<Option<Revision>, Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => match etcd.lead(name, leader, lease).await {
                Ok(led) => Ok(Some(led.fence)),
                Err(WriteError::Kv(KvError::NoLease(_))) => Ok(None),
                Err(error) => Err(of_write(error)),
            },
            #[cfg(feature = "http")]
            Target::Http(client) => {
                client.lead(name, leader, lease).await.map_err(|error| of_call(error, "name"))
            }
        }
    }

    /// Who leads, and the fence, since a leader's record is never written over; `None`: nobody does, or nobody can read
    /// who.
    pub(super) async fn leader(&self, name: &Name) -> Result<Option<(Revision, Leader)>, Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => {
                let entry = etcd.kv().get(&Key::Leader(name.clone()).to_string()).await?;
                Ok(entry.and_then(|entry| Some((entry.modified, decode(&entry.value).ok()?))))
            }
            #[cfg(feature = "http")]
            Target::Http(client) => Ok(client.leader(name).await?),
        }
    }

    pub(super) async fn resign(&self, name: &Name, lease: LeaseId) -> Result<(), Refusal> {
        match self {
            #[cfg(feature = "etcd")]
            Target::Etcd(etcd) => etcd.resign(name, lease).await.map_err(of_write),
            #[cfg(feature = "http")]
            Target::Http(client) => Ok(client.resign(name, lease).await?),
        }
    }
}

#[cfg(feature = "etcd")]
fn of_write(error: WriteError) -> Refusal {
    match error {
        WriteError::DirectorTaken { .. } | WriteError::LeaderTaken { .. } => {
            Refusal::Taken(error.to_string())
        }
        error => error.into(),
    }
}

/// `name`: the field whose value somebody else may have.
#[cfg(feature = "http")]
fn of_call(error: HttpError, name: &str) -> Refusal {
    if is_taken(&error, name) { Refusal::Taken(error.to_string()) } else { error.into() }
}
