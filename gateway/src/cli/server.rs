//! The gateway that is asked.

use std::path::PathBuf;

use anyhow::anyhow;
use hyper::{Method, StatusCode};
use roundhouse_config::RegistryUrl;
use roundhouse_config::access::ApiAccess;
use roundhouse_registry::http::{HttpClient, HttpError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) struct Server {
    client: HttpClient,
}

impl Server {
    /// `ca`, `token_file`: as the options say; without a file the token is the environment's.
    pub(super) fn new(url: &str, ca: Option<PathBuf>, token_file: Option<PathBuf>) -> anyhow::Result<Server> {
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let access = ApiAccess { ca, token_file };
        let client = match with_scheme.parse::<RegistryUrl>() {
            Ok(url) => HttpClient::at(&url, &access)?,
            Err(_) => None,
        };
        client.map(|client| Server { client }).ok_or_else(|| {
            anyhow!("--server `{url}` is no gateway; write its admin address, as in http://127.0.0.1:8400")
        })
    }

    /// `http://host:port`.
    pub(super) fn url(&self) -> String {
        self.client.server()
    }

    /// For calls whose bodies are streamed.
    pub(super) fn client(&self) -> &HttpClient {
        &self.client
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpError> {
        self.ask(Method::GET, path).await
    }

    /// A body that is answered with one.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, HttpError> {
        let strange = |error: serde_json::Error| HttpError::Strange {
            server: self.client.server(),
            reason: error.to_string(),
        };
        let body = serde_json::to_vec(body).map_err(strange)?;
        let answer = self.client.call(Method::POST, path, &[], Some(body)).await.map_err(pointed)?;
        serde_json::from_slice(&answer.body).map_err(strange)
    }

    /// `None`: there is no such record.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, HttpError> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(HttpError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpError> {
        self.ask(Method::DELETE, path).await
    }

    /// As long as the headers' condition holds.
    pub(super) async fn delete_if(&self, path: &str, headers: &[(&str, &str)]) -> Result<Value, HttpError> {
        let answer = self.client.call(Method::DELETE, path, headers, None).await.map_err(pointed)?;
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// A POST that says everything by its path.
    pub(super) async fn order<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpError> {
        self.ask(Method::POST, path).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, HttpError> {
        let answer = self.client.call(method, path, &[], None).await.map_err(pointed)?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| HttpError::Strange { server: self.client.server(), reason: error.to_string() })
    }

    /// What it answers, if that is JSON.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<Value, HttpError> {
        let body = serde_json::to_vec(body).map_err(|error| HttpError::Strange {
            server: self.client.server(),
            reason: error.to_string(),
        })?;
        let answer = self.client.call(method, path, headers, Some(body)).await.map_err(pointed)?;
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}

/// Nobody answered: how to get somebody who does.
pub(super) fn pointed(error: HttpError) -> HttpError {
    match error {
        HttpError::Unavailable { server, reason } => {
            let hint =
                "start it with `roundhouse run`, or name another gateway with --server or ROUNDHOUSE_SERVER";
            HttpError::Unavailable { server, reason: format!("{reason}; {hint}") }
        }
        error => error,
    }
}

/// Percent-encoding of a query's value or a path's segment (RFC 3986, 2.1): all but unreserved characters.
pub(super) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_admin_address() {
        for good in ["http://127.0.0.1:8400", "http://localhost", "127.0.0.1:8400", "[::1]:1", "https://hub"]
        {
            assert!(Server::new(good, None, Some("token".into())).is_ok(), "{good}");
        }
        for bad in ["etcd://a:1", "http://a:1/path", ""] {
            assert!(Server::new(bad, None, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_query_value_is_encoded() {
        assert_eq!(encoded("http://a.b/ü?x"), "http%3A%2F%2Fa.b%2F%C3%BC%3Fx");
    }
}
