//! etcd v3 behind the seam.
//!
//! What the client library does not do is done here: a deadline on every call, a watch that notices silence by
//! itself (progress is requested every [`PROGRESS_EVERY`], and a stream silent for [`SILENCE`] is dead, whatever TCP
//! thinks), and `require-leader`, without which a member cut off in a minority looks fresh.

use std::time::Duration;

use bytes::Bytes;
use etcd_client::{
    Client, Compare, CompareOp, ConnectOptions, Error, EventType, GetOptions, KeyValue, PutOptions,
    SortOrder, SortTarget, TxnOp, WatchOptions,
};
use tokio::sync::mpsc;

use super::{
    Batch, Change, Commit, Condition, Entry, Event, Kv, KvError, LeaseId, Listing, Op, Pending, Revision,
    Source, Txn, Watch,
};

/// A write without quorum must fail within 3 s (the HTTP API promises it).
const CALL_DEADLINE: Duration = Duration::from_millis(2500);
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(6);
/// 100,000 instances at 600 bytes are 60 MB; the page size keeps each message well below this.
const MESSAGE_LIMIT: usize = 64 << 20;
const PAGE: i64 = 5_000;
const WATCH_BUFFER: usize = 1024;

/// A connection to an etcd cluster; clones of its channel are cheap, so every call takes one.
pub struct Etcd {
    client: Client,
    prefix: String,
    name: String,
}

impl Etcd {
    /// Connects on first use: no endpoint is dialled here. `prefix` ends without a slash.
    pub async fn connect(endpoints: &[String], prefix: &str) -> Result<Etcd, KvError> {
        let hosts: Vec<&str> =
            endpoints.iter().map(|host| host.strip_prefix("http://").unwrap_or(host)).collect();
        let name = format!("etcd://{}", hosts.join(","));
        let options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_DEADLINE)
            .with_keep_alive(Duration::from_secs(5), Duration::from_secs(3))
            .with_keep_alive_while_idle(true)
            .with_require_leader(true);
        let client =
            Client::connect(endpoints, Some(options)).await.map_err(|error| unavailable(&name, &error))?;
        Ok(Etcd { client, prefix: format!("{prefix}/"), name })
    }

    /// Runs one call under the deadline and sorts its error.
    async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, KvError> {
        match tokio::time::timeout(CALL_DEADLINE, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(sort(&self.name, &error)),
            Err(_) => Err(KvError::Unavailable {
                store: self.name.clone(),
                reason: format!("no answer within {CALL_DEADLINE:?}"),
            }),
        }
    }

    fn full(&self, key: &str) -> Vec<u8> {
        format!("{}{key}", self.prefix).into_bytes()
    }

    fn entry(&self, kv: &KeyValue) -> Entry {
        let key = String::from_utf8_lossy(kv.key());
        Entry {
            key: key.strip_prefix(&self.prefix).unwrap_or(&key).to_owned(),
            value: Bytes::copy_from_slice(kv.value()),
            created: revision(kv.create_revision()),
            modified: revision(kv.mod_revision()),
            lease: (kv.lease() != 0).then(|| LeaseId(kv.lease())),
        }
    }

    /// All pages are read at the revision of the first, so that the listing is one moment.
    async fn list_pages(&self) -> Result<Listing, KvError> {
        let mut kv = self.client.kv_client().max_decoding_message_size(MESSAGE_LIMIT);
        let mut entries = Vec::new();
        let mut from = self.full("");
        let end = prefix_end(&from);
        let mut at = 0;
        let mut origin = String::new();
        loop {
            let mut options = GetOptions::new()
                .with_range(end.clone())
                .with_limit(PAGE)
                .with_sort(SortTarget::Key, SortOrder::Ascend);
            if at != 0 {
                options = options.with_revision(at);
            }
            let page = self.call(kv.get(from.clone(), Some(options))).await?;
            if at == 0
                && let Some(header) = page.header()
            {
                at = header.revision();
                origin = format!("{:x}", header.cluster_id());
            }
            entries.extend(page.kvs().iter().map(|kv| self.entry(kv)));
            match page.kvs().last() {
                Some(last) if page.more() => from = [last.key(), &[0]].concat(),
                _ => return Ok(Listing { origin, revision: revision(at), entries }),
            }
        }
    }

    async fn open_watch(&self, after: Revision) -> Result<Watch, KvError> {
        let mut client = self.client.watch_client().max_decoding_message_size(MESSAGE_LIMIT);
        let options = WatchOptions::new().with_prefix().with_start_revision(after.0 as i64 + 1);
        let stream = self.call(client.watch(self.full(""), Some(options))).await?;
        let (sender, receiver) = mpsc::channel(WATCH_BUFFER);
        let this = Etcd { client: self.client.clone(), prefix: self.prefix.clone(), name: self.name.clone() };
        tokio::spawn(async move {
            let ended = this.pump(stream, &sender).await;
            // The reader may be gone already; then there is nobody to tell.
            let _ = sender.send(Err(ended)).await;
        });
        Ok(receiver)
    }

    /// Forwards until something is wrong, and says what.
    async fn pump(
        &self,
        mut stream: etcd_client::WatchStream,
        out: &mpsc::Sender<Result<Event, KvError>>,
    ) -> KvError {
        let silent = || KvError::Unavailable {
            store: self.name.clone(),
            reason: format!("the watch was silent for {SILENCE:?}"),
        };
        let mut ask = tokio::time::interval(PROGRESS_EVERY);
        let mut heard = tokio::time::Instant::now();
        loop {
            let message = tokio::select! {
                message = stream.message() => message,
                () = out.closed() => return silent(),
                _ = ask.tick() => {
                    if heard.elapsed() > SILENCE {
                        return silent();
                    }
                    match tokio::time::timeout(CALL_DEADLINE, stream.request_progress()).await {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => return sort(&self.name, &error),
                        Err(_) => return silent(),
                    }
                }
            };
            heard = tokio::time::Instant::now();
            let response = match message {
                Ok(Some(response)) => response,
                Ok(None) => {
                    let reason = "the watch was closed".to_owned();
                    return KvError::Unavailable { store: self.name.clone(), reason };
                }
                Err(error) => return sort(&self.name, &error),
            };
            if response.compact_revision() > 0 {
                return KvError::Compacted(revision(response.compact_revision()));
            }
            if response.canceled() {
                let reason = format!("the watch was cancelled: {}", response.cancel_reason());
                return KvError::Unavailable { store: self.name.clone(), reason };
            }
            let event = match self.batch(&response) {
                Some(batch) => Event::Batch(batch),
                None => Event::Progress,
            };
            if out.send(Ok(event)).await.is_err() {
                return silent();
            }
        }
    }

    fn batch(&self, response: &etcd_client::WatchResponse) -> Option<Batch> {
        let changes: Vec<Change> = response
            .events()
            .iter()
            .filter_map(|event| {
                let kv = event.kv()?;
                let entry = self.entry(kv);
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

    fn txn(&self, txn: &Txn) -> etcd_client::Txn {
        let when: Vec<Compare> = txn
            .when
            .iter()
            .map(|condition| match condition {
                Condition::Absent(key) => Compare::create_revision(self.full(key), CompareOp::Equal, 0),
                Condition::At(key, at) => {
                    Compare::mod_revision(self.full(key), CompareOp::Equal, at.0 as i64)
                }
                // Every key in the range must match, and one that is there was created.
                Condition::Vacant(prefix) => {
                    Compare::create_revision(self.full(prefix), CompareOp::Equal, 0).with_prefix()
                }
            })
            .collect();
        let then: Vec<TxnOp> = txn
            .then
            .iter()
            .map(|op| match op {
                Op::Put { key, value, lease } => {
                    let options = lease.map(|lease| PutOptions::new().with_lease(lease.0));
                    TxnOp::put(self.full(key), value.to_vec(), options)
                }
                Op::Delete(key) => TxnOp::delete(self.full(key), None),
            })
            .collect();
        etcd_client::Txn::new().when(when).and_then(then)
    }
}

impl Source for Etcd {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn list(&self) -> Pending<'_, Listing> {
        Box::pin(self.list_pages())
    }

    fn watch(&self, after: Revision) -> Pending<'_, Watch> {
        Box::pin(self.open_watch(after))
    }
}

impl Kv for Etcd {
    fn range<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Entry>> {
        Box::pin(async move {
            let mut kv = self.client.kv_client().max_decoding_message_size(MESSAGE_LIMIT);
            let options = GetOptions::new().with_prefix().with_sort(SortTarget::Key, SortOrder::Ascend);
            let answer = self.call(kv.get(self.full(prefix), Some(options))).await?;
            Ok(answer.kvs().iter().map(|kv| self.entry(kv)).collect())
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Entry>> {
        Box::pin(async move {
            let answer = self.call(self.client.kv_client().get(self.full(key), None)).await?;
            Ok(answer.kvs().first().map(|kv| self.entry(kv)))
        })
    }

    fn commit(&self, txn: Txn) -> Pending<'_, Commit> {
        Box::pin(async move {
            let answer = self.call(self.client.kv_client().txn(self.txn(&txn))).await.map_err(|error| {
                match (
                    error,
                    txn.then.iter().find_map(|op| if let Op::Put { lease, .. } = op { *lease } else { None }),
                ) {
                    // etcd names no lease in its error; the transaction does.
                    (KvError::NoLease(_), Some(lease)) => KvError::NoLease(lease),
                    (error, _) => error,
                }
            })?;
            let at = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
            Ok(if answer.succeeded() { Commit::Done(revision(at)) } else { Commit::Refused })
        })
    }

    fn grant(&self, ttl: Duration) -> Pending<'_, LeaseId> {
        Box::pin(async move {
            // etcd counts in whole seconds; a shorter wish must not become a lease of 0.
            let seconds = ttl.as_secs_f64().ceil().max(1.0) as i64;
            let granted = self.call(self.client.lease_client().grant(seconds, None)).await?;
            Ok(LeaseId(granted.id()))
        })
    }

    fn keep_alive(&self, lease: LeaseId) -> Pending<'_, ()> {
        Box::pin(async move {
            // One short stream a round (opening it is the round): a long-lived one has been seen to freeze silently.
            match self.call(self.client.lease_client().keep_alive(lease.0)).await {
                Ok(_) => Ok(()),
                Err(KvError::NoLease(_)) => Err(KvError::NoLease(lease)),
                Err(error) => Err(error),
            }
        })
    }

    fn revoke(&self, lease: LeaseId) -> Pending<'_, ()> {
        Box::pin(async move {
            match self.call(self.client.lease_client().revoke(lease.0)).await {
                Ok(_) | Err(KvError::NoLease(_)) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }
}

fn revision(etcd: i64) -> Revision {
    Revision(etcd.max(0) as u64)
}

/// The end of the range of keys that start with `prefix` (etcd, "Key ranges": the last byte, plus one). The prefix
/// ends with `/`, which has a successor.
fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

fn unavailable(name: &str, error: &Error) -> KvError {
    KvError::Unavailable { store: name.to_owned(), reason: error.to_string() }
}

/// gRPC codes as numbers (the `tonic` crate is the client library's own business): 3 INVALID_ARGUMENT, 5 NOT_FOUND,
/// 11 OUT_OF_RANGE. etcd answers 8 RESOURCE_EXHAUSTED while it has too many requests or no space: that passes.
fn sort(name: &str, error: &Error) -> KvError {
    match error {
        Error::GRpcStatus(status) => match (status.code() as i32, status.message()) {
            (5, message) if message.contains("lease") => KvError::NoLease(LeaseId(0)),
            // The transport says 11 of a message over its limit too, and listing again would not help that.
            (11, message) if message.contains("revision") => KvError::Compacted(Revision(0)),
            (3, message) => KvError::Invalid(message.to_owned()),
            (_, message) => KvError::Unavailable { store: name.to_owned(), reason: message.to_owned() },
        },
        Error::LeaseKeepAliveError(_) => KvError::NoLease(LeaseId(0)),
        error => unavailable(name, error),
    }
}
