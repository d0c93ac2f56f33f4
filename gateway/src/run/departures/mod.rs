//! What becomes of live connections whose endpoint drains, fails or goes.
//!
//! ```text
//! draining, maintenance ─► ended at the job's drain deadline
//! gone, down            ─► probed: kept while somebody accepts or nobody answers, ended once it refuses
//! gone, of UDP          ─► ended at once: there is no connection that could be refused
//! unhealthy             ─► kept; ended if the job says `on_unhealthy: close`
//! ```
//!
//! The registry alone cuts nothing: it may be wrong about an instance that still works. Nor does silence, which is what a
//! broken network looks like from both of its sides.
//!
//! [`Departures`] decides, with neither clock nor socket; this is its driver.

mod decide;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roundhouse_config::Protocol;
use roundhouse_registry::State;
use roundhouse_registry::probe::is_self_connect;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use self::decide::{Answer, Departures, Present, Probe};
use crate::plane::{Filter, Reason};
use crate::table::{Endpoint, Former, JobEntry, Live, Table};
use crate::worker::Lender;

/// In one network an answer takes a millisecond, and Linux repeats a SYN after a second.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Departing {
    workers: Lender,
    departures: Departures,
    answer: mpsc::UnboundedSender<Answered>,
    answers: mpsc::UnboundedReceiver<Answered>,
}

/// Of a probe.
pub(super) struct Answered {
    probe: Probe,
    answer: Answer,
}

impl Departing {
    pub(super) fn new(workers: Lender) -> Departing {
        let (answer, answers) = mpsc::unbounded_channel();
        Departing { workers, departures: Departures::default(), answer, answers }
    }

    /// `table` has replaced what these jobs had.
    pub(super) fn changed(&mut self, former: &[Former], table: &Table) {
        let now = Instant::now();
        for Former { job, sets } in former {
            let entry = table.job(job.as_str());
            let is_new = |endpoint: &Endpoint| !entry.is_some_and(|entry| still_there(entry, endpoint));
            for endpoint in sets.iter().flat_map(|(_, set)| &set.endpoints) {
                endpoint.live.set_leaving(!entry.is_some_and(|entry| is_up(entry, endpoint)));
            }
            let replaced = sets.iter().flat_map(|(protocol, set)| {
                let udp = *protocol == Protocol::Udp;
                set.endpoints.iter().filter(|one| is_new(one)).map(move |one| (one.clone(), udp))
            });
            let replaced: Vec<_> = replaced.collect();
            if !replaced.is_empty() || self.departures.is_watched(job) {
                self.departures.update(job, replaced, &Present::of(entry.map(|entry| &**entry)), now);
            }
        }
        self.look();
    }

    /// Their connections end: their check failed, and their job wants that.
    pub(super) fn failed(&mut self, endpoints: Vec<Arc<Endpoint>>) {
        let lives = endpoints.into_iter().map(|endpoint| endpoint.live.clone());
        self.end(Reason::Unhealthy, lives.collect());
    }

    /// Ends and probes what is due; once a second is often enough.
    pub(super) fn look(&mut self) {
        let due = self.departures.due(Instant::now());
        for (reason, lives) in due.end {
            self.end(reason, lives);
        }
        for probe in due.probe {
            let answer = self.answer.clone();
            tokio::spawn(async move {
                let answered = Answered { answer: ask(probe.address()).await, probe };
                // The control plane being gone means that the process ends.
                let _ = answer.send(answered);
            });
        }
    }

    /// The next answer of a probe, for [`Departing::answered`]; nothing is lost if it is not awaited to its end.
    pub(super) async fn next(&mut self) -> Option<Answered> {
        self.answers.recv().await
    }

    pub(super) fn answered(&mut self, first: Answered) {
        let now = Instant::now();
        let more = std::iter::from_fn(|| self.answers.try_recv().ok());
        for Answered { probe, answer } in std::iter::once(first).chain(more) {
            self.departures.answered(&probe, answer, now);
        }
        self.look();
    }

    fn end(&self, reason: Reason, lives: Vec<Arc<Live>>) {
        if !lives.is_empty() {
            tracing::info!(%reason, endpoints = lives.len(), "ending the connections of endpoints");
            self.workers
                .end(&Filter { endpoints: Some(lives.into_iter().collect()), ..Filter::default() }, reason);
        }
    }
}

/// Nothing that the registry says of it has changed.
fn still_there(entry: &JobEntry, endpoint: &Endpoint) -> bool {
    entry.port_named(&endpoint.port).is_some_and(|port| {
        port.endpoints().find(endpoint.id).is_some_and(|found| std::ptr::eq(&**found, endpoint))
    })
}

/// The registry has it, in whatever state it was, as one that takes work.
fn is_up(entry: &JobEntry, endpoint: &Endpoint) -> bool {
    entry
        .port_named(&endpoint.port)
        .is_some_and(|port| port.endpoints().find(endpoint.id).is_some_and(|found| found.state == State::Up))
}

async fn ask(address: SocketAddr) -> Answer {
    match tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) if !is_self_connect(&stream) => Answer::Accepts,
        Ok(Ok(_)) => Answer::Refuses,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Answer::Refuses,
        Ok(Err(_)) | Err(_) => Answer::Silent,
    }
}
