//! Getting into etcd: TLS, client certificates, users; and what is said to those who are kept out.
//!
//! ```text
//! tls        certificates, the client's and the server's
//! users      roles as in docs/etcd.md, tokens that etcd forgets, passwords that change
//! programs   a gateway and a job-init on an etcd that asks for all of it
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod programs;
mod tls;
mod users;

use std::time::{Duration, Instant};

use roundhouse_registry::kv::etcd::{Etcd as Kv, Options};
use roundhouse_registry::kv::{KvError, Source};

const PREFIX: &str = "/roundhouse/v1";
const ANSWER: Duration = Duration::from_secs(3);

/// What a first read says to one who is kept out, in time.
async fn refusal(options: Options) -> KvError {
    let began = Instant::now();
    let error = Kv::new(options).list().await.expect_err("let in");
    assert!(began.elapsed() < ANSWER, "{:?}", began.elapsed());
    error
}
