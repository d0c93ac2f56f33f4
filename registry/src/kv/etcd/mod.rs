//! etcd v3 behind the seam: one member or several, with TLS and a user where they are asked for.
//!
//! ```text
//! call ─► cluster: the member that answered last ─► member: its connection, made and logged in when needed ─► etcd
//!            │ no answer for 500 ms, or an error of the member: the next one too; the first answer counts
//!            └ 2.5 s in all, however many members
//! ```
//!
//! The client library can spread calls over several endpoints by itself. Measured with one of three members frozen
//! (SIGSTOP), 9 of 30 reads ran into their deadline and 3 failed, for as long as it stayed frozen: HTTP/2 keepalive
//! gives a connection up after 8 s, and the kernel takes the next one for the frozen process. So each member has a
//! connection of its own here, and [`cluster`] chooses: the first call is 500 ms late, the others are not.
//!
//! - Every call ends within [`CALL_DEADLINE`], in all.
//! - What may be done twice (reads, keepalives, grants, revocations) is asked of the next member as soon as the first
//!   is slow. A transaction is not: see [`commit`] for what happens to one that got lost on its way.
//! - A [`watch`] notices silence by itself and asks for a leader; without that, a member cut off in a minority looks
//!   fresh. One that ended is the reader's to open again: it goes to a member that answers.
//! - Files (certificates, password) are read when a connection is made, so what was rotated is taken up by itself.

mod cluster;
mod commit;
mod fault;
mod keys;
mod member;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Client, GetOptions, SortOrder, SortTarget};
use roundhouse_config::Access;
use tokio::time::Instant;

use self::cluster::Cluster;
use self::fault::Fault;
use self::keys::{Keys, prefix_end};
use super::{Commit, Entry, Kv, KvError, LeaseId, Listing, Pending, Revision, Source, Txn, Watch};

/// A write without quorum must fail within 3 s (the HTTP API promises it).
const CALL_DEADLINE: Duration = Duration::from_millis(2500);
/// 100,000 instances at 600 bytes are 60 MB; the page size keeps each message well below this.
const MESSAGE_LIMIT: usize = 64 << 20;
const PAGE: i64 = 5_000;

/// Which cluster, and how to get in.
#[derive(Clone, Debug)]
pub struct Options {
    /// What an etcd client dials, one a member: `http://h1:2379`, or `https://…` with [`Access::tls`].
    pub endpoints: Vec<String>,
    /// What every key begins with; ends without a slash.
    pub prefix: String,
    pub access: Access,
}

impl Options {
    /// Without TLS and without a user.
    pub fn plain(endpoints: &[String], prefix: &str) -> Options {
        Options { endpoints: endpoints.to_vec(), prefix: prefix.to_owned(), access: Access::default() }
    }
}

/// An etcd cluster.
pub struct Etcd {
    cluster: Arc<Cluster>,
    keys: Keys,
}

impl Etcd {
    /// Nothing is dialled or read here: the first call does, and its error says what is wrong.
    pub fn new(options: Options) -> Etcd {
        let keys = Keys::under(&options.prefix);
        Etcd { cluster: Arc::new(Cluster::new(options)), keys }
    }

    /// Asks one member after the other until one answers; for what may be done twice.
    async fn ask<T, C, F>(&self, call: C) -> Result<T, KvError>
    where
        C: Fn(Arc<Client>) -> F,
        F: Future<Output = Result<T, Fault>>,
    {
        self.cluster.ask(Instant::now() + CALL_DEADLINE, call).await
    }

    /// All pages are read at the revision of the first, so that the listing is one moment, whoever answers.
    async fn list_pages(&self) -> Result<Listing, KvError> {
        let mut entries = Vec::new();
        let mut from = self.keys.full("");
        let end = prefix_end(&from);
        let mut at = 0;
        let mut origin = String::new();
        let mut page_keys = PAGE;
        loop {
            let mut options = GetOptions::new()
                .with_range(end.clone())
                .with_limit(page_keys)
                .with_sort(SortTarget::Key, SortOrder::Ascend);
            if at != 0 {
                options = options.with_revision(at);
            }
            let page = match self.get_range(&from, &options).await {
                // Somebody keeps large values there: shorter pages.
                Err(KvError::Invalid(reason)) if reason == fault::too_long() && page_keys > 1 => {
                    page_keys /= 2;
                    continue;
                }
                page => page?,
            };
            if at == 0
                && let Some(header) = page.header()
            {
                at = header.revision();
                origin = format!("{:x}", header.cluster_id());
            }
            entries.extend(page.kvs().iter().map(|kv| self.keys.entry(kv)));
            match page.kvs().last() {
                Some(last) if page.more() => from = [last.key(), &[0]].concat(),
                _ => return Ok(Listing { origin, revision: revision(at), entries }),
            }
        }
    }

    async fn get_range(
        &self,
        from: &[u8],
        options: &GetOptions,
    ) -> Result<etcd_client::GetResponse, KvError> {
        self.ask(async |client: Arc<Client>| {
            let mut kv = client.kv_client().max_decoding_message_size(MESSAGE_LIMIT);
            Ok(kv.get(from, Some(options.clone())).await?)
        })
        .await
    }
}

impl Source for Etcd {
    fn name(&self) -> String {
        self.cluster.name().to_owned()
    }

    fn list(&self) -> Pending<'_, Listing> {
        Box::pin(self.list_pages())
    }

    fn watch(&self, after: Revision) -> Pending<'_, Watch> {
        Box::pin(watch::open(self.cluster.clone(), self.keys.clone(), after))
    }

    fn newest(&self) -> Pending<'_, Revision> {
        Box::pin(async move {
            // Of any key that we may read; a range is linearizable unless it is asked for as serializable.
            let answer =
                self.get_range(&self.keys.full("jobs/"), &GetOptions::new().with_count_only()).await?;
            Ok(revision(answer.header().map_or(0, etcd_client::ResponseHeader::revision)))
        })
    }
}

impl Kv for Etcd {
    fn range<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Entry>> {
        Box::pin(async move {
            let options = GetOptions::new().with_prefix().with_sort(SortTarget::Key, SortOrder::Ascend);
            let answer = self.get_range(&self.keys.full(prefix), &options).await?;
            Ok(answer.kvs().iter().map(|kv| self.keys.entry(kv)).collect())
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Entry>> {
        Box::pin(async move {
            let answer = self.get_range(&self.keys.full(key), &GetOptions::new()).await?;
            Ok(answer.kvs().first().map(|kv| self.keys.entry(kv)))
        })
    }

    fn commit(&self, txn: Txn) -> Pending<'_, Commit> {
        Box::pin(async move { commit::commit(&self.cluster, &self.keys, &txn).await })
    }

    /// Asked twice, it may leave a second lease behind, without keys, which runs out by itself.
    fn grant(&self, ttl: Duration) -> Pending<'_, LeaseId> {
        Box::pin(async move {
            // etcd counts in whole seconds; a shorter wish must not become a lease of 0.
            let seconds = ttl.as_secs_f64().ceil().max(1.0) as i64;
            let granted =
                self.ask(async |client: Arc<Client>| Ok(client.lease_client().grant(seconds, None).await?));
            Ok(LeaseId(granted.await?.id()))
        })
    }

    fn keep_alive(&self, lease: LeaseId) -> Pending<'_, ()> {
        Box::pin(async move {
            // One short stream a round (opening it is the round): a long-lived one has been seen to freeze silently.
            let kept = self.ask(async |client: Arc<Client>| {
                Ok(client.lease_client().keep_alive(lease.0).await.map(drop)?)
            });
            kept.await.map_err(|error| name_lease(error, lease))
        })
    }

    fn revoke(&self, lease: LeaseId) -> Pending<'_, ()> {
        Box::pin(async move {
            let revoked = self.ask(async |client: Arc<Client>| {
                Ok(client.lease_client().revoke(lease.0).await.map(drop)?)
            });
            match revoked.await {
                Err(KvError::NoLease(_)) => Ok(()),
                other => other,
            }
        })
    }
}

fn revision(etcd: i64) -> Revision {
    Revision(etcd.max(0) as u64)
}

/// etcd names no lease in its error; the request does.
fn name_lease(error: KvError, lease: LeaseId) -> KvError {
    match error {
        KvError::NoLease(_) => KvError::NoLease(lease),
        error => error,
    }
}
