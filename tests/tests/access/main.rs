//! Who may come to which job: real gateways, registries, servers and clients. What a rule says of whom is decided in one
//! place and tested there against a naive twin; here is whether the doors are shut that it shuts.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod certificates;
mod databases;
mod defaults;
mod fresh;
mod outage;
mod refused;
mod sockets;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};

use roundhouse_registry::InstanceId;
use roundhouse_tests::{Gateway, SOON, Server, eventually, seen, try_dial};
use serde_json::Value;

/// A gateway with a TCP job `db` that echoes, at its VIP.
struct Stage {
    gateway: Gateway,
    vip: SocketAddr,
    db: Server,
}

impl Stage {
    fn start() -> Stage {
        Stage::of(Gateway::start())
    }

    fn of(gateway: Gateway) -> Stage {
        let db = Server::echo(SocketAddr::new(gateway.net.app(90), 3306));
        let vip = gateway.tcp_job("db", 3306, "", &[db.address]);
        Stage { gateway, vip, db }
    }

    /// The address of client `n`.
    fn client(&self, n: u8) -> IpAddr {
        self.gateway.net.app(n)
    }

    /// An instance of the job at the client's address, and a job if there is none.
    fn lives(&self, job: &str, n: u8, more: &str) -> InstanceId {
        lives(&self.gateway, job, n, more)
    }

    fn rule(&self, id: &str, rule: &str) -> Value {
        put_rule(&self.gateway, id, rule)
    }

    /// Whether a connection from client `n` gets its echo.
    fn lets_in(&self, n: u8) -> bool {
        lets_in(self.client(n), self.vip)
    }

    #[track_caller]
    fn wait_lets_in(&self, n: u8, wanted: bool) {
        eventually(SOON, &format!("client {n} is let in: {wanted}"), || {
            seen(self.lets_in(n), |let_in| *let_in == wanted)
        });
    }
}

fn lives(gateway: &Gateway, job: &str, n: u8, more: &str) -> InstanceId {
    if gateway.api(&format!("/v1/jobs/{job}")).status == 404 {
        gateway.write_job(job, r#""port":7"#, "");
    }
    let id = InstanceId::random();
    let record =
        format!(r#"{{"address":"{}","ports":{{"main":{}}}{more}}}"#, gateway.net.app(n), port_of(id));
    let reply = gateway.call("PUT", &format!("/v1/instances/{job}/{id}"), &record);
    assert_eq!(reply.status, 201, "{reply:?}");
    id
}

/// Nobody listens there; two instances at one address differ in it.
fn port_of(id: InstanceId) -> u16 {
    let digits = id.to_string();
    20_000 + u16::from_str_radix(&digits[..3], 16).unwrap() * 5
}

#[track_caller]
fn put_rule(gateway: &Gateway, id: &str, rule: &str) -> Value {
    let reply = gateway.call("PUT", &format!("/v1/rules/{id}"), rule);
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    reply.json()
}

fn lets_in(client: IpAddr, server: SocketAddr) -> bool {
    let Ok(mut stream) = try_dial(Some(client), server) else { return false };
    let mut back = [0; 4];
    stream.write_all(b"ping").is_ok() && stream.read_exact(&mut back).is_ok() && back == *b"ping"
}

/// The verdict on a peer by the API: `(verdict, reason)`.
fn verdict(gateway: &Gateway, body: &str) -> (String, String) {
    let reply = gateway.call("POST", "/v1/access/check", body);
    assert_eq!(reply.status, 200, "{reply:?}");
    let answer = reply.json();
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    (text("verdict"), text("reason"))
}
