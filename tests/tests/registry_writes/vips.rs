//! VIP offsets: every gateway agrees, and no two jobs share one.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use rand::seq::SliceRandom;
use roundhouse_registry::record::{Key, Vip, VipOwner};
use roundhouse_registry::write::Expect;
use roundhouse_tests::sample::{job, label};
use roundhouse_tests::{Backend, on_both_backends};

use crate::{read, writer};

on_both_backends!(
    gateways_that_race_agree_and_no_two_jobs_share_a_vip,
    a_wish_is_granted_to_the_first,
    a_guess_never_takes_what_has_an_owner,
);

async fn gateways_that_race_agree_and_no_two_jobs_share_a_vip(backend: &Backend) {
    const JOBS: usize = 20;
    const SIZE: u32 = 64;
    let registry = writer(backend).await;
    let mut jobs: Vec<String> = (0..JOBS).map(|i| format!("app{i}")).collect();
    for name in &jobs {
        registry.put_job(&label(name), &job(&format!("job.{name}")), Expect::Any).await.unwrap();
    }
    // Half of the gateways meet the jobs in the same order, half in one of their own.
    let gateways = (0..8).map(|i| {
        if i % 2 == 0 {
            jobs.shuffle(&mut rand::rng());
        }
        let jobs = jobs.clone();
        async move {
            let registry = writer(backend).await;
            let mut offsets = BTreeMap::new();
            for name in jobs {
                let offset = registry.allocate_vip(&label(&name), None, SIZE, 0).await.unwrap();
                offsets.insert(name, offset);
            }
            offsets
        }
    });
    let answers = join_all(gateways).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let distinct: BTreeSet<u32> = answers[0].values().copied().collect();
    assert_eq!(distinct.len(), JOBS);
    assert!(distinct.iter().all(|offset| (1..SIZE - 1).contains(offset)), "{distinct:?}");
    let second = writer(backend).await;
    for (name, offset) in &answers[0] {
        let again = second.allocate_vip(&label(name), Some(SIZE - 2), SIZE, 0).await.unwrap();
        assert_eq!(again, *offset, "a VIP once given stays");
        assert_eq!(read(&second, &Key::Vip(label(name))).await, Some(Vip { offset: *offset }));
        assert_eq!(read(&second, &Key::VipOwner(*offset)).await, Some(VipOwner::Job(label(name))));
    }
}

async fn a_wish_is_granted_to_the_first(backend: &Backend) {
    let registry = writer(backend).await;
    for name in ["a", "b"] {
        registry.put_job(&label(name), &job(&format!("job.{name}")), Expect::Any).await.unwrap();
    }
    let (a, b) = (label("a"), label("b"));
    let offsets =
        tokio::join!(registry.allocate_vip(&a, Some(7), 16, 0), registry.allocate_vip(&b, Some(7), 16, 0));
    let mut offsets = [offsets.0.unwrap(), offsets.1.unwrap()];
    offsets.sort_unstable();
    assert_eq!(offsets, [1, 7]);
}

async fn a_guess_never_takes_what_has_an_owner(backend: &Backend) {
    let registry = writer(backend).await;
    for name in ["a", "b", "c", "d", "e"] {
        registry.put_job(&label(name), &job(&format!("job.{name}")), Expect::Any).await.unwrap();
    }
    let guessing = |next| registry.vip_allocator(16, 0).guessing(next);
    let mut first = guessing(None);
    assert_eq!(first.allocate(&label("a"), None).await.unwrap(), 1);
    assert_eq!(first.next(), Some(2));
    assert_eq!(registry.allocate_vip(&label("b"), Some(2), 16, 0).await.unwrap(), 2);
    let mut second = guessing(first.next());
    assert_eq!(second.allocate(&label("c"), None).await.unwrap(), 3, "another was faster");
    assert_eq!(second.allocate(&label("d"), Some(9)).await.unwrap(), 9);
    assert_eq!(second.next(), Some(4), "a wish says nothing of the others");
    // Beyond the prefix, which is another's now.
    assert_eq!(guessing(Some(15)).allocate(&label("e"), None).await.unwrap(), 4);
}
