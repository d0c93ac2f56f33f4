//! Users, roles and tokens.

use std::time::Duration;

use roundhouse_registry::kv::etcd::{Etcd as Client, Options};
use roundhouse_registry::kv::{Commit, Kv, KvError, Revision, Source, Txn};
use roundhouse_registry::write::NewPool;
use roundhouse_registry::{Registry, State, WriteError};
use roundhouse_tests::sample::{label, new_instance, port};
use roundhouse_tests::{Etcd, Users, changes_until, next_batch};

use crate::{PREFIX, refusal};

fn as_user(etcd: &Etcd, users: &Users, user: &str) -> Options {
    let mut options = etcd.options(PREFIX);
    options.access.login = Some(users.login(user));
    options
}

async fn put(kv: &dyn Kv, value: &str) -> Revision {
    match kv.commit(Txn::new().put("jobs/a", value.to_owned(), None)).await.unwrap() {
        Commit::Done(revision) => revision,
        Commit::Refused => panic!("refused"),
    }
}

/// What etcd's owner is told to do about it.
fn denied(error: &KvError, user: &str) {
    let KvError::Denied { reason, .. } = error else { panic!("{error:?}") };
    assert!(reason.contains(&format!("user `{user}`")) && reason.contains("`/roundhouse/v1/`"), "{reason}");
    assert!(reason.contains(&format!("etcdctl user grant-role {user} roundhouse-hub")), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_may_do_its_part_and_no_more() {
    let etcd = Etcd::running();
    let users = Users::of(&etcd);
    let hub = Client::new(as_user(&etcd, &users, "hub"));
    let at = put(&hub, "{}").await;
    let lease = hub.grant(Duration::from_secs(10)).await.unwrap();
    hub.keep_alive(lease).await.unwrap();
    hub.revoke(lease).await.unwrap();

    let reader = Client::new(as_user(&etcd, &users, "reader"));
    assert_eq!(reader.list().await.unwrap().entries.len(), 1);
    let mut watch = reader.watch(at).await.unwrap();
    let next = put(&hub, "{}").await;
    assert_eq!(next_batch(&mut watch).await.revision, next);
    denied(&reader.commit(Txn::new().put("jobs/a", "x", None)).await.unwrap_err(), "reader");

    let kv = std::sync::Arc::new(Client::new(as_user(&etcd, &users, "registrar")));
    let registrar = Registry::new(kv.clone());
    let new = new_instance("app", "10.0.0.7:1111");
    let (lease, _) = registrar.register_leased(&new, Duration::from_secs(10)).await.unwrap();
    registrar.keep_alive(lease).await.unwrap();
    registrar.set_state(&new.job, new.id, State::Draining).await.unwrap();
    registrar.revoke(lease).await.unwrap();
    denied(&kv.list().await.unwrap_err(), "registrar");
    denied(&kv.watch(at).await.map(drop).unwrap_err(), "registrar");
    denied(&kv.commit(Txn::new().put("tokens/a", "x", None)).await.unwrap_err(), "registrar");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registrar_makes_pools_once_its_role_has_them() {
    let etcd = Etcd::running();
    let users = Users::of(&etcd);
    let hub = Client::new(as_user(&etcd, &users, "hub"));
    let line = Txn::new().put("lines/telecom", r#"{"vips":["203.0.113.0/28"]}"#, None);
    hub.commit(line).await.unwrap();
    let registrar = Registry::new(std::sync::Arc::new(Client::new(as_user(&etcd, &users, "registrar"))));
    let new = NewPool { name: label("blog"), job: label("app"), to: port("main", 1111), port: None };
    let refused = registrar.ensure_pool(&new, 0).await.unwrap_err();
    assert!(matches!(refused, WriteError::Kv(KvError::Denied { .. })), "{refused:?}");
    users.let_registrars_make_pools(&etcd);
    registrar.ensure_pool(&new, 0).await.unwrap();
    let made = hub.list().await.unwrap().entries;
    let keys: Vec<&str> = made.iter().map(|entry| &*entry.key).collect();
    assert_eq!(keys, ["lines/telecom", "pool-vips/203.0.113.1", "pools/blog"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_told_what_to_write_and_never_a_password() {
    let etcd = Etcd::running();
    let users = Users::of(&etcd);
    let error = refusal(etcd.options(PREFIX)).await.to_string();
    assert!(error.contains("write `user` and `password_file`") && error.contains(&etcd.url()), "{error}");
    users.set_password("hub", "guessed-secret");
    let error = refusal(as_user(&etcd, &users, "hub")).await;
    assert!(matches!(error, KvError::Denied { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("user `hub` or the password in ") && error.contains(&etcd.url()), "{error}");
    assert!(error.contains("hub-password") && !error.contains("guessed"), "{error}");
    let mut options = as_user(&etcd, &users, "hub");
    options.access.login.as_mut().unwrap().password_file = "/nowhere/password".into();
    let error = refusal(options).await.to_string();
    assert!(error.contains("password_file /nowhere/password cannot be read"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_etcd_forgets_are_not_noticed() {
    let mut etcd = Etcd::running();
    let users = Users::of(&etcd);
    let hub = Client::new(as_user(&etcd, &users, "hub"));
    let idle = Client::new(as_user(&etcd, &users, "hub"));
    let first = put(&hub, "first").await;
    idle.list().await.unwrap();
    let mut watch = hub.watch(first).await.unwrap();

    // The connection stands, and the token is gone; a call and a watch each find out for themselves.
    users.etcdctl(&etcd, &["auth", "disable"]);
    put(&hub, "without").await;
    users.etcdctl(&etcd, &["auth", "enable"]);
    let last = put(&hub, "again").await;
    let mut fresh = idle.watch(first).await.unwrap();
    for watch in [&mut watch, &mut fresh] {
        let changes = changes_until(watch, last).await;
        assert_eq!(changes.len() as u64, last.0 - first.0);
    }

    // A password that changes takes the tokens along; the file is read again.
    users.etcdctl(&etcd, &["user", "delete", "hub"]);
    users.etcdctl(&etcd, &["user", "add", "hub:other-secret"]);
    users.etcdctl(&etcd, &["user", "grant-role", "hub", "roundhouse-hub"]);
    users.set_password("hub", "other-secret");
    put(&hub, "rotated").await;

    // Tokens are in memory only.
    etcd.stop();
    etcd.start();
    let last = put(&hub, "restarted").await;
    let mut watch = idle.watch(Revision(last.0 - 1)).await.unwrap();
    assert_eq!(next_batch(&mut watch).await.revision, last);
}
