//! The HTTP API of whole gateways: who may do what, every kind of record, conditions, TLS, and a registry that is away.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod conditions;
mod own;
mod pools;
mod quorum;
mod records;
mod roles;
mod secrets;
mod tls;
mod tokens;

use roundhouse_tests::http::Reply;
use roundhouse_tests::{Etcd, Gateway};

/// A gateway and its registry.
struct Site {
    gateway: Gateway,
    etcd: Option<Etcd>,
}

impl Site {
    fn embedded() -> Site {
        Site { gateway: Gateway::start(), etcd: None }
    }

    fn etcd() -> Site {
        let etcd = Etcd::running();
        Site { gateway: Gateway::on(&etcd.url()), etcd: Some(etcd) }
    }

    /// Makes a token and answers its text.
    #[track_caller]
    fn token(&self, id: &str, role: &str, more: &str) -> String {
        let body = format!(r#"{{"id":"{id}","role":"{role}"{more}}}"#);
        let reply = self.gateway.call("POST", "/v1/tokens", &body);
        assert_eq!(reply.status, 201, "{reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        reply.json()["token"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        self.gateway.call_with(method, path, &[("authorization", &bearer)], body)
    }
}

/// RFC 9457, with a sentence that holds this.
#[track_caller]
fn refused(reply: &Reply, status: u16, sentence: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{reply:?}");
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(sentence), "{sentence}: {detail}");
    assert_eq!(reply.header("www-authenticate"), (status == 401).then_some("Bearer"), "{reply:?}");
}

/// The checks of a module as tests on both backends.
macro_rules! on_both_sites {
    ($($check:ident),+ $(,)?) => {
        mod embedded {
            $(#[test]
            fn $check() {
                super::$check(&$crate::Site::embedded());
            })+
        }
        mod etcd {
            $(#[test]
            fn $check() {
                super::$check(&$crate::Site::etcd());
            })+
        }
    };
}
pub(crate) use on_both_sites;
