//! A real etcd of the test's own, on loopback, in a temporary directory: one member ([`Etcd`]) or three
//! ([`EtcdCluster`]), with TLS ([`Certificates`]) and [`Users`] where a test wants them.

mod certificates;
mod cluster;
mod member;
mod users;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roundhouse_config::Access;
use roundhouse_registry::Kv;
use roundhouse_registry::kv::etcd::Options;
use rustix::process::Signal;

pub use self::certificates::Certificates;
pub use self::cluster::EtcdCluster;
use self::member::Member;
pub use self::users::Users;
use crate::eventually;

/// A start takes a quarter of a second; a machine that compiles meanwhile takes longer.
const START: Duration = Duration::from_secs(20);
/// A member alone elects itself after one election timeout; and the least lease is 1.5 of them, so 1 s then.
const TIMES: &[&str] = &["--heartbeat-interval", "20", "--election-timeout", "200"];

/// The server. Dropping it kills it and deletes its data.
#[derive(Debug)]
pub struct Etcd {
    member: Member,
    tls: Option<Certificates>,
}

impl Etcd {
    /// A new, empty one that runs.
    ///
    /// # Panics
    /// When there is no etcd on this machine, or it does not start.
    #[track_caller]
    pub fn running() -> Etcd {
        let mut etcd = Etcd::stopped();
        etcd.run(true);
        etcd
    }

    /// One that clients reach at another address of this machine too, which can be cut off.
    #[track_caller]
    pub fn also_at(address: IpAddr) -> Etcd {
        let mut etcd = Etcd::stopped();
        etcd.member.also = Some(address);
        etcd.run(true);
        etcd
    }

    /// One that speaks TLS only, and wants a certificate of every client.
    #[track_caller]
    pub fn with_tls() -> Etcd {
        let mut etcd = Etcd { tls: Some(Certificates::new()), ..Etcd::stopped() };
        etcd.run(true);
        etcd
    }

    /// One that has never run; its address is known already.
    pub fn stopped() -> Etcd {
        Etcd { member: Member::stopped(), tls: None }
    }

    /// As an operator writes it: `etcd://127.0.0.1:PORT`, or `etcds://…`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "etcds" } else { "etcd" };
        format!("{scheme}://127.0.0.1:{}", self.member.port)
    }

    /// As an etcd client dials it.
    pub fn endpoints(&self) -> Vec<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        vec![format!("{scheme}://127.0.0.1:{}", self.member.port)]
    }

    pub fn port(&self) -> u16 {
        self.member.port
    }

    /// Its own, if it speaks TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.tls.as_ref()
    }

    /// How to get in, but for a user.
    pub fn options(&self, prefix: &str) -> Options {
        let access = Access { tls: self.tls.as_ref().map(Certificates::tls), ..Access::default() };
        Options { access, ..Options::plain(&self.endpoints(), prefix) }
    }

    /// A connection of its own under the prefix.
    pub async fn kv(&self, prefix: &str) -> Arc<dyn Kv> {
        kv(self.options(prefix))
    }

    /// The bare client, for what somebody else does to the store: compaction, keys outside the prefix. Without TLS.
    pub async fn client(&self) -> etcd_client::Client {
        plain_client(&self.endpoints()).await
    }

    /// Runs again, at the same address with the same data, and answers when it is back.
    #[track_caller]
    pub fn start(&mut self) {
        self.run(false);
    }

    /// SIGTERM, as an operator stops it, and waits for the end.
    #[track_caller]
    pub fn stop(&mut self) {
        self.member.end(Signal::TERM);
    }

    /// SIGKILL, as the power goes, and waits for the end.
    #[track_caller]
    pub fn kill9(&mut self) {
        self.member.end(Signal::KILL);
    }

    /// Its disk is gone: the next start is another cluster at the same address.
    pub fn lose_data(&mut self) {
        self.member.lose_data();
    }

    /// SIGSTOP: connections stand and nobody answers.
    pub fn pause(&self) {
        self.member.program().signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.member.program().signal(Signal::CONT);
    }

    /// Starts it until it is ready; one that was overtaken at a port (`new`: then another is chosen) starts again.
    #[track_caller]
    fn run(&mut self, new: bool) {
        assert!(!self.member.is_running(), "etcd runs already");
        let end = Instant::now() + START;
        loop {
            let initial = format!("default={}", self.member.peer_url());
            self.member.spawn("default", &initial, self.tls.as_ref(), TIMES);
            let member = &self.member;
            let ready =
                eventually(START, "etcd is ready or has ended", || match member.program().exit_status() {
                    Some(_) => Some(false),
                    None => member.is_healthy().then_some(true),
                });
            if ready {
                return;
            }
            let log = member.program().tail();
            let overtaken = log.contains("address already in use") && Instant::now() < end;
            assert!(overtaken, "etcd does not start:\n{log}");
            self.member.buried();
            if new {
                self.member.move_ports();
            }
        }
    }
}

fn kv(options: Options) -> Arc<dyn Kv> {
    Arc::new(roundhouse_registry::kv::etcd::Etcd::new(options))
}

async fn plain_client(endpoints: &[String]) -> etcd_client::Client {
    etcd_client::Client::connect(endpoints, None).await.expect("nothing is dialled yet")
}
