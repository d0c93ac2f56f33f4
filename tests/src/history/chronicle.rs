//! etcd's history, written down while it happens: a compaction takes nothing back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcd_client::{Client, EventType, GetOptions, WatchOptions, WatchResponse};
use roundhouse_registry::Revision;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Account, Commit, Keys};
use crate::{SOON, eventually_async};

/// A member that says nothing for so long, asked, is left for another.
const SILENCE: Duration = Duration::from_millis(700);
const ANSWER: Duration = Duration::from_secs(2);
/// Messages of 10,000 instances are larger than gRPC's 4 MiB.
const MESSAGE_LIMIT: usize = 64 << 20;

/// A raw watch, with nothing of the project in it. It outlives kills and freezes of single members.
#[derive(Debug)]
pub struct Chronicle {
    endpoints: Vec<String>,
    prefix: String,
    commits: Commits,
    task: JoinHandle<()>,
}

type Commits = Arc<Mutex<BTreeMap<Revision, Commit>>>;

impl Chronicle {
    /// From the first revision; nothing may be compacted yet. `prefix` ends without a slash.
    pub fn begin(endpoints: &[String], prefix: &str) -> Chronicle {
        let (endpoints, prefix) = (endpoints.to_vec(), format!("{prefix}/"));
        let commits = Commits::default();
        let task = tokio::spawn(follow(endpoints.clone(), prefix.clone(), commits.clone()));
        Chronicle { endpoints, prefix, commits, task }
    }

    /// Writes a key that nobody reads (`kv/mark`), so that both sides have something to have seen. Answers its revision.
    pub async fn mark(&self) -> Revision {
        let key = format!("{}kv/mark", self.prefix);
        self.ask("a mark", async |client| {
            let put = client.kv_client().put(key.as_str(), "", None).await?;
            Ok(Revision(put.header().map_or(0, |header| header.revision() as u64)))
        })
        .await
    }

    /// Everything until a revision that is marked now, which every earlier write precedes.
    pub async fn account(&self) -> Account {
        let at = self.mark().await;
        self.has_seen(at).await;
        let (origin, fresh) = self.read(at).await;
        let commits = self.commits.lock().unwrap().clone();
        Account { origin, commits, at, fresh }
    }

    pub async fn has_seen(&self, at: Revision) {
        let last = || self.commits.lock().unwrap().keys().next_back().copied().unwrap_or_default();
        eventually_async(SOON * 3, &format!("the chronicle reaches {at}"), async || {
            if last() >= at { Ok(()) } else { Err(last()) }
        })
        .await;
    }

    /// All keys now.
    pub async fn fresh(&self) -> Keys {
        self.read(Revision(0)).await.1
    }

    /// All keys at a revision (0: now), and the cluster's id.
    async fn read(&self, at: Revision) -> (String, Keys) {
        let options = GetOptions::new().with_prefix().with_revision(at.0 as i64).with_keys_only();
        let (origin, pairs) = self
            .ask("a fresh read", async |client| {
                let mut kv = client.kv_client().max_decoding_message_size(MESSAGE_LIMIT);
                let answer = kv.get(self.prefix.as_str(), Some(options.clone())).await?;
                let origin = answer.header().map(|header| format!("{:x}", header.cluster_id()));
                let pair = |kv: &etcd_client::KeyValue| {
                    (relative(&self.prefix, kv.key()), Revision(kv.mod_revision() as u64))
                };
                Ok((origin.unwrap_or_default(), answer.kvs().iter().map(pair).collect()))
            })
            .await;
        (origin, pairs)
    }

    /// Asks one member after the other, until one answers.
    async fn ask<T>(&self, what: &str, call: impl AsyncFn(&Client) -> Result<T, etcd_client::Error>) -> T {
        let mut turns = self.endpoints.iter().cycle();
        eventually_async(SOON * 2, what, async || {
            let endpoint = turns.next().expect("etcd has a member");
            let asked = async { call(&Client::connect([endpoint], None).await?).await };
            timeout(ANSWER, asked).await.map_err(|_| "silence".to_owned())?.map_err(|error| error.to_string())
        })
        .await
    }
}

impl Drop for Chronicle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(endpoints: Vec<String>, prefix: String, commits: Commits) {
    for endpoint in endpoints.iter().cycle() {
        // Why it ended does not matter: the next one goes on where this one was.
        if let Ok(Ok(client)) = timeout(ANSWER, Client::connect([endpoint], None)).await {
            let _ = follow_one(client, &prefix, &commits).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn follow_one(client: Client, prefix: &str, commits: &Commits) -> Result<(), etcd_client::Error> {
    let last = commits.lock().unwrap().keys().next_back().copied().unwrap_or_default();
    let options = WatchOptions::new().with_prefix().with_start_revision(last.0 as i64 + 1);
    let mut watch = client.watch_client().max_decoding_message_size(MESSAGE_LIMIT);
    let Ok(stream) = timeout(ANSWER, watch.watch(prefix, Some(options))).await else { return Ok(()) };
    let mut stream = stream?;
    let mut asked = false;
    loop {
        match timeout(SILENCE, stream.message()).await {
            Ok(Ok(Some(response))) if !response.canceled() => note(&response, prefix, commits),
            Ok(_) => return Ok(()),
            Err(_) if asked => return Ok(()),
            Err(_) => {
                stream.request_progress().await?;
                asked = true;
                continue;
            }
        }
        asked = false;
    }
}

fn note(response: &WatchResponse, prefix: &str, commits: &Commits) {
    let mut commits = commits.lock().unwrap();
    for event in response.events() {
        let Some(kv) = event.kv() else { continue };
        let commit = commits.entry(Revision(kv.mod_revision() as u64)).or_default();
        let key = relative(prefix, kv.key());
        match event.event_type() {
            EventType::Put => commit.put.insert(key),
            EventType::Delete => commit.delete.insert(key),
        };
    }
}

fn relative(prefix: &str, key: &[u8]) -> String {
    let key = String::from_utf8_lossy(key);
    key.strip_prefix(prefix).unwrap_or(&key).to_owned()
}
