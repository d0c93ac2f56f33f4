//! Which member is asked: the one that answered last, and the next one when it is slow or fails.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Client, GetOptions};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::fault::Fault;
use super::member::{Member, Site};
use super::{CALL_DEADLINE, Options};
use crate::kv::KvError;

/// A member answers in a few milliseconds, and in 100 under load: one that is silent for this long gets help.
const SLOW: Duration = Duration::from_millis(500);
/// Between two looks at members that all fail, such as during an election.
const PAUSE: Duration = Duration::from_millis(100);
/// A member that answered this recently is not asked for a sign of life before a write.
const FRESH: Duration = Duration::from_millis(300);

pub(super) struct Cluster {
    site: Arc<Site>,
    members: Vec<Member>,
    heard: Mutex<Heard>,
}

/// Who is asked first.
struct Heard {
    member: usize,
    /// When it answered last.
    at: Option<Instant>,
}

impl Cluster {
    pub(super) fn new(options: Options) -> Cluster {
        let hosts: Vec<&str> = options
            .endpoints
            .iter()
            .map(|url| url.split_once("://").map_or(url.as_str(), |(_, host)| host))
            .collect();
        let scheme = if options.access.tls.is_some() { "etcds" } else { "etcd" };
        let name = format!("{scheme}://{}", hosts.join(","));
        let site = Arc::new(Site { name, prefix: format!("{}/", options.prefix), access: options.access });
        let members: Vec<Member> =
            options.endpoints.into_iter().map(|url| Member::new(site.clone(), url)).collect();
        // Ten thousand registrars with one list of members should not all be at the first.
        let first = rand::random_range(0..members.len().max(1));
        Cluster { site, members, heard: Mutex::new(Heard { member: first, at: None }) }
    }

    pub(super) fn name(&self) -> &str {
        &self.site.name
    }

    pub(super) fn has_alternatives(&self) -> bool {
        self.members.len() > 1
    }

    pub(super) fn member(&self, member: usize) -> Option<&Member> {
        self.members.get(member)
    }

    /// Asks the member that answered last; while nobody has answered, one more every [`SLOW`], round and round, and at
    /// once after one that failed. The first answer counts. For what may be done twice.
    pub(super) async fn ask<T, C, F>(&self, until: Instant, call: C) -> Result<T, KvError>
    where
        C: Fn(Arc<Client>) -> F,
        F: Future<Output = Result<T, Fault>>,
    {
        self.ask_whom(until, call).await.map(|(_, answer)| answer)
    }

    /// A member that has just shown that it can reach a majority. A write is sent to such a one only, since one that
    /// got lost on its way cannot simply be sent again.
    pub(super) async fn proven(&self, until: Instant) -> Result<usize, KvError> {
        {
            let heard = self.lock();
            if !self.has_alternatives() || heard.at.is_some_and(|at| at.elapsed() < FRESH) {
                return Ok(heard.member);
            }
        }
        let key = self.site.prefix.as_str();
        let look = async |client: Arc<Client>| {
            // Linearizable: the answer took a majority.
            let options = GetOptions::new().with_keys_only();
            match client.kv_client().get(key, Some(options)).await.map_err(Fault::from) {
                // Who may not read this one key is told so by a majority too.
                Ok(_) | Err(Fault::Forbidden) => Ok(()),
                Err(fault) => Err(fault),
            }
        };
        self.ask_whom(until, look).await.map(|(member, ())| member)
    }

    pub(super) fn heard(&self, member: usize) {
        *self.lock() = Heard { member, at: Some(Instant::now()) };
    }

    /// It failed or was silent: others are asked before it.
    pub(super) fn suspect(&self, member: usize) {
        let mut heard = self.lock();
        if heard.member == member {
            *heard = Heard { member: (member + 1) % self.members.len().max(1), at: None };
        }
    }

    pub(super) fn unavailable(&self, reason: String) -> KvError {
        KvError::Unavailable { store: self.site.name.clone(), reason }
    }

    pub(super) async fn ask_whom<T, C, F>(&self, until: Instant, call: C) -> Result<(usize, T), KvError>
    where
        C: Fn(Arc<Client>) -> F,
        F: Future<Output = Result<T, Fault>>,
    {
        let first = self.lock().member;
        let mut turns = (first..).map(|turn| turn % self.members.len().max(1));
        let mut running = FuturesUnordered::new();
        let mut failed = Failures::default();
        let mut next = Instant::now();
        loop {
            tokio::select! {
                biased;
                Some((member, outcome)) = running.next() => {
                    let fault = match outcome {
                        Ok(answer) => {
                            self.heard(member);
                            return Ok((member, answer));
                        }
                        Err(Fault::Answer(error)) => {
                            self.heard(member);
                            return Err(error);
                        }
                        Err(fault) => fault,
                    };
                    self.suspect(member);
                    failed.note(member, &self.members[member], &fault);
                    if running.is_empty() && failed.unreachable == self.members.len() {
                        return Err(self.unavailable(failed.reasons()));
                    }
                    next = Instant::now();
                    if failed.reasons.len() == self.members.len() {
                        next += PAUSE;
                    }
                }
                () = sleep_until(next.min(until)) => {
                    let turn = if Instant::now() < until { turns.next() } else { None };
                    let Some((turn, member)) = turn.and_then(|turn| Some((turn, self.members.get(turn)?))) else {
                        // Whoever is silent may be behind a connection that leads nowhere any more.
                        self.members.iter().for_each(Member::reset);
                        return Err(self.unavailable(failed.or_silence()));
                    };
                    let call = &call;
                    running.push(async move { (turn, member.run(call).await) });
                    next = if self.has_alternatives() { Instant::now() + SLOW } else { until };
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        // Nothing between lock and unlock can leave it half changed.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why no member would do, each with its last reason.
#[derive(Default)]
struct Failures {
    reasons: BTreeMap<usize, String>,
    /// Members where nobody is, as seen last.
    unreachable: usize,
    nobody: BTreeMap<usize, bool>,
}

impl Failures {
    fn note(&mut self, index: usize, member: &Member, fault: &Fault) {
        self.reasons.insert(index, format!("{}: {}", member.host(), fault.reason()));
        self.nobody.insert(index, matches!(fault, Fault::Unreachable(_)));
        self.unreachable = self.nobody.values().filter(|nobody| **nobody).count();
    }

    fn reasons(&self) -> String {
        self.reasons.values().map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    fn or_silence(&self) -> String {
        let silence = format!("no answer within {CALL_DEADLINE:?}");
        if self.reasons.is_empty() { silence } else { format!("{silence}; {}", self.reasons()) }
    }
}
