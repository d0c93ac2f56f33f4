//! Clients whom a proxy forwards: several on one connection, of which each has its own rights.

use std::net::SocketAddr;
use std::time::Instant;

use super::GONE;
use super::live::{Http2, Kind, Live, open_after};
use super::world::{OTHER, WEB, World};
use crate::stage::{instance, write};

const PROXY: u8 = 50;

async fn set() -> (World, SocketAddr) {
    let world = World::start("").await;
    instance(&world.gateway, "web", world.address(WEB), "");
    instance(&world.gateway, "other", world.address(OTHER), "");
    world.allow_both();
    let trust = format!(r#""protocol":"http","trust_forwarded":["{}/32"]"#, world.address(PROXY));
    let entrypoint = world.gateway.put_entrypoint("forwarding", 8081, &trust);
    world.gateway.wait_listening(entrypoint);
    (world, entrypoint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_connection_only_the_streams_of_whoever_may_not_stay_end() {
    let (world, entrypoint) = set().await;
    let connection = Http2::dial(world.address(PROXY), entrypoint).await;
    let mut lives = [Live::new(), Live::new()];
    let named = [world.address(WEB).to_string(), world.address(OTHER).to_string()];
    for _ in 0..20 {
        for (live, client) in lives.iter_mut().zip(&named) {
            let (status, body) = connection.get(&[("x-forwarded-for", client)]).await;
            assert_eq!(status, 200);
            live.read_stream(body, connection.clone());
        }
    }
    for live in &lives {
        live.words(20).await;
    }
    let [web, other] = &lives;
    world.rule("deny-web", r#""from":{"jobname":"job.web"},"action":"deny""#);
    let took = web.all_gone(Instant::now()).await;
    assert!(took < GONE, "{took:?}");
    other.all_there(|| world.tick()).await;
    assert_eq!(connection.get(&[("x-forwarded-for", &named[0])]).await.0, 403);
    assert_eq!(connection.get(&[("x-forwarded-for", &named[1])]).await.0, 200);
}

/// Whose address is in a field alone, so that the connection's own says nothing of whom a change concerns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarded_client_whose_instance_leaves_is_ended() {
    let (world, entrypoint) = set().await;
    let (id, last) = instance(&world.gateway, "web", world.address(30), "");
    world.in_force(last);
    let from = world.address(PROXY);
    let client = world.address(30).to_string();
    let web = Live::open_streams(10, from, entrypoint, &[("x-forwarded-for", &client)]).await;
    let client = world.address(WEB).to_string();
    let stays = Live::open_streams(10, from, entrypoint, &[("x-forwarded-for", &client)]).await;
    write(&world.gateway, "DELETE", &format!("/v1/instances/web/{id}"), "");
    let took = web.all_gone(Instant::now()).await;
    assert!(took < GONE, "{took:?}");
    stays.all_there(|| world.tick()).await;
}

/// A PROXY header names the client of all kinds of connections, in IPv6's form of its address too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whom_a_proxy_header_names_is_ended() {
    let (world, _) = set().await;
    let trust = format!(r#""trust_proxy":["{}/32"]"#, world.address(PROXY));
    let raw = world.gateway.put_entrypoint("raw", 8082, &format!(r#""protocol":"tcp","job":"db",{trust}"#));
    let http = world.gateway.put_entrypoint("proxied", 8083, &format!(r#""protocol":"http",{trust}"#));
    world.gateway.wait_listening(raw);
    world.gateway.wait_listening(http);
    let header = |host: u8, mapped: bool| match mapped {
        false => format!("PROXY TCP4 {} 203.0.113.9 4321 443\r\n", world.address(host)),
        true => format!("PROXY TCP6 ::ffff:{} 2001:db8::9 4321 443\r\n", world.address(host)),
    };
    let (mut web, mut other) = (Live::new(), Live::new());
    let from = world.address(PROXY);
    for mapped in [false, true] {
        for (kind, to) in [(Kind::Tcp, raw), (Kind::Events, http), (Kind::WebSocket, http)] {
            web.keep(open_after(&header(WEB, mapped), kind, from, to).await.expect("web is let in"));
            other.keep(open_after(&header(OTHER, mapped), kind, from, to).await.expect("other is let in"));
            open_after(&header(40, mapped), kind, from, to).await.expect_err("a stranger is not");
        }
    }
    // Newer, and another job's.
    instance(&world.gateway, "evil", world.address(WEB), "");
    let took = web.all_gone(Instant::now()).await;
    assert!(took < GONE, "{took:?}");
    other.all_there(|| world.tick()).await;
}
