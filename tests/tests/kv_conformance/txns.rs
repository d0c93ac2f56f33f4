//! Committing: all operations if all conditions hold, else nothing.

use futures_util::future::join_all;
use roundhouse_registry::kv::{Commit, Condition, KvError, Revision, Txn};
use roundhouse_tests::{Backend, on_both_backends};

use crate::{done, keys, put};

on_both_backends!(
    absent_and_at_decide,
    vacant_is_about_all_keys_under_a_prefix,
    a_refused_transaction_writes_nothing,
    the_limit_is_128_operations_or_conditions,
    a_transaction_writes_a_key_once,
    no_update_is_lost_among_racing_writers,
);

async fn absent_and_at_decide(backend: &Backend) {
    let kv = backend.open().await;
    let absent = |key: &str| Txn::new().when(Condition::Absent(key.into())).put(key, "new", None);
    let at = |key: &str, at: Revision| Txn::new().when(Condition::At(key.into(), at)).put(key, "newer", None);
    let Commit::Done(made) = kv.commit(absent("a")).await.unwrap() else { panic!("it is absent") };
    assert_eq!(kv.commit(absent("a")).await.unwrap(), Commit::Refused);
    assert_eq!(kv.commit(at("a", Revision(made.0 + 1))).await.unwrap(), Commit::Refused);
    assert_eq!(kv.commit(at("b", made)).await.unwrap(), Commit::Refused, "absent keys are at no revision");
    assert_eq!(kv.commit(at("a", made)).await.unwrap(), Commit::Done(Revision(made.0 + 1)));
    assert_eq!(
        kv.commit(at("a", made)).await.unwrap(),
        Commit::Refused,
        "At is the last write, not the first"
    );
    let deleted = done(&*kv, Txn::new().delete("a")).await;
    assert_eq!(kv.commit(at("a", deleted)).await.unwrap(), Commit::Refused);
    assert_eq!(kv.commit(at("b", Revision(0))).await.unwrap(), Commit::Done(Revision(deleted.0 + 1)));
    assert_eq!(kv.commit(at("b", Revision(0))).await.unwrap(), Commit::Refused, "revision 0 is absence");
    assert!(matches!(kv.commit(at("a", Revision(0))).await.unwrap(), Commit::Done(_)), "deleted is absent");
    done(&*kv, Txn::new().delete("a")).await;
    assert!(matches!(kv.commit(absent("a")).await.unwrap(), Commit::Done(_)));
}

async fn vacant_is_about_all_keys_under_a_prefix(backend: &Backend) {
    let kv = backend.open().await;
    let vacant = || Txn::new().when(Condition::Vacant("k/a/".into())).put("done", "v", None);
    for beside in ["k", "k/a", "k/a.", "k/a0", "k/aa/1", "k/b/1"] {
        put(&*kv, beside, "v").await;
    }
    assert!(matches!(kv.commit(vacant()).await.unwrap(), Commit::Done(_)));
    for inside in ["k/a/", "k/a/1", "k/a/\u{10ffff}"] {
        put(&*kv, inside, "v").await;
        assert_eq!(kv.commit(vacant()).await.unwrap(), Commit::Refused, "{inside}");
        done(&*kv, Txn::new().delete(inside)).await;
        assert!(matches!(kv.commit(vacant()).await.unwrap(), Commit::Done(_)));
    }
}

async fn a_refused_transaction_writes_nothing(backend: &Backend) {
    let kv = backend.open().await;
    let before = put(&*kv, "a", "1").await;
    let txn = Txn::new()
        .when(Condition::At("a".into(), before))
        .when(Condition::Absent("b".into()))
        .when(Condition::At("a".into(), Revision(before.0 + 7)))
        .put("b", "2", None)
        .put("a", "2", None);
    assert_eq!(kv.commit(txn).await.unwrap(), Commit::Refused);
    let listing = kv.list().await.unwrap();
    assert_eq!((listing.revision, listing.entries.len()), (before, 1));
    assert_eq!(listing.entries[0].value, "1");
}

async fn the_limit_is_128_operations_or_conditions(backend: &Backend) {
    let kv = backend.open().await;
    let puts = |n: usize| (0..n).fold(Txn::new(), |txn, i| txn.put(format!("k/{i:03}"), "v", None));
    let first = done(&*kv, puts(128)).await;
    assert_eq!(kv.range("k/").await.unwrap().iter().filter(|entry| entry.modified == first).count(), 128);
    let looks = |n: usize| (0..n).fold(Txn::new(), |txn, i| txn.when(Condition::Absent(format!("n/{i}"))));
    done(&*kv, looks(128).put("a", "v", None)).await;
    let before = kv.list().await.unwrap();
    for too_large in [puts(129), looks(129).put("b", "v", None)] {
        let error = kv.commit(too_large).await.unwrap_err();
        assert!(matches!(error, KvError::Invalid(_)), "{error:?}");
    }
    let after = kv.list().await.unwrap();
    assert_eq!((after.revision, after.entries), (before.revision, before.entries));
}

async fn a_transaction_writes_a_key_once(backend: &Backend) {
    let kv = backend.open().await;
    let before = put(&*kv, "a", "0").await;
    for twice in [
        Txn::new().put("a", "1", None).put("a", "2", None),
        Txn::new().put("a", "1", None).delete("a"),
        Txn::new().delete("a").put("a", "1", None),
        Txn::new().delete("a").put("a", "1", None).when(Condition::Absent("a".into())),
    ] {
        let error = kv.commit(twice).await.unwrap_err();
        assert!(matches!(error, KvError::Invalid(_)), "{error:?}");
    }
    assert_eq!(kv.get("a").await.unwrap().unwrap().modified, before);
    done(&*kv, Txn::new().delete("a").delete("a")).await;
}

async fn no_update_is_lost_among_racing_writers(backend: &Backend) {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 10;
    let first = backend.open().await;
    put(&*first, "n", "0").await;
    let writer = async || {
        let kv = backend.open().await;
        for _ in 0..ROUNDS {
            loop {
                let entry = kv.get("n").await.unwrap().unwrap();
                let n: usize = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
                let when = Condition::At("n".into(), entry.modified);
                let txn = Txn::new().when(when).put("n", (n + 1).to_string(), None);
                if kv.commit(txn).await.unwrap() != Commit::Refused {
                    break;
                }
            }
        }
    };
    join_all((0..WRITERS).map(|_| writer())).await;
    let n = first.get("n").await.unwrap().unwrap();
    assert_eq!(n.value, (WRITERS * ROUNDS).to_string());
    assert_eq!(keys(&*first, "").await, ["n"]);
}
