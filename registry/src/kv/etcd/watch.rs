//! Watching: forwards what one member says, and notices when it says nothing.
//!
//! Progress is requested every [`PROGRESS_EVERY`], so a live member is never silent for long; one that is silent for
//! [`SILENCE`] is dead, whatever TCP thinks. The reader then lists again and opens another watch, which goes to a
//! member that answers.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Client, EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::cluster::Cluster;
use super::fault::Fault;
use super::keys::Keys;
use super::{CALL_DEADLINE, MESSAGE_LIMIT, revision};
use crate::kv::{Batch, Change, Event, KvError, Revision, Watch};

const PROGRESS_EVERY: Duration = Duration::from_millis(1500);
/// Three requests for progress go unanswered before it.
const SILENCE: Duration = Duration::from_millis(5500);
const BUFFER: usize = 1024;

type Sender = mpsc::Sender<Result<Event, KvError>>;

/// Answers when a member has made the watch.
pub(super) async fn open(cluster: Arc<Cluster>, keys: Keys, after: Revision) -> Result<Watch, KvError> {
    let until = Instant::now() + CALL_DEADLINE;
    let begin = async |client: Arc<Client>| {
        let mut client = client.watch_client().max_decoding_message_size(MESSAGE_LIMIT);
        let options = WatchOptions::new().with_prefix().with_start_revision(after.0 as i64 + 1);
        let mut stream = client.watch(keys.full(""), Some(options)).await?;
        let created = stream.message().await?.ok_or_else(|| Fault::Lost("the watch was closed".into()))?;
        match refusal(&created) {
            Some(fault) => Err(fault),
            None => Ok((stream, created)),
        }
    };
    let (member, (stream, created)) = cluster.ask_whom(until, begin).await?;
    let reached = created.header().map_or(0, etcd_client::ResponseHeader::revision);
    if revision(reached) < after {
        same_history(&cluster, &keys, until, after).await?;
    }
    let (sender, receiver) = mpsc::channel(BUFFER);
    tokio::spawn(async move {
        let pump = Pump { cluster, keys, member };
        let ended = pump.run(stream, created, &sender).await;
        // The reader may be gone already; then there is nobody to tell.
        let _ = sender.send(Err(ended)).await;
    });
    Ok(receiver)
}

/// etcd 3.4 makes the watch and cancels it in one message if it does not let us; before 3.4.25 it says "permission
/// denied" of a token that it does not know too, so it is told again who we are.
fn refusal(created: &WatchResponse) -> Option<Fault> {
    let reason = created.cancel_reason();
    let about_us = ["permission denied", "auth token", "user name is empty", "auth store is old"];
    (created.canceled() && about_us.iter().any(|text| reason.contains(text)))
        .then(|| Fault::Stranger(reason.to_owned()))
}

/// A watch from a revision that its member has not reached stays silent: right for a member that lags, wrong for a
/// cluster that lost its data. Only a majority knows which.
async fn same_history(
    cluster: &Cluster,
    keys: &Keys,
    until: Instant,
    after: Revision,
) -> Result<(), KvError> {
    let look = async |client: Arc<Client>| Ok(client.kv_client().get(keys.full(""), None).await?);
    let answer = cluster.ask(until, look).await?;
    let now = revision(answer.header().map_or(0, etcd_client::ResponseHeader::revision));
    if now < after {
        let reason = format!("it is at revision {now}, before {after}: its data was lost or replaced");
        return Err(cluster.unavailable(reason));
    }
    Ok(())
}

/// One watch on one member.
struct Pump {
    cluster: Arc<Cluster>,
    keys: Keys,
    member: usize,
}

impl Pump {
    /// Forwards until something is wrong, and says what.
    async fn run(&self, stream: WatchStream, created: WatchResponse, out: &Sender) -> KvError {
        let ended = self.forward(stream, created, out).await;
        if matches!(ended, KvError::Unavailable { .. }) {
            self.cluster.suspect(self.member);
        }
        ended
    }

    async fn forward(&self, mut stream: WatchStream, created: WatchResponse, out: &Sender) -> KvError {
        let silent = || self.lost(&format!("the watch was silent for {SILENCE:?}"));
        let mut ask = interval(PROGRESS_EVERY);
        let mut response = created;
        loop {
            if let Some(ended) = self.end(&response) {
                return ended;
            }
            let event = self.batch(&response).map_or(Event::Progress, Event::Batch);
            if out.send(Ok(event)).await.is_err() {
                return self.reader_gone();
            }
            // Counted from here: while the reader was slow, nobody listened.
            let heard = Instant::now();
            response = loop {
                tokio::select! {
                    biased;
                    message = stream.message() => match message {
                        Ok(Some(response)) => break response,
                        Ok(None) => return self.lost("the watch was closed"),
                        Err(error) => return self.failed(error),
                    },
                    () = out.closed() => return self.reader_gone(),
                    () = sleep_until(heard + SILENCE) => return silent(),
                    _ = ask.tick() => match timeout(CALL_DEADLINE, stream.request_progress()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return self.failed(error),
                        Err(_) => return silent(),
                    },
                }
            };
        }
    }

    /// Whether this is the last response, and why.
    fn end(&self, response: &WatchResponse) -> Option<KvError> {
        if response.compact_revision() > 0 {
            return Some(KvError::Compacted(revision(response.compact_revision())));
        }
        response
            .canceled()
            .then(|| self.lost(&format!("the watch was cancelled: {}", response.cancel_reason())))
    }

    fn batch(&self, response: &WatchResponse) -> Option<Batch> {
        let changes: Vec<Change> = response
            .events()
            .iter()
            .filter_map(|event| {
                let entry = self.keys.entry(event.kv()?);
                Some(match event.event_type() {
                    EventType::Put => Change::Put(entry),
                    EventType::Delete => Change::Delete { key: entry.key, revision: entry.modified },
                })
            })
            .collect();
        // The header's revision may run ahead of the events (etcd before 3.4.25), so only the events are believed.
        let revision = match changes.last()? {
            Change::Put(entry) => entry.modified,
            Change::Delete { revision, .. } => *revision,
        };
        Some(Batch { revision, changes })
    }

    fn failed(&self, error: etcd_client::Error) -> KvError {
        match Fault::from(error) {
            Fault::Answer(error) => error,
            fault => self.lost(&fault.reason()),
        }
    }

    fn lost(&self, reason: &str) -> KvError {
        let host = self.cluster.member(self.member).map_or("", super::member::Member::host);
        self.cluster.unavailable(format!("{host}: {reason}"))
    }

    fn reader_gone(&self) -> KvError {
        // Nobody hears it, and the member did nothing wrong.
        KvError::Invalid("nobody reads the watch".into())
    }
}
