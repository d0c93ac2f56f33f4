//! As many as a hub has.

use std::time::Instant;

use roundhouse_tests::soak;
use tokio::sync::Mutex;

use super::GONE;
use super::live::{Http2, Kind, Live, open};
use super::world::{OTHER, WEB, World};
use crate::stage::instance;

/// This process has both ends of all of them, and as many descriptors as it has: one such test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

const DENY_WEB: &str = r#""from":{"jobname":"job.web"},"action":"deny""#;

async fn world() -> World {
    let world = World::start("").await;
    for (label, host) in [("web", WEB), ("other", OTHER)] {
        let (_, revision) = instance(&world.gateway, label, world.address(host), "");
        world.in_force(revision);
    }
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_thousand_of_eight_thousand_connections_end_within_a_second_and_no_other() {
    let _alone = ALONE.lock().await;
    let world = world().await;
    let half = 4_000;
    let web = Live::open(half, Kind::Tcp, world.address(WEB), world.tcp).await;
    let other = Live::open(half, Kind::Tcp, world.address(OTHER), world.tcp).await;
    web.all_there(|| world.tick()).await;
    world.rule("deny-web", DENY_WEB);
    let since = Instant::now();
    let took = web.all_gone(since).await;
    soak::report("revoked: 4,000 of 8,000 L4 connections", &format!("{:.3} s", took.as_secs_f64()));
    assert!(took < GONE, "{took:?}");
    other.all_there(|| world.tick()).await;
    world.gateway.wait_reason("revoked", half as u64);
    assert_eq!(world.gateway.reason("revoked"), half as u64);
    assert!(open(Kind::Tcp, world.address(WEB), world.tcp).await.is_err());
    open(Kind::Tcp, world.address(OTHER), world.tcp).await.expect("other is let in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_of_two_thousand_streams_and_web_sockets_end_within_a_second_and_no_other() {
    let _alone = ALONE.lock().await;
    let world = world().await;
    let quarter = 500;
    let (web, other) = (world.address(WEB), world.address(OTHER));
    let streams = Live::open_streams(quarter, web, world.http, &[]).await;
    let sockets = Live::open(quarter, Kind::WebSocket, web, world.http).await;
    let kept = [
        Live::open_streams(quarter, other, world.http, &[]).await,
        Live::open(quarter, Kind::WebSocket, other, world.http).await,
    ];
    let connection = Http2::dial(web, world.http).await;
    let (status, body) = connection.get(&[]).await;
    assert_eq!(status, 200);
    let mut alone = Live::new();
    alone.read_stream(body, connection.clone());
    world.rule("deny-web", DENY_WEB);
    let since = Instant::now();
    let took = [streams.all_gone(since).await, sockets.all_gone(since).await, alone.all_gone(since).await];
    let longest = took.into_iter().max().unwrap_or_default();
    soak::report(
        "revoked: 500 streams and 500 WebSockets of 2,000",
        &format!("{:.3} s", longest.as_secs_f64()),
    );
    assert!(longest < GONE, "{took:?}");
    for live in &kept {
        live.all_there(|| world.tick()).await;
    }
    // The connection that carried a stream goes on, and its next request is refused.
    assert_eq!(connection.get(&[]).await.0, 403);
    let refused = open(Kind::WebSocket, web, world.http).await.expect_err("web is denied").to_string();
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
}
