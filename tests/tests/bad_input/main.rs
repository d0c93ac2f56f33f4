//! Bad input of every kind against a gateway at work: each is told what is wrong, where, and what to write instead, and
//! whatever was served before is served after.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod api;
mod dns;
mod files;
mod heads;
mod raw;
mod records;
mod watch;

use std::net::SocketAddr;

use roundhouse_tests::{Background, Gateway, SOON, eventually, http, programs, seen};
use serde_json::Value;

/// The port of the job `web`, at its VIP and at its instance.
const PORT: u16 = 9090;

/// A gateway with one job, `web`, that must go on being served.
struct Served {
    gateway: Gateway,
    _web: Background,
    /// The registry before the bad input.
    records: Value,
}

impl Served {
    fn start() -> Served {
        Served::by(Gateway::start())
    }

    /// `web` has one static instance: its record does not change by itself.
    fn by(gateway: Gateway) -> Served {
        let address = gateway.net.app(0);
        let mut sample = programs::roundhouse();
        sample.args(["sample", "--name", "web", "--listen", &SocketAddr::new(address, PORT).to_string()]);
        let web = Background::spawn(sample);
        web.wait_line(SOON, "listens on");
        gateway.put_job("web", PORT, "http");
        let instance = format!(r#"{{"address":"{address}","ports":{{"main":{PORT}}}}}"#);
        let reply = gateway.call("POST", "/v1/instances/web", &instance);
        assert_eq!(reply.status, 201, "{reply:?}");
        gateway.wait_healthy("web", 1);
        // The gateway's own record comes when it comes.
        let records = eventually(SOON, "the gateway is announced", || {
            seen(gateway.api("/v1/snapshot").json(), |records| !entries(records, "gateways/").is_empty())
        });
        Served { gateway, _web: web, records }
    }

    fn vip(&self) -> SocketAddr {
        SocketAddr::new(self.gateway.vip("web"), PORT)
    }

    /// The registry is as it was, to the revision, and `web` is served by a process that never panicked.
    #[track_caller]
    fn is_unharmed(&self) {
        assert_eq!(self.gateway.api("/v1/snapshot").json(), self.records);
        self.still_serves();
    }

    #[track_caller]
    fn still_serves(&self) {
        let expected = format!("web {}:{PORT}", self.gateway.net.app(0));
        for (server, host) in [(self.gateway.http(), "web.jobs"), (self.vip(), "anything.example")] {
            let reply = http::get(server, host, "/").unwrap();
            assert!(reply.status == 200 && reply.body.starts_with(&expected), "{reply:?}");
        }
        let process = self.gateway.process();
        assert_eq!(process.exit_status(), None);
        assert!(!process.stderr().contains("panicked"), "{}", process.stderr());
    }

    /// Until the quarantine has these keys and no others, each with its reason.
    #[track_caller]
    fn wait_quarantined(&self, expected: &[(&str, &str)]) {
        eventually(SOON, "the bad records are quarantined", || {
            let listed = self.gateway.api("/v1/quarantine").json();
            let all = listed.as_array().cloned().unwrap_or_default();
            let is_told = |(key, reason): &(&str, &str)| {
                let told = |item: &&Value| item["reason"].as_str().is_some_and(|text| text.contains(reason));
                all.iter().filter(|item| item["key"] == *key).any(|item| told(&item))
            };
            if all.len() == expected.len() && expected.iter().all(is_told) { Ok(()) } else { Err(listed) }
        });
    }
}

/// The entries of a snapshot whose keys start with this.
fn entries<'a>(snapshot: &'a Value, prefix: &str) -> Vec<&'a Value> {
    let all = snapshot["entries"].as_array().expect("a snapshot has entries");
    all.iter().filter(|entry| entry["key"].as_str().is_some_and(|key| key.starts_with(prefix))).collect()
}
