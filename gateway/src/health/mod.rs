//! Active checks: a task for each checked endpoint, and what its answers mean for the turn order.
//!
//! The first probe goes out at once and one pass suffices; later ones come at the job's interval with jitter, so that
//! probes of many endpoints spread out. A worker that was refused a connection says so, and that counts at once; the
//! probes bring the endpoint back after `rise` passes.
//!
//! A verdict belongs to the endpoint's [`Live`](crate::table::Live) state. A change is an event: the control plane
//! rebuilds the job's turn order and logs the reason.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::{Check, Label, PortName, Protocol};
use roundhouse_registry::probe::{self, Streak, Verdict};
use roundhouse_registry::{InstanceId, State};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::table::{Endpoint, Table};

/// An endpoint's verdict changed.
#[derive(Debug)]
pub struct Changed {
    pub endpoint: Arc<Endpoint>,
    pub verdict: Verdict,
    pub reason: String,
}

type Key = (PortName, InstanceId);

struct Task {
    endpoint: Arc<Endpoint>,
    check: Check,
    abort: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// The running checks of one gateway, job by job: a change of one job looks at its own.
pub struct Checker {
    jobs: HashMap<Label, HashMap<Key, Task>>,
    events: mpsc::UnboundedSender<Changed>,
}

impl Checker {
    pub fn new(events: mpsc::UnboundedSender<Changed>) -> Checker {
        Checker { jobs: HashMap::new(), events }
    }

    /// One job's checks as its table entry wants them: started, stopped (it may be gone), or left running.
    pub fn reconcile_job(&mut self, table: &Table, label: &Label) {
        let wanted = wanted(table, label);
        if wanted.is_empty() {
            self.jobs.remove(label);
            return;
        }
        let tasks = self.jobs.entry(label.clone()).or_default();
        tasks.retain(|key, task| {
            wanted.get(key).is_some_and(|(endpoint, check)| {
                *check == task.check && Arc::ptr_eq(&endpoint.live, &task.endpoint.live)
            })
        });
        for (key, (endpoint, check)) in wanted {
            tasks.entry(key).or_insert_with(|| {
                let run = run(endpoint.clone(), check.clone(), self.events.clone());
                Task { endpoint, check, abort: tokio::spawn(run).abort_handle() }
            });
        }
    }
}

fn wanted(table: &Table, label: &Label) -> HashMap<Key, (Arc<Endpoint>, Check)> {
    let mut wanted = HashMap::new();
    if let Some(job) = table.job(label.as_str())
        && let Some(check) = &job.check
    {
        // A TCP probe says nothing of a UDP port.
        for port in job.ports.iter().filter(|port| port.port.protocol != Protocol::Udp) {
            for endpoint in port.endpoints().endpoints.iter().filter(|endpoint| is_probed(endpoint)) {
                wanted.insert((port.name().clone(), endpoint.id), (endpoint.clone(), check.clone()));
            }
        }
    }
    wanted
}

/// A drained endpoint gets no traffic whatever its health; asking it would only keep it from going.
fn is_probed(endpoint: &Endpoint) -> bool {
    endpoint.refused.is_none() && endpoint.state == State::Up
}

async fn run(endpoint: Arc<Endpoint>, check: Check, events: mpsc::UnboundedSender<Changed>) {
    let jittered = |interval: Duration| interval.mul_f64(rand::random_range(0.9..1.1));
    let mut streak = Streak::new(endpoint.live.verdict());
    if streak.verdict() != Verdict::Unknown {
        // Known or assumed at start: first probes spread over one interval.
        tokio::time::sleep(check.interval.mul_f64(rand::random_range(0.0..1.0))).await;
    }
    loop {
        let answer = probe::tcp(endpoint.address, check.timeout).await;
        // A worker may have been refused meanwhile; its word stands.
        let believed = endpoint.live.verdict();
        if believed != streak.verdict() {
            streak = Streak::new(believed);
        }
        if let Some(verdict) = streak.answer(answer.is_ok(), check.rise, check.fall) {
            endpoint.live.set_verdict(verdict);
            let reason = match answer {
                Ok(()) => "check passed".to_owned(),
                Err(reason) => format!("check failed: {reason}"),
            };
            if events.send(Changed { endpoint: endpoint.clone(), verdict, reason }).is_err() {
                return;
            }
        }
        // A newcomer is asked again soon: it is often still starting, and nobody is served meanwhile.
        let interval = match streak.verdict() {
            Verdict::Unknown => check.interval.min(Duration::from_millis(250)),
            Verdict::Healthy | Verdict::Unhealthy => check.interval,
        };
        tokio::time::sleep(jittered(interval)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::table::Live;

    fn endpoint(address: SocketAddr, verdict: Verdict) -> Arc<Endpoint> {
        Arc::new(Endpoint {
            job: "app2".parse().unwrap(),
            port: "main".parse().unwrap(),
            id: InstanceId::random(),
            address,
            weight: 100,
            state: State::Up,
            held: false,
            refused: None,
            live: Arc::new(Live::new(verdict)),
        })
    }

    fn quick() -> Check {
        let (interval, timeout) = (Duration::from_millis(100), Duration::from_secs(1));
        Check { interval, timeout, ..Check::default() }
    }

    #[tokio::test]
    async fn a_newcomer_is_healthy_after_one_pass_and_recovers_after_two() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = endpoint(listener.local_addr().unwrap(), Verdict::Unknown);
        let (events, mut changes) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(endpoint.clone(), quick(), events));
        assert_eq!(changes.recv().await.unwrap().verdict, Verdict::Healthy);
        assert_eq!(endpoint.live.verdict(), Verdict::Healthy);

        // A worker was refused; the probes, which pass, bring it back.
        endpoint.live.set_verdict(Verdict::Unhealthy);
        let back = changes.recv().await.unwrap();
        assert_eq!((back.verdict, back.reason.as_str()), (Verdict::Healthy, "check passed"));
        task.abort();
    }

    #[tokio::test]
    async fn nobody_listening_is_unhealthy_after_fall_failures() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = endpoint(listener.local_addr().unwrap(), Verdict::Healthy);
        drop(listener);
        let (events, mut changes) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(endpoint, quick(), events));
        let change = changes.recv().await.unwrap();
        assert_eq!(change.verdict, Verdict::Unhealthy);
        assert!(change.reason.contains("refused"), "{}", change.reason);
        task.abort();
    }
}
