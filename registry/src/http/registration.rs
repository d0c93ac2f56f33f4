//! The calls of a registrar, and the JSON that both sides of them speak.

use std::time::Duration;

use hyper::{Method, StatusCode};
use roundhouse_config::{JobName, Label, Port, duration};
use serde::{Deserialize, Serialize};

use super::{Answer, HttpClient, HttpError};
use crate::kv::{LeaseId, Revision};
use crate::record::{Instance, InstanceId, State};
use crate::write::NewInstance;

/// The body of `POST /v1/instances/<job>` and `PUT /v1/instances/<job>/<uuid>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisterBody {
    #[serde(flatten)]
    pub instance: Instance,
    /// `null` or left out: a static instance, for boxes that cannot run a registrar.
    #[serde(default, with = "duration::optional")]
    pub ttl: Option<Duration>,
    /// For the implicit job record, when there is none under the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<ImplicitJob>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImplicitJob {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobname: Option<JobName>,
    #[serde(default)]
    pub ports: Vec<Port>,
}

/// The answer to a registration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisteredBody {
    pub id: String,
    /// Hexadecimal; `null` for a static instance.
    pub lease: Option<String>,
    #[serde(default, with = "duration::optional")]
    pub ttl: Option<Duration>,
    pub revision: Revision,
}

/// The body of `POST /v1/instances/<job>/<uuid>/state`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StateBody {
    pub state: State,
}

/// The same, if the state is one of `from`; else it stays, and the answer says what it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StateChange {
    pub state: State,
    /// Left out: whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Vec<State>>,
}

/// What a registrar reads of an instance.
#[derive(Deserialize)]
struct Shown {
    state: State,
}

impl HttpClient {
    pub async fn register(&self, new: &NewInstance, ttl: Duration) -> Result<LeaseId, HttpError> {
        let body = RegisterBody {
            instance: new.instance.clone(),
            ttl: Some(ttl),
            job: Some(ImplicitJob { jobname: new.jobname.clone(), ports: new.ports.clone() }),
        };
        let path = format!("/v1/instances/{}/{}", new.job, new.id);
        let answer = self.call(Method::PUT, &path, &[], Some(self.json(&body)?)).await?;
        let answer: RegisteredBody =
            serde_json::from_slice(&answer.body).map_err(|error| self.strange(&error))?;
        answer.lease.unwrap_or_default().parse().map_err(|error: String| self.strange(&error))
    }

    /// `false`: the lease is gone.
    pub async fn keep_alive(&self, lease: LeaseId) -> Result<bool, HttpError> {
        let path = format!("/v1/leases/{lease}/keepalive");
        Ok(found(self.call(Method::POST, &path, &[], None).await)?.is_some())
    }

    /// `None`: the key is gone.
    pub async fn state(&self, job: &Label, id: InstanceId) -> Result<Option<State>, HttpError> {
        self.shown(self.call(Method::GET, &format!("/v1/instances/{job}/{id}"), &[], None).await)
    }

    /// The state as it is then; `None`: the key is gone.
    pub async fn set_state(
        &self,
        job: &Label,
        id: InstanceId,
        change: &StateChange,
    ) -> Result<Option<State>, HttpError> {
        let path = format!("/v1/instances/{job}/{id}/state");
        self.shown(self.call(Method::POST, &path, &[], Some(self.json(change)?)).await)
    }

    pub async fn revoke(&self, lease: LeaseId) -> Result<(), HttpError> {
        found(self.call(Method::DELETE, &format!("/v1/leases/{lease}"), &[], None).await).map(|_| ())
    }

    fn shown(&self, answer: Result<Answer, HttpError>) -> Result<Option<State>, HttpError> {
        let Some(answer) = found(answer)? else { return Ok(None) };
        let shown: Shown = serde_json::from_slice(&answer.body).map_err(|error| self.strange(&error))?;
        Ok(Some(shown.state))
    }

    fn json(&self, body: &impl Serialize) -> Result<Vec<u8>, HttpError> {
        serde_json::to_vec(body).map_err(|error| self.strange(&error))
    }
}

fn found(answer: Result<Answer, HttpError>) -> Result<Option<Answer>, HttpError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(HttpError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
