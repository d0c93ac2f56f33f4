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

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roundhouse_config::{Label, Protocol};
use roundhouse_registry::State;
use roundhouse_registry::probe::is_self_connect;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use self::decide::{Answer, Departures, Present, Probe};
use crate::plane::{Filter, Reason};
use crate::table::{Endpoint, Former, Live, Table};
use crate::worker::Lender;

/// Changes are looked at together: a thousand a second would each look at everybody who is on his way out. The more of
/// these there are the longer they are gathered: a look has one part in so many of the thread's time, and comes within a
/// second.
const GATHER: Duration = Duration::from_millis(100);
const GATHER_AT_MOST: Duration = Duration::from_secs(1);
const PART: u32 = 200;
/// In one network an answer takes a millisecond, and Linux repeats a SYN after a second.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Departing {
    workers: Lender,
    departures: Departures,
    /// Endpoints that were replaced, and whether they are of UDP, by the jobs that changed,
    changed: HashMap<Label, Vec<(Arc<Endpoint>, bool)>>,
    /// which is looked at then;
    gathered: Option<Instant>,
    /// how long they are gathered.
    gathering: Duration,
    answer: mpsc::UnboundedSender<Answered>,
    answers: mpsc::UnboundedReceiver<Answered>,
}

/// What [`Departing::take`] is for.
pub(super) enum Happened {
    Answered(Answered),
    /// There are changes to look at.
    Changed,
}

/// Of a probe.
pub(super) struct Answered {
    probe: Probe,
    answer: Answer,
}

impl Departing {
    pub(super) fn new(workers: Lender) -> Departing {
        let (answer, answers) = mpsc::unbounded_channel();
        Departing {
            workers,
            departures: Departures::default(),
            changed: HashMap::new(),
            gathered: None,
            gathering: GATHER,
            answer,
            answers,
        }
    }

    /// `table` has replaced what these jobs had.
    pub(super) fn changed(&mut self, former: &[Former], table: &Table) {
        for Former { job, sets } in former {
            let entry = table.job(job.as_str());
            let mut replaced = Vec::new();
            for (protocol, set) in sets {
                let Some(first) = set.endpoints.first() else { continue };
                let now = entry.and_then(|entry| entry.port_named(&first.port)).map(|port| port.endpoints());
                for endpoint in &set.endpoints {
                    let now = now.as_ref().and_then(|now| now.find(endpoint.id));
                    if now.is_none_or(|now| !Arc::ptr_eq(now, endpoint)) {
                        endpoint.live.set_leaving(now.is_none_or(|now| now.state != State::Up));
                        replaced.push((endpoint.clone(), *protocol == Protocol::Udp));
                    }
                }
            }
            if !replaced.is_empty() || self.departures.is_watched(job) {
                self.changed.entry(job.clone()).or_default().append(&mut replaced);
                self.gathered.get_or_insert_with(|| Instant::now() + self.gathering);
            }
        }
    }

    fn look_at_changes(&mut self, table: &Table) {
        let now = Instant::now();
        self.gathered = None;
        for (job, replaced) in self.changed.drain() {
            let entry = table.job(job.as_str());
            self.departures.update(&job, replaced, &Present::of(entry.map(|entry| &**entry)), now);
        }
        self.look();
        self.gathering = (now.elapsed() * PART).clamp(GATHER, GATHER_AT_MOST);
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

    /// What is next, for [`Departing::take`]; nothing is lost if it is not awaited to its end.
    pub(super) async fn next(&mut self) -> Option<Happened> {
        let gathered = self.gathered.map(tokio::time::Instant::from_std);
        let gathered = async {
            match gathered {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            answered = self.answers.recv() => answered.map(Happened::Answered),
            () = gathered => Some(Happened::Changed),
        }
    }

    /// `table`: the one that is served now.
    pub(super) fn take(&mut self, happened: Happened, table: &Table) {
        let first = match happened {
            Happened::Answered(first) => first,
            Happened::Changed => return self.look_at_changes(table),
        };
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

async fn ask(address: SocketAddr) -> Answer {
    match tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) if !is_self_connect(&stream) => Answer::Accepts,
        Ok(Ok(_)) => Answer::Refuses,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Answer::Refuses,
        Ok(Err(_)) | Err(_) => Answer::Silent,
    }
}
