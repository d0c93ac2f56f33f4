//! The harness: real servers and programs for the tests in this folder, and the waiting that goes with them.
//!
//! ```text
//! Etcd, Background ─► spawn (dies with the test) ─► port 0, a temporary directory, logs shown when the test fails
//! EtcdCluster      ─► three members, killed and frozen one by one; Certificates, Users: who may come in
//! Backend          ─► a registry to test against: embedded, or an Etcd of its own
//! Gateway, Hub     ─► a gateway, and one with the registry that is read through it
//! Server, dial     ─► a TCP server and client of the test's own, byte for byte; Authority: certificates for both
//! Recorder, strict ─► an HTTP instance that keeps every byte, and the reader that it reads with
//! Wire, Meddler    ─► a network that can be cut; somebody who always writes a moment before
//! Judge, Fleet     ─► whether a gateway stayed right through a fault; history: what it applied against what etcd did
//! eventually       ─► wait for a condition with a deadline; nothing here sleeps and hopes
//! ```
//!
//! - Nothing is shared: each test has its own servers, ports and directories, so all may run at once.
//! - Nothing leaks: a program is killed with its whole process group when its value is dropped, and by the kernel when
//!   the test process dies without dropping anything.
//! - What goes wrong is told where it went wrong: a deadline names what was waited for and what was seen last, and a
//!   program's log is printed when the test that started it panics.

// A harness is test code: it may stop where it stands.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod authority;
mod backend;
mod background;
mod client;
pub mod databases;
mod etcd;
mod eventually;
mod fleet;
mod gateway;
pub mod history;
pub mod http;
mod hub;
mod job;
mod judge;
mod load;
mod loopback;
mod meddler;
mod namespaces;
mod port;
pub mod programs;
mod raw;
pub mod recorder;
pub mod sample;
mod server;
pub mod soak;
mod spawn;
pub mod strict;
mod traffic;
pub mod uml;
mod watching;
mod wire;

pub use authority::Authority;
pub use backend::Backend;
pub use background::Background;
pub use client::{End, dial, dial_from, is_reset, knock, listens, read_to_its_end, reset_on_close, try_dial};
pub use etcd::{Certificates, Etcd, EtcdCluster, Users};
pub use eventually::{Look, eventually, eventually_async, seen};
pub use fleet::{App, Fleet};
pub use gateway::{Gateway, ZONE};
pub use hub::Hub;
pub use job::Job;
pub use judge::{Judge, Verdict};
pub use load::{Load, Outcome};
pub use loopback::Loopback;
pub use meddler::Meddler;
pub use namespaces::{in_namespaces, inside, is_root};
pub use port::free_port;
pub use raw::{RawExchange, RawInstance};
pub use recorder::{Recorded, Recorder};
pub use rustix::process::Signal;
pub use server::Server;
pub use tempfile::TempDir;
pub use watching::{changes_until, next_batch, watch_end};
pub use wire::Wire;

use std::time::Duration;

/// For what takes milliseconds: long enough for a loaded machine with two cores, short enough to fail a test.
pub const SOON: Duration = Duration::from_secs(10);

/// Writes each of the named checks (`async fn(&Backend)`) as two tests, `embedded::…` and `etcd::…`.
#[macro_export]
macro_rules! on_both_backends {
    ($($check:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check(&$crate::Backend::embedded()).await;
            })+
        }
        mod etcd {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check(&$crate::Backend::etcd()).await;
            })+
        }
    };
}

/// Writes each of the named checks (`async fn(Hub)`) as two tests, `embedded::…` and `etcd::…`.
#[macro_export]
macro_rules! on_both_hubs {
    ($($check:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check($crate::Hub::embedded()).await;
            })+
        }
        mod etcd {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check($crate::Hub::etcd()).await;
            })+
        }
    };
}
