//! The calls of a registrar, and the JSON that both sides of them speak.

use std::time::Duration;

use hyper::Method;
use roundhouse_config::{JobName, Label, Port, duration};
use serde::{Deserialize, Serialize};

use super::{Answer, HttpClient, HttpError, found};
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
        let answer: RegisteredBody = self.parsed(&answer.body)?;
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
        Ok(Some(self.parsed::<Shown>(&answer.body)?.state))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives one answer, and what it was asked.
    async fn asked<T>(answer: &str, ask: impl AsyncFnOnce(HttpClient) -> T) -> (String, T) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = HttpClient::new(server.local_addr().unwrap().to_string());
        let serve = async {
            let mut stream = server.accept().await.unwrap().0;
            let mut request = vec![0; 4096];
            let mut length = 0;
            loop {
                length += stream.read(&mut request[length..]).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                if text.starts_with("GET ") && text.ends_with("\r\n\r\n") || text.ends_with('}') {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    return text;
                }
            }
        };
        tokio::join!(serve, ask(client))
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_state_is_written_with_its_condition_and_read_back() {
        let (app, id) = ("app".parse::<Label>().unwrap(), InstanceId::random());
        let change = StateChange { state: State::Up, from: Some(vec![State::Up, State::Down]) };
        let write = async |client: HttpClient| client.set_state(&app, id, &change).await.unwrap();
        let (request, state) = asked(&ok(r#"{"state":"maintenance"}"#), write).await;
        assert!(request.starts_with(&format!("POST /v1/instances/app/{id}/state ")), "{request}");
        assert!(request.ends_with(r#"{"state":"up","from":["up","down"]}"#), "{request}");
        assert_eq!(state, Some(State::Maintenance), "it was not changed");
        let read = async |client: HttpClient| client.state(&app, id).await;
        let (_, state) = asked(&ok(r#"{"id":"x","state":"draining","open":3}"#), read).await;
        assert_eq!(state.unwrap(), Some(State::Draining));
        let (_, state) = asked("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", read).await;
        assert_eq!(state.unwrap(), None);
        let (_, state) = asked(&ok("{}"), read).await;
        assert!(matches!(state, Err(HttpError::Strange { .. })));
    }

    #[test]
    fn a_change_without_a_condition_is_a_plain_state() {
        let change: StateChange = serde_json::from_str(r#"{"state":"up"}"#).unwrap();
        assert_eq!((change.state, change.from), (State::Up, None));
    }
}
