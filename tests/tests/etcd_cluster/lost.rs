//! A write whose answer gets lost: done or not?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use roundhouse_registry::kv::etcd::{Etcd as Client, Options};
use roundhouse_registry::kv::{Commit, Condition, Kv, KvError, Revision, Source, Txn};
use roundhouse_tests::EtcdCluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use crate::{ANSWER, PREFIX};

/// Forwards to a member; while it is mute, what the member says is dropped.
struct Mute {
    url: String,
    connections: Arc<AtomicUsize>,
    mute: Arc<AtomicBool>,
}

impl Mute {
    async fn before(member: SocketAddr) -> Mute {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (connections, mute) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, silent) = (connections.clone(), mute.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(member).await.unwrap();
                let (mut requests, mut answers) = client.into_split();
                let (mut from, mut to) = server.into_split();
                tokio::spawn(async move { copy(&mut requests, &mut to).await });
                let silent = silent.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(length @ 1..) = from.read(&mut buffer).await {
                        if !silent.load(Ordering::SeqCst)
                            && answers.write_all(&buffer[..length]).await.is_err()
                        {
                            return;
                        }
                    }
                });
            }
        });
        Mute { url, connections, mute }
    }
}

/// A client that has just had an answer through the proxy, which then falls mute.
async fn muted(cluster: &EtcdCluster) -> Client {
    let member = cluster.endpoints()[0].trim_start_matches("http://").parse().unwrap();
    let proxy = Mute::before(member).await;
    let endpoints = [proxy.url.clone(), cluster.endpoints()[1].clone()];
    // Which endpoint comes first is chance.
    loop {
        let kv = Client::new(Options::plain(&endpoints, PREFIX));
        kv.list().await.unwrap();
        if proxy.connections.load(Ordering::SeqCst) > 0 {
            proxy.mute.store(true, Ordering::SeqCst);
            return kv;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_was_done_unheard_is_found_to_be_done_and_not_done_twice() {
    let cluster = EtcdCluster::running();
    let witness = cluster.kv(PREFIX).await;
    let lease = witness.grant(ANSWER * 10).await.unwrap();
    for (round, condition) in [
        Condition::Absent("a".into()),
        Condition::Vacant("b/".into()),
        Condition::At("c".into(), Revision(0)),
    ]
    .into_iter()
    .enumerate()
    {
        let key = ["a", "b/1", "c"][round];
        let before = witness.list().await.unwrap().revision;
        let kv = muted(&cluster).await;
        let began = Instant::now();
        let txn = Txn::new().when(condition).put(key, "v", Some(lease)).delete("never");
        let commit = kv.commit(txn).await.unwrap();
        assert!(began.elapsed() < ANSWER, "{:?}", began.elapsed());
        let now = witness.list().await.unwrap();
        assert_eq!(now.revision.0, before.0 + 1, "once");
        assert_eq!(commit, Commit::Done(now.revision));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_could_be_done_twice_is_not_sent_twice() {
    let cluster = EtcdCluster::running();
    let witness = cluster.kv(PREFIX).await;
    witness.commit(Txn::new().put("a", "before", None)).await.unwrap();
    let before = witness.list().await.unwrap().revision;
    let kv = muted(&cluster).await;
    let began = Instant::now();
    let error = kv.commit(Txn::new().put("a", "after", None)).await.unwrap_err();
    assert!(began.elapsed() < ANSWER, "{:?}", began.elapsed());
    assert!(matches!(error, KvError::Unavailable { .. }), "{error:?}");
    let now = witness.list().await.unwrap();
    assert_eq!((now.revision.0, &now.entries[0].value[..]), (before.0 + 1, &b"after"[..]));
    // The next one goes to a member that answers.
    let began = Instant::now();
    kv.commit(Txn::new().put("a", "later", None)).await.unwrap();
    assert!(began.elapsed() < ANSWER, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_somebody_wrote_over_meanwhile_is_not_called_refused() {
    let cluster = EtcdCluster::running();
    let witness = cluster.kv(PREFIX).await;
    let kv = muted(&cluster).await;
    let txn = Txn::new().when(Condition::Absent("a".into())).put("a", "mine", None);
    let over = async {
        loop {
            if let Some(entry) = witness.get("a").await.unwrap() {
                let at = Condition::At("a".into(), entry.modified);
                return witness.commit(Txn::new().when(at).put("a", "theirs", None)).await.unwrap();
            }
        }
    };
    let (commit, over) = tokio::join!(kv.commit(txn), over);
    assert!(matches!(over, Commit::Done(_)));
    assert!(matches!(commit, Err(KvError::Unavailable { .. })), "nobody knows any more: {commit:?}");
}
