//! TLS both ways.

use roundhouse_registry::kv::etcd::Options;
use roundhouse_registry::kv::{Commit, KvError, Txn};
use roundhouse_tests::{Certificates, Etcd, next_batch};

use crate::{PREFIX, refusal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_certificate_comes_in_and_nobody_else() {
    let etcd = Etcd::with_tls();
    let kv = etcd.kv(PREFIX).await;
    assert_eq!(kv.name(), etcd.url(), "as the operator wrote it");
    let before = kv.list().await.unwrap().revision;
    let mut watch = kv.watch(before).await.unwrap();
    let Commit::Done(at) = kv.commit(Txn::new().put("a", "v", None)).await.unwrap() else { panic!() };
    assert_eq!(next_batch(&mut watch).await.revision, at);

    let mut nameless = etcd.options(PREFIX);
    nameless.access.tls.as_mut().unwrap().identity = None;
    let error = refusal(nameless).await.to_string();
    assert!(error.contains("certificate") && error.contains("`cert` and `key`"), "{error}");
    assert!(error.contains(&etcd.url()), "{error}");

    let stranger = Certificates::new();
    let mut mistrustful = etcd.options(PREFIX);
    mistrustful.access.tls.as_mut().unwrap().ca = stranger.ca();
    let error = refusal(mistrustful).await.to_string();
    assert!(error.contains("invalid peer certificate") && error.contains("`ca`"), "{error}");

    let mut forged = etcd.options(PREFIX);
    forged.access.tls.as_mut().unwrap().identity = Some(stranger.client());
    let error = refusal(forged).await.to_string();
    assert!(error.contains("certificate"), "{error}");

    let plain = Options::plain(&[format!("http://127.0.0.1:{}", etcd.port())], PREFIX);
    let error = refusal(plain).await;
    assert!(matches!(error, KvError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("write `etcds://`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_will_not_do_is_named() {
    let certificates = Certificates::new();
    let endpoints = ["https://127.0.0.1:1".to_owned()];
    let mut options = Options::plain(&endpoints, PREFIX);
    let mut tls = certificates.tls();
    tls.ca = "/nowhere/ca.pem".into();
    options.access.tls = Some(tls.clone());
    let error = refusal(options.clone()).await.to_string();
    assert!(error.contains("ca /nowhere/ca.pem cannot be read"), "{error}");
    tls.ca = certificates.ca();
    tls.identity.as_mut().unwrap().key = certificates.ca();
    options.access.tls = Some(tls);
    let error = refusal(options).await.to_string();
    assert!(error.contains("`ca`, `cert` or `key` cannot be used"), "{error}");
}
