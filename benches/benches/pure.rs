//! The pure parts under criterion: loading a table, picking an endpoint, one change among 100,000 instances.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use criterion::{Criterion, criterion_group, criterion_main};
use roundhouse::table::{Table, Tried};
use roundhouse_benches::{facts, instance_entry, snapshot};
use roundhouse_registry::apply;
use roundhouse_registry::kv::{Batch, Change, Revision};

fn pure(c: &mut Criterion) {
    let facts = facts();
    let old = snapshot(1_000, 100);
    let table = Table::build(&facts, &old, &Table::empty(&facts), &mut || 0);
    let name = "app500.jobs.coding.net";
    c.bench_function("resolve a name among 1,000 jobs", |b| {
        b.iter(|| table.resolve(black_box(name)).unwrap());
    });

    let port = table.job("app500").unwrap().ports[0].clone();
    c.bench_function("pick one of 100 endpoints", |b| {
        b.iter(|| port.endpoints().pick(0, &Tried::default()).unwrap());
    });

    let swap = Arc::new(ArcSwap::from_pointee(Table::empty(&facts)));
    let mut cache = Cache::new(swap.clone());
    c.bench_function("load the table, as a worker does", |b| b.iter(|| cache.load().revision));
    c.bench_function("load the table, as everybody else does", |b| b.iter(|| swap.load().revision));

    let at = Revision(2);
    let mut change = instance_entry(500, 50, at);
    change.value = r#"{"address":"10.200.0.1","ports":{"main":1111}}"#.into();
    let batch = Batch { revision: at, changes: vec![Change::Put(change)] };
    c.bench_function("apply one change among 100,000 instances", |b| {
        b.iter(|| apply(&old, black_box(&batch)));
    });

    let new = apply(&old, &batch);
    c.bench_function("one change to a new table among 100,000 instances", |b| {
        b.iter(|| table.updated(&facts, black_box(&old), &new, &mut || 0));
    });
}

criterion_group!(benches, pure);
criterion_main!(benches);
