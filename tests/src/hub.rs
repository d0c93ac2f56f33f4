//! A registry with a gateway on it, read through the gateway's HTTP API.

use std::net::SocketAddr;
use std::sync::Arc;

use roundhouse_registry::Source;
use roundhouse_registry::http::HttpClient;
use roundhouse_registry::kv::http::Http;
use roundhouse_registry::{InstanceId, Revision};
use serde_json::Value;

use crate::{Etcd, Gateway};

pub struct Hub {
    pub gateway: Gateway,
    /// `None`: the gateway's own, embedded.
    pub etcd: Option<Etcd>,
}

impl Hub {
    pub fn embedded() -> Hub {
        Hub { gateway: Gateway::start(), etcd: None }
    }

    pub fn etcd() -> Hub {
        let etcd = Etcd::running();
        Hub { gateway: Gateway::on(&etcd.url()), etcd: Some(etcd) }
    }

    /// A reader as another program is one.
    pub fn source(&self) -> Arc<dyn Source> {
        Hub::source_at(self.gateway.admin())
    }

    /// By another way, such as a [`Wire`](crate::Wire).
    pub fn source_at(address: SocketAddr) -> Arc<dyn Source> {
        Arc::new(Http::new(HttpClient::new(address.to_string())))
    }

    /// A write by the API, which must be taken.
    #[track_caller]
    pub fn write(&self, method: &str, path: &str, body: &str) -> Revision {
        let reply = self.gateway.call(method, path, body);
        assert!(matches!(reply.status, 200 | 201 | 204), "{method} {path}: {reply:?}");
        let said = reply.body.parse::<Value>().ok().and_then(|body| body["revision"].as_u64());
        let header = || reply.header("x-roundhouse-revision").and_then(|revision| revision.parse().ok());
        Revision(said.or_else(header).expect("a write is answered with its revision"))
    }

    #[track_caller]
    pub fn put_job(&self, label: &str) -> Revision {
        let record =
            format!(r#"{{"jobname":"job.{label}","ports":[{{"name":"main","port":1111}}],"check":null}}"#);
        self.write("PUT", &format!("/v1/jobs/{label}"), &record)
    }

    /// `ttl`: JSON, `null` for a static one.
    #[track_caller]
    pub fn register(&self, label: &str, port: u16, ttl: &str) -> (InstanceId, Revision) {
        let id = InstanceId::random();
        let address = self.gateway.net.app(0);
        let record = format!(r#"{{"address":"{address}","ports":{{"main":{port}}},"ttl":{ttl}}}"#);
        (id, self.write("PUT", &format!("/v1/instances/{label}/{id}"), &record))
    }

    #[track_caller]
    pub fn set_state(&self, label: &str, id: InstanceId, state: &str) -> Revision {
        let body = format!(r#"{{"state":"{state}"}}"#);
        self.write("POST", &format!("/v1/instances/{label}/{id}/state"), &body)
    }
}
