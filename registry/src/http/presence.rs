//! The calls of a director that says that it is there, and the JSON that both sides of them speak.

use std::time::Duration;

use hyper::{Method, StatusCode};
use roundhouse_config::duration;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::{HttpClient, HttpError, found};
use crate::kv::{LeaseId, Revision};
use crate::record::{Director, Leader, Name, Record, ValueError};

/// What stands in the body of `PUT /v1/directors/<id>` beside the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// Of the lease that is granted; left out with `?lease=`.
    #[serde(default, with = "duration::optional")]
    pub ttl: Option<Duration>,
}

impl Record for Lifetime {
    const MAX: usize = Director::MAX;

    fn check(&self) -> Result<(), ValueError> {
        Ok(())
    }
}

#[derive(Serialize)]
struct Announcement<'a> {
    #[serde(flatten)]
    director: &'a Director,
    #[serde(flatten)]
    lifetime: Lifetime,
}

/// The answer to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AnnouncedBody {
    pub id: String,
    /// Hexadecimal.
    pub lease: String,
    pub revision: Revision,
}

#[derive(Deserialize)]
struct LedBody {
    fence: Revision,
}

/// A record that is there.
#[derive(Deserialize)]
struct Shown<R> {
    #[serde(flatten)]
    record: R,
    revision: Revision,
}

impl HttpClient {
    /// Under a lease of its own from now on.
    pub async fn announce_director(
        &self,
        id: &str,
        director: &Director,
        ttl: Duration,
    ) -> Result<(LeaseId, Revision), HttpError> {
        let body = Announcement { director, lifetime: Lifetime { ttl: Some(ttl) } };
        let path = format!("/v1/directors/{id}");
        let answer = self.call(Method::PUT, &path, &[], Some(self.json(&body)?)).await?;
        let answer: AnnouncedBody = self.parsed(&answer.body)?;
        let lease = answer.lease.parse().map_err(|error: String| self.strange(&error))?;
        Ok((lease, answer.revision))
    }

    /// Under the lease that it has; `None`: that is gone.
    pub async fn put_director(
        &self,
        id: &str,
        director: &Director,
        lease: LeaseId,
    ) -> Result<Option<Revision>, HttpError> {
        let body = Announcement { director, lifetime: Lifetime::default() };
        let path = format!("/v1/directors/{id}?lease={lease}");
        let answer = found(self.call(Method::PUT, &path, &[], Some(self.json(&body)?)).await)?;
        answer.map(|answer| Ok(self.parsed::<AnnouncedBody>(&answer.body)?.revision)).transpose()
    }

    /// When it was written last; `None`: it is gone.
    pub async fn director_revision(&self, id: &str) -> Result<Option<Revision>, HttpError> {
        let shown = self.record::<IgnoredAny>(&format!("/v1/directors/{id}")).await?;
        Ok(shown.map(|shown| shown.revision))
    }

    /// Ends its lease. One that is gone already is no error.
    pub async fn withdraw_director(&self, id: &str, lease: LeaseId) -> Result<(), HttpError> {
        let path = format!("/v1/directors/{id}?lease={lease}");
        found(self.call(Method::DELETE, &path, &[], None).await).map(|_| ())
    }
}

impl HttpClient {
    /// The fence; `None`: the lease is gone.
    pub async fn lead(
        &self,
        name: &Name,
        leader: &Leader,
        lease: LeaseId,
    ) -> Result<Option<Revision>, HttpError> {
        let path = format!("/v1/leaders/{name}?lease={lease}");
        let answer = found(self.call(Method::PUT, &path, &[], Some(self.json(leader)?)).await)?;
        answer.map(|answer| Ok(self.parsed::<LedBody>(&answer.body)?.fence)).transpose()
    }

    /// Who leads, and since which revision; `None`: nobody does.
    pub async fn leader(&self, name: &Name) -> Result<Option<(Revision, Leader)>, HttpError> {
        let Some(shown) = self.record(&format!("/v1/leaders/{name}")).await? else { return Ok(None) };
        Ok(Some((shown.revision, shown.record)))
    }

    /// Leaves the place to others. One that is nobody's already is no error.
    pub async fn resign(&self, name: &Name, lease: LeaseId) -> Result<(), HttpError> {
        let path = format!("/v1/leaders/{name}?lease={lease}");
        found(self.call(Method::DELETE, &path, &[], None).await).map(|_| ())
    }

    async fn record<R: DeserializeOwned>(&self, path: &str) -> Result<Option<Shown<R>>, HttpError> {
        let answer = found(self.call(Method::GET, path, &[], None).await)?;
        answer.map(|answer| self.parsed(&answer.body)).transpose()
    }
}

/// Whether somebody else has the name that the call asks for.
pub(crate) fn is_taken(error: &HttpError, name: &str) -> bool {
    matches!(error, HttpError::Refused { status: StatusCode::CONFLICT, field: Some(field), .. } if field == name)
}
