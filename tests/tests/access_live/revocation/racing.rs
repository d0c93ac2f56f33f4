//! Clients that come in at the very moment at which their right to goes: a connection is known before it is asked about,
//! so none slips in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use roundhouse_tests::{SOON, eventually_async, seen, soak};
use tokio::task::JoinSet;

use super::GONE;
use super::live::{Kind, Live, open};
use super::world::{WEB, World};
use crate::stage::{instance, write};

const CLIENTS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_while_a_rule_does_slips_in_at_none() {
    let world = World::start("").await;
    let (_, revision) = instance(&world.gateway, "web", world.address(WEB), "");
    world.in_force(revision);
    let from = world.address(WEB);
    let mut most = 0;
    for round in 0..soak::scaled(6, 60) {
        for (kind, to) in [(Kind::Tcp, world.tcp), (Kind::Events, world.http), (Kind::WebSocket, world.http)]
        {
            let opened = Arc::<AtomicUsize>::default();
            let mut clients = JoinSet::new();
            for _ in 0..CLIENTS {
                let opened = opened.clone();
                clients.spawn(async move {
                    let mut streams = Vec::new();
                    while let Ok(stream) = open(kind, from, to).await {
                        opened.fetch_add(1, Relaxed);
                        streams.push(stream);
                    }
                    streams
                });
            }
            let many = async || seen(opened.load(Relaxed), |opened| *opened >= 4 * CLIENTS);
            eventually_async(SOON, "clients are let in", many).await;
            world.rule("deny-web", r#""from":{"jobname":"job.web"},"action":"deny""#);
            let since = Instant::now();
            let mut live = Live::new();
            while let Some(streams) = clients.join_next().await {
                streams.expect("a client").into_iter().for_each(|stream| live.keep(stream));
            }
            let took = live.all_gone(since).await;
            assert!(took < GONE, "round {round}, {kind:?}: {took:?}");
            most = most.max(opened.load(Relaxed));
            world.in_force(write(&world.gateway, "DELETE", "/v1/rules/deny-web", ""));
        }
    }
    soak::report("revoked while they come", &format!("at most {most} at once"));
}
