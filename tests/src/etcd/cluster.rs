//! Three etcd members on loopback, to be killed, frozen and brought back one by one.

use std::sync::Arc;

use roundhouse_registry::Kv;
use roundhouse_registry::kv::etcd::Options;
use rustix::process::Signal;

use super::member::Member;
use super::{START, kv, plain_client};
use crate::{SOON, eventually};

const MEMBERS: usize = 3;
/// An election takes half a second to a second; shorter ones are held for nothing on a machine that compiles.
const TIMES: &[&str] = &["--heartbeat-interval", "50", "--election-timeout", "500"];

/// A cluster of members 0, 1 and 2. Dropping it kills them and deletes their data.
#[derive(Debug)]
pub struct EtcdCluster {
    members: Vec<Member>,
}

impl EtcdCluster {
    /// A new, empty one of which every member is ready.
    ///
    /// # Panics
    /// When there is no etcd on this machine, or it does not start.
    #[track_caller]
    pub fn running() -> EtcdCluster {
        let mut cluster = EtcdCluster { members: (0..MEMBERS).map(|_| Member::stopped()).collect() };
        while !cluster.try_start_all() {
            // Somebody was faster at a port: nothing is lost yet.
            for member in &mut cluster.members {
                member.end(Signal::KILL);
                member.lose_data();
                member.move_ports();
            }
        }
        cluster
    }

    /// As an operator writes it: `etcd://127.0.0.1:A,127.0.0.1:B,127.0.0.1:C`.
    pub fn url(&self) -> String {
        let hosts = self.members.iter().map(|member| format!("127.0.0.1:{}", member.port));
        format!("etcd://{}", hosts.collect::<Vec<_>>().join(","))
    }

    /// As an etcd client dials them, member by member.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("http://127.0.0.1:{}", member.port)).collect()
    }

    /// A connection of its own under the prefix, to all members.
    pub async fn kv(&self, prefix: &str) -> Arc<dyn Kv> {
        kv(Options::plain(&self.endpoints(), prefix))
    }

    /// The bare client of one member, for what somebody else does to the store.
    pub async fn client(&self, member: usize) -> etcd_client::Client {
        plain_client(&self.endpoints()[member..=member]).await
    }

    /// Which member leads, once one does; members that are dead or frozen are none.
    #[track_caller]
    pub fn leader(&self) -> usize {
        eventually(SOON, "a leader", || self.members.iter().position(Member::is_leader))
    }

    /// Runs again, at the same address with the same data, and answers when it takes connections. Whether it is of use
    /// depends on the others: see [`EtcdCluster::wait_healthy`].
    #[track_caller]
    pub fn start(&mut self, member: usize) {
        self.spawn(member);
        let started = &self.members[member];
        eventually(START, "the member takes connections", || started.is_listening());
    }

    /// Until the member can read with a majority.
    #[track_caller]
    pub fn wait_healthy(&self, member: usize) {
        eventually(START, "the member is healthy", || self.members[member].is_healthy());
    }

    /// SIGKILL, as the power goes, and waits for the end.
    #[track_caller]
    pub fn kill9(&mut self, member: usize) {
        self.members[member].end(Signal::KILL);
    }

    /// SIGSTOP: connections stand and nobody answers.
    pub fn pause(&self, member: usize) {
        self.members[member].program().signal(Signal::STOP);
    }

    pub fn resume(&self, member: usize) {
        self.members[member].program().signal(Signal::CONT);
    }

    /// History before the revision is gone, on every member.
    pub async fn compact(&self, revision: u64) {
        let mut client = plain_client(&self.endpoints()).await;
        client.compact(revision as i64, None).await.expect("the cluster has a majority");
    }

    /// All disks are gone: the members come back, at the same addresses, as another cluster without any data. They are
    /// killed first if they run.
    #[track_caller]
    pub fn lose_data(&mut self) {
        for member in &mut self.members {
            member.end(Signal::KILL);
            member.lose_data();
        }
        assert!(self.try_start_all(), "the cluster does not start again");
    }

    /// Whether all came up; one that ended did not.
    #[track_caller]
    fn try_start_all(&mut self) -> bool {
        for member in 0..MEMBERS {
            self.spawn(member);
        }
        eventually(START, "three members are healthy, or one has ended", || {
            if self.members.iter().any(|member| member.program().exit_status().is_some()) {
                return Some(false);
            }
            self.members.iter().all(Member::is_healthy).then_some(true)
        })
    }

    #[track_caller]
    fn spawn(&mut self, member: usize) {
        let all = self.members.iter().zip(0..).map(|(other, n)| format!("m{n}={}", other.peer_url()));
        let all = all.collect::<Vec<_>>().join(",");
        self.members[member].spawn(&format!("m{member}"), &all, None, TIMES);
    }
}
