//! The calls of a registrar, and the JSON that both sides of them speak.

use std::time::Duration;

use hyper::Method;
use roundhouse_config::{JobName, Label, Port, duration};
use serde::{Deserialize, Serialize};

use super::{Answer, HttpClient, HttpError, found};
use crate::kv::{LeaseId, Revision};
use crate::record::{Instance, InstanceId, State};
use crate::write::{NewInstance, NewPool};

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
    /// The pool that the instance wants to be in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolWish>,
}

/// A pool of the instance's own job, which is made if there is none. Also the body of
/// `POST /v1/instances/<job>/<uuid>/pool`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolWish {
    pub name: Label,
    /// The port of the VIPs; left out: that of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The port of the instance that the pool leads to; left out: its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Port>,
}

impl From<&NewPool> for PoolWish {
    fn from(pool: &NewPool) -> PoolWish {
        PoolWish { name: pool.name.clone(), port: pool.port, to: Some(pool.to.clone()) }
    }
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
    /// The pool that the instance is in, if it wanted to be in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Label>,
    /// Why it is not. It is registered all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_error: Option<String>,
}

/// What came of a registration.
#[derive(Debug)]
pub struct Registered {
    pub lease: LeaseId,
    /// `None`: nobody has said anything of the pool yet.
    pub pool: Option<Result<(), String>>,
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
    pub async fn register(
        &self,
        new: &NewInstance,
        ttl: Duration,
        pool: Option<&NewPool>,
    ) -> Result<Registered, HttpError> {
        let body = RegisterBody {
            instance: new.instance.clone(),
            ttl: Some(ttl),
            job: Some(ImplicitJob { jobname: new.jobname.clone(), ports: new.ports.clone() }),
            pool: pool.map(PoolWish::from),
        };
        let path = format!("/v1/instances/{}/{}", new.job, new.id);
        let answer = self.call(Method::PUT, &path, &[], Some(self.json(&body)?)).await?;
        let answer: RegisteredBody = self.parsed(&answer.body)?;
        let lease = answer.lease.unwrap_or_default();
        let lease = lease.parse().map_err(|error: String| self.strange(&error))?;
        // A gateway that knows nothing of pools says nothing of one.
        let pool = match (answer.pool_error, answer.pool) {
            (Some(reason), _) => Some(Err(reason)),
            (None, made) => made.map(|_| Ok(())),
        };
        Ok(Registered { lease, pool })
    }

    /// Makes the pool that the instance wants to be in, if there is none.
    pub async fn ensure_pool(&self, id: InstanceId, pool: &NewPool) -> Result<(), HttpError> {
        let path = format!("/v1/instances/{}/{id}/pool", pool.job);
        self.call(Method::POST, &path, &[], Some(self.json(&PoolWish::from(pool))?)).await.map(drop)
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

    #[tokio::test]
    async fn what_is_said_of_the_pool_is_told_and_silence_is_no_word() {
        let new = NewInstance {
            job: "app".parse().unwrap(),
            id: InstanceId::random(),
            instance: Instance::new([10, 0, 0, 7].into(), [].into()),
            jobname: None,
            ports: Vec::new(),
        };
        let to: Port = serde_json::from_str(r#"{"name":"main","port":1111,"protocol":"udp"}"#).unwrap();
        let pool = NewPool { name: "blog".parse().unwrap(), job: new.job.clone(), to, port: Some(80) };
        let ttl = Duration::from_secs(10);
        for (said, expected) in [
            (r#","pool":"blog""#, Some(Ok(()))),
            (r#","pool_error":"no line""#, Some(Err("no line".to_owned()))),
            ("", None),
        ] {
            let body = format!(r#"{{"id":"x","lease":"1f","ttl":"10s","revision":7{said}}}"#);
            let register = async |client: HttpClient| client.register(&new, ttl, Some(&pool)).await.unwrap();
            let (request, registered) = asked(&ok(&body), register).await;
            let wish =
                r#""pool":{"name":"blog","port":80,"to":{"name":"main","port":1111,"protocol":"udp"}}"#;
            assert!(request.contains(wish), "{request}");
            assert_eq!((registered.lease, registered.pool), (LeaseId(31), expected));
        }
        let ensure = async |client: HttpClient| client.ensure_pool(new.id, &pool).await;
        let (request, done) = asked(&ok("{}"), ensure).await;
        assert!(request.starts_with(&format!("POST /v1/instances/app/{}/pool ", new.id)) && done.is_ok());
    }

    #[test]
    fn a_change_without_a_condition_is_a_plain_state() {
        let change: StateChange = serde_json::from_str(r#"{"state":"up"}"#).unwrap();
        assert_eq!((change.state, change.from), (State::Up, None));
    }
}
