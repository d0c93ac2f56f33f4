//! The calls of a director that says that it is there, and the JSON that both sides of them speak.

use std::time::Duration;

use hyper::{Method, StatusCode};
use roundhouse_config::duration;
use serde::{Deserialize, Serialize};

use super::{HttpClient, HttpError, found};
use crate::kv::{LeaseId, Revision};
use crate::record::{Director, Record, ValueError};

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

/// What is read of a record that is there.
#[derive(Deserialize)]
struct Shown {
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
        let answer = found(self.call(Method::GET, &format!("/v1/directors/{id}"), &[], None).await)?;
        answer.map(|answer| Ok(self.parsed::<Shown>(&answer.body)?.revision)).transpose()
    }

    /// Ends its lease. One that is gone already is no error.
    pub async fn withdraw_director(&self, id: &str, lease: LeaseId) -> Result<(), HttpError> {
        let path = format!("/v1/directors/{id}?lease={lease}");
        found(self.call(Method::DELETE, &path, &[], None).await).map(|_| ())
    }
}

/// Whether somebody else has the name that the call asks for.
pub(crate) fn is_taken(error: &HttpError, name: &str) -> bool {
    matches!(error, HttpError::Refused { status: StatusCode::CONFLICT, field: Some(field), .. } if field == name)
}
