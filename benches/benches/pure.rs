//! The pure parts under criterion: loading a table, picking an endpoint, one change among 100,000 instances or 10,000
//! names.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use criterion::{Criterion, criterion_group, criterion_main};
use roundhouse::table::{Facts, Table, Tried};
use roundhouse_benches::{facts, instance_entry, names, snapshot};
use roundhouse_registry::apply;
use roundhouse_registry::kv::{Batch, Change, Entry, Revision};

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

fn many_names(c: &mut Criterion) {
    let facts = facts();
    for count in [100, 10_000] {
        let old = names(count);
        let table = Table::build(&facts, &old, &Table::empty(&facts), &mut || 0);
        for (what, name) in [
            ("a label", "app50.jobs.coding.net"),
            ("a port of a label", "main.app50.jobs.coding.net"),
            ("a JOBNAME", "app50.s50.coding.jobs.coding.net"),
            ("a domain", "d50.example.net"),
            ("a wildcard", "www.d51.example.net"),
        ] {
            c.bench_function(&format!("resolve {what} among {count}"), |b| {
                b.iter(|| table.resolve(black_box(name)).unwrap());
            });
        }
        c.bench_function(&format!("resolve what is unknown among {count}"), |b| {
            b.iter(|| table.resolve(black_box("www.nobody.example.net")).is_none());
        });
        let vip = table.job("app50").unwrap().vip.unwrap();
        c.bench_function(&format!("a job by its VIP among {count}"), |b| {
            b.iter(|| table.by_vip(black_box(vip)).unwrap().vip);
        });
        for (what, key, value) in [
            (
                "job more",
                "jobs/more",
                r#"{"jobname":"job.more_cop.coding","ports":[{"name":"main","port":1111}]}"#,
            ),
            ("job changed", "jobs/app50", r#"{"jobname":"job.other","ports":[{"name":"main","port":1112}]}"#),
            ("domain more", "domains/more.example.net", r#"{"routes":[{"to":[{"job":"app50"}]}]}"#),
        ] {
            let new = apply(&old, &put(key, value));
            for hub in [false, true] {
                let facts = Facts { hub, ..roundhouse_benches::facts() };
                let table = Table::build(&facts, &old, &Table::empty(&facts), &mut || 0);
                let at = if hub { ", of a hub" } else { "" };
                c.bench_function(&format!("one {what} to a new table among {count}{at}"), |b| {
                    b.iter(|| table.updated(&facts, black_box(&old), &new, &mut || 0));
                });
            }
        }
    }
}

fn put(key: &str, value: &str) -> Batch {
    let (at, value) = (Revision(2), value.to_owned().into());
    let entry = Entry { key: key.into(), value, created: at, modified: at, lease: None };
    Batch { revision: at, changes: vec![Change::Put(entry)] }
}

criterion_group!(benches, pure, many_names);
criterion_main!(benches);
