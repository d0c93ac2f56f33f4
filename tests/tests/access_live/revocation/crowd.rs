//! A few of every kind from one address.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use roundhouse_tests::{SOON, eventually_async, seen};

use super::GONE;
use super::datagrams::Session;
use super::live::{Http2, Kind, Live, open};
use super::world::World;

pub(crate) struct Crowd {
    from: IpAddr,
    lives: Vec<Live>,
    session: Session,
}

impl Crowd {
    pub(crate) async fn open(world: &World, host: u8) -> Crowd {
        let from = world.address(host);
        let lives = vec![
            Live::open(5, Kind::Tcp, from, world.tcp).await,
            Live::open(5, Kind::Events, from, world.http).await,
            Live::open(5, Kind::WebSocket, from, world.http).await,
            Live::open_streams(5, from, world.http, &[]).await,
        ];
        Crowd { from, lives, session: Session::open(from, world.udp).await }
    }

    /// All of it is gone in time after `since`, and does not come in again.
    pub(crate) async fn is_gone(&self, world: &World, since: Instant) {
        let mut longest = Duration::ZERO;
        for live in &self.lives {
            longest = longest.max(live.all_gone(since).await);
        }
        assert!(longest < GONE, "{longest:?}");
        self.session.is_gone(world).await;
        for (kind, to) in [(Kind::Tcp, world.tcp), (Kind::Events, world.http), (Kind::WebSocket, world.http)]
        {
            open(kind, self.from, to).await.expect_err("it may not come in");
        }
        assert_eq!(Http2::dial(self.from, world.http).await.get(&[]).await.0, 403);
    }

    pub(crate) async fn is_there(&self, world: &World) {
        for live in &self.lives {
            live.all_there(|| world.tick()).await;
        }
        self.session.is_there().await;
    }

    /// Whoever may come again does.
    pub(crate) async fn may_come_again(world: &World, host: u8) {
        let from = world.address(host);
        eventually_async(SOON, "it is let in again", async || {
            seen(open(Kind::Tcp, from, world.tcp).await.is_ok(), |open| *open)
        })
        .await;
        drop(Crowd::open(world, host).await);
    }
}
