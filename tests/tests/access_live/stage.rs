//! A gateway with a job that is guarded, and clients of every kind.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use roundhouse_registry::InstanceId;
use roundhouse_tests::http::Reply;
use roundhouse_tests::{Gateway, Recorder, SOON, eventually, seen};
use serde_json::Value;

/// Hosts of the gateway's network, by who lives there. `job.web` may do all but administer,
pub(crate) const WEB: u8 = 20;
/// `job.reader` may read what is under `/public`,
pub(crate) const READER: u8 = 21;
/// `job.evil` may do nothing,
pub(crate) const EVIL: u8 = 22;
/// both `job.web` and `job.evil` live at one, as on a host network,
pub(crate) const SHARED: u8 = 23;
/// and here is nobody.
pub(crate) const STRANGER: u8 = 60;
/// Is believed whom it forwards for by the entrypoint [`Stage::forwarding`],
pub(crate) const PROXY: u8 = 50;
/// and by a PROXY header by [`Stage::proxied`].
pub(crate) const BALANCER: u8 = 51;

/// The job is `shop`; its instance keeps what it is sent.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) shop: Recorder,
    /// Its VIP.
    pub(crate) vip: SocketAddr,
}

impl Stage {
    pub(crate) fn start() -> Stage {
        Stage::with("")
    }

    /// With more lines for the gateway's configuration.
    pub(crate) fn with(more: &str) -> Stage {
        let mut gateway = Gateway::prepared("embedded", "");
        let own = gateway.net.gateway();
        gateway.add(&format!(
            "[[entrypoint]]\nname = \"forwarding\"\nlisten = \"{own}:8081\"\nprotocol = \"http\"\n\
             trust_forwarded = [\"{}/32\"]\n\
             [[entrypoint]]\nname = \"proxied\"\nlisten = \"{own}:8082\"\nprotocol = \"http\"\n\
             trust_proxy = [\"{}/32\"]\n{more}",
            gateway.net.address(PROXY),
            gateway.net.address(BALANCER),
        ));
        gateway.run();
        let record = r#"{"jobname":"job.shop_service.store_cop.coding","check":null,
            "ports":[{"name":"main","port":9090,"protocol":"http"}]}"#;
        write(&gateway, "PUT", "/v1/jobs/shop", record);
        let shop = Recorder::start(&gateway, "shop", 0);
        let vip = gateway.listening_vip("shop", 9090);
        let stage = Stage { gateway, shop, vip };
        stage.clients();
        stage.rule("allow-web", r#""from":{"jobname":"job.web"},"action":"allow""#);
        stage.rule("allow-reader", r#""from":{"jobname":"job.reader"},"action":"allow","paths":["/public"]"#);
        let everybody = r#""from":{"cidr":["0.0.0.0/0","::/0"]}"#;
        let denied = stage.rule("deny-admin", &format!(r#"{everybody},"action":"deny","paths":["/admin"]"#));
        stage.in_force(denied);
        stage
    }

    fn clients(&self) {
        for label in ["web", "reader", "evil"] {
            self.gateway.write_job(label, r#""port":9000"#, "");
        }
        self.instance("web", WEB, "");
        self.instance("reader", READER, "");
        self.instance("evil", EVIL, "");
        self.instance("web", SHARED, r#","shared_ip":true"#);
        self.instance("evil", SHARED, r#","shared_ip":true"#);
    }

    pub(crate) fn address(&self, host: u8) -> IpAddr {
        self.gateway.net.address(host)
    }

    pub(crate) fn forwarding(&self) -> SocketAddr {
        SocketAddr::new(self.gateway.net.gateway(), 8081)
    }

    pub(crate) fn proxied(&self) -> SocketAddr {
        SocketAddr::new(self.gateway.net.gateway(), 8082)
    }

    /// A static instance at this host; `more`: further fields.
    #[track_caller]
    pub(crate) fn instance(&self, label: &str, host: u8, more: &str) -> (InstanceId, u64) {
        instance(&self.gateway, label, self.address(host), more)
    }

    /// A rule to the shop with these fields.
    #[track_caller]
    pub(crate) fn rule(&self, id: &str, fields: &str) -> u64 {
        rule(&self.gateway, "shop", id, fields)
    }

    #[track_caller]
    pub(crate) fn in_force(&self, revision: u64) {
        in_force(&self.gateway, "shop", revision);
    }
}

/// A static instance of the job; its id, and the revision since which it is there.
#[track_caller]
pub(crate) fn instance(gateway: &Gateway, label: &str, address: IpAddr, more: &str) -> (InstanceId, u64) {
    // One address and port is one instance's.
    static NEXT: AtomicU16 = AtomicU16::new(10_000);
    let (id, port) = (InstanceId::random(), NEXT.fetch_add(1, Relaxed));
    let record = format!(r#"{{"address":"{address}","ports":{{"main":{port}}}{more}}}"#);
    (id, write(gateway, "PUT", &format!("/v1/instances/{label}/{id}"), &record))
}

/// A rule to the job with these fields (JSON); its revision.
#[track_caller]
pub(crate) fn rule(gateway: &Gateway, to: &str, id: &str, fields: &str) -> u64 {
    write(gateway, "PUT", &format!("/v1/rules/{id}"), &format!(r#"{{"to":{{"job":"{to}"}},{fields}}}"#))
}

/// A write that is taken; its revision.
#[track_caller]
pub(crate) fn write(gateway: &Gateway, method: &str, path: &str, body: &str) -> u64 {
    let reply = gateway.call(method, path, body);
    assert!(matches!(reply.status, 200 | 201 | 204), "{method} {path}: {reply:?}");
    revision(&reply).unwrap_or_else(|| panic!("{method} {path}: no revision in {reply:?}"))
}

fn revision(reply: &Reply) -> Option<u64> {
    let said = reply.body.parse::<Value>().ok().and_then(|body| body["revision"].as_u64());
    said.or_else(|| reply.header("x-roundhouse-revision")?.parse().ok())
}

/// Until the table that decides is of this revision.
#[track_caller]
pub(crate) fn in_force(gateway: &Gateway, job: &str, revision: u64) {
    let question = format!(r#"{{"from":"192.0.2.1","to":"{job}"}}"#);
    eventually(SOON, &format!("revision {revision} is in force"), || {
        let reply = gateway.call("POST", "/v1/access/test", &question);
        seen(reply, |reply| reply.status == 200 && reply.json()["revision"].as_u64() >= Some(revision))
    });
}
