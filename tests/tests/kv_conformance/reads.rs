//! Reading: `list`, `range`, `get`, and the revisions that entries carry.

use bytes::Bytes;
use roundhouse_registry::kv::{Entry, Revision, Txn};
use roundhouse_tests::{Backend, on_both_backends};

use crate::{done, keys, put};

on_both_backends!(
    a_listing_is_everything_at_one_revision,
    a_range_is_sorted_and_ends_where_the_prefix_ends,
    entries_carry_the_commits_that_made_and_wrote_them,
    revisions_count_commits_that_change_something,
    values_are_bytes_of_any_kind_up_to_64_kib,
    the_origin_survives_a_restart_and_nobody_else_has_it,
);

async fn a_listing_is_everything_at_one_revision(backend: &Backend) {
    let kv = backend.open().await;
    let empty = kv.list().await.unwrap();
    assert!(empty.entries.is_empty() && !empty.origin.is_empty());
    for key in ["jobs/b", "jobs/a", "instances/a/1"] {
        put(&*kv, key, key).await;
    }
    let last = done(&*kv, Txn::new().delete("jobs/b")).await;
    let listing = kv.list().await.unwrap();
    assert_eq!((listing.revision, &listing.origin), (last, &empty.origin));
    let listed: Vec<_> =
        listing.entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_ref())).collect();
    assert_eq!(listed, [("instances/a/1", b"instances/a/1".as_slice()), ("jobs/a", b"jobs/a")]);
    assert_eq!(kv.range("").await.unwrap(), listing.entries);
}

async fn a_range_is_sorted_and_ends_where_the_prefix_ends(backend: &Backend) {
    let kv = backend.open().await;
    for key in ["k/b", "k/a/2", "k/a", "k", "k/a/10", "k/aa", "k0", "k/\u{10ffff}", "j"] {
        put(&*kv, key, "").await;
    }
    assert_eq!(keys(&*kv, "k/").await, ["k/a", "k/a/10", "k/a/2", "k/aa", "k/b", "k/\u{10ffff}"]);
    assert_eq!(keys(&*kv, "k/a").await, ["k/a", "k/a/10", "k/a/2", "k/aa"]);
    assert_eq!(keys(&*kv, "k/a/").await, ["k/a/10", "k/a/2"]);
    assert_eq!(keys(&*kv, "nothing/").await, [""; 0]);
    assert_eq!(kv.get("k/a").await.unwrap().unwrap().key, "k/a");
    assert_eq!(kv.get("k/").await.unwrap(), None);
}

async fn entries_carry_the_commits_that_made_and_wrote_them(backend: &Backend) {
    let kv = backend.open().await;
    let first = put(&*kv, "a", "1").await;
    let second = put(&*kv, "a", "2").await;
    let expected = |value: &str, created: Revision, modified: Revision| Entry {
        key: "a".into(),
        value: Bytes::copy_from_slice(value.as_bytes()),
        created,
        modified,
        lease: None,
    };
    assert_eq!(kv.get("a").await.unwrap(), Some(expected("2", first, second)));
    let gone = done(&*kv, Txn::new().delete("a")).await;
    assert_eq!(kv.get("a").await.unwrap(), None);
    let third = put(&*kv, "a", "3").await;
    assert_eq!(
        kv.get("a").await.unwrap(),
        Some(expected("3", third, third)),
        "a key made again is a new one"
    );
    assert_eq!([second.0, gone.0, third.0], [first.0 + 1, first.0 + 2, first.0 + 3]);
}

async fn revisions_count_commits_that_change_something(backend: &Backend) {
    let kv = backend.open().await;
    let first = put(&*kv, "a", "1").await;
    assert_eq!(done(&*kv, Txn::new()).await, first);
    assert_eq!(done(&*kv, Txn::new().delete("never")).await, first);
    assert_eq!(put(&*kv, "a", "1").await.0, first.0 + 1, "the same value is a write all the same");
    let both = done(&*kv, Txn::new().put("b", "1", None).put("c", "1", None).delete("a")).await;
    assert_eq!(both.0, first.0 + 2, "a transaction is one commit");
    assert_eq!(kv.list().await.unwrap().revision, both);
}

async fn values_are_bytes_of_any_kind_up_to_64_kib(backend: &Backend) {
    let kv = backend.open().await;
    let every_byte: Vec<u8> = (0..64 << 10).map(|i| (i % 251) as u8 ^ (i >> 8) as u8).collect();
    for (key, value) in
        [("empty", vec![]), ("zeros", vec![0; 100]), ("no-text", vec![0xff, 0xfe, 0]), ("64k", every_byte)]
    {
        done(&*kv, Txn::new().put(key, value.clone(), None)).await;
        assert_eq!(kv.get(key).await.unwrap().unwrap().value, value, "{key}");
        assert_eq!(kv.range(key).await.unwrap()[0].value, value, "{key}");
    }
    assert_eq!(kv.list().await.unwrap().entries.iter().map(|entry| entry.value.len()).max(), Some(64 << 10));
}

async fn the_origin_survives_a_restart_and_nobody_else_has_it(backend: &Backend) {
    let other = match backend {
        Backend::Embedded { .. } => Backend::embedded(),
        Backend::Etcd(_) => Backend::etcd(),
    };
    let origin = backend.open().await.list().await.unwrap().origin;
    let kv = other.open().await;
    let others = kv.list().await.unwrap().origin;
    let last = put(&*kv, "a", "1").await;
    drop(kv);
    assert_ne!(origin, others);
    let again = other.restarted();
    let listing = again.open().await.list().await.unwrap();
    assert_eq!((listing.origin, listing.revision, listing.entries.len()), (others, last, 1));
}
