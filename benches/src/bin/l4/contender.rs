//! Who is measured: Roundhouse as it is run, and the peers as Debian has them.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::process::{Cpu, Memory};
use roundhouse_benches::{Peer, edit};
use roundhouse_tests::Gateway;
use serde::Serialize;
use serde_json::json;

use crate::certificate::Certificate;
use crate::cores::Cores;
use crate::proof::Proof;
use crate::stage::Skipped;

const NGINX_TCP: &str = include_str!("../../../peers/nginx-stream-tcp.conf");
const NGINX_UDP: &str = include_str!("../../../peers/nginx-stream-udp.conf");
const NGINX_TLS: &str = include_str!("../../../peers/nginx-stream-tls.conf");
const HAPROXY_TCP: &str = include_str!("../../../peers/haproxy-tcp.conf");
const HAPROXY_TLS: &str = include_str!("../../../peers/haproxy-tls.conf");

const JOB: &str = "served";
const PORT: u16 = 1111;
/// Where an entrypoint of Roundhouse listens, beside its VIPs.
const ENTRYPOINT: u16 = 9_443;
/// For what follows a write in milliseconds, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    Roundhouse,
    Nginx,
    Haproxy,
}

/// A proxy that runs on its core, with a way through it that was proven.
pub(crate) struct Contender {
    pub(crate) who: Who,
    pub(crate) at: SocketAddr,
    process: Process,
}

/// Dropped with its contender, which ends it.
enum Process {
    Gateway(Gateway),
    Peer(Peer),
}

/// From where to where.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) cores: &'a Cores,
    /// Where a peer listens. Roundhouse has addresses of its own.
    pub(crate) listen: SocketAddr,
    pub(crate) backend: SocketAddr,
    /// What shows that it leads there.
    pub(crate) proof: &'a Proof,
}

impl Contender {
    /// A gateway with one worker and this job at its VIP.
    pub(crate) fn roundhouse(way: Way<'_>, protocol: &str) -> Result<Contender, Skipped> {
        let gateway = prepared("", &[])?;
        Contender::gateway(way, gateway, protocol, None)
    }

    /// The same with so many workers.
    pub(crate) fn with_workers(way: Way<'_>, count: usize) -> Result<Contender, Skipped> {
        let gateway = prepared("", &[])?;
        edit(&gateway, "count = 1", &format!("count = {count}"));
        Contender::gateway(way, gateway, "tcp", None)
    }

    /// TCP Fast Open on both sides: an entrypoint takes it, instances are dialled with it.
    pub(crate) fn roundhouse_fast_open(way: Way<'_>) -> Result<Contender, Skipped> {
        let settings = format!(
            "[tcp]\nfast_open = true\n\
             [[entrypoint]]\nname = \"fast\"\nlisten = \"OWN:{ENTRYPOINT}\"\nprotocol = \"tcp\"\njob = \"{JOB}\"\n\
             fast_open = true\n"
        );
        Contender::gateway(way, prepared(&settings, &[])?, "tcp", Some(ENTRYPOINT))
    }

    /// TLS ends at an entrypoint, and what was inside goes to the job.
    pub(crate) fn roundhouse_tls(way: Way<'_>, certificate: &Certificate) -> Result<Contender, Skipped> {
        let settings = format!(
            "[[certificate]]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n\
             [[entrypoint]]\nname = \"tls\"\nlisten = \"OWN:{ENTRYPOINT}\"\nprotocol = \"tls\"\njob = \"{JOB}\"\n\
             terminate = true\n"
        );
        Contender::gateway(way, prepared(&settings, &certificate.files())?, "tcp", Some(ENTRYPOINT))
    }

    fn gateway(
        way: Way<'_>,
        mut gateway: Gateway,
        protocol: &str,
        entrypoint: Option<u16>,
    ) -> Result<Contender, Skipped> {
        gateway.run();
        way.cores.to_proxy(gateway.process().pid());
        put_job(&gateway, JOB, protocol);
        put_instance(&gateway, JOB, way.backend);
        let vip = gateway.vip(JOB);
        let at = match entrypoint {
            Some(port) => SocketAddr::new(gateway.net.gateway(), port),
            None => SocketAddr::new(vip, PORT),
        };
        if let Err(error) = way.proof.within(PATIENCE, at) {
            let not_caught = gateway.job(JOB)["not_caught"].clone();
            let why = not_caught[0]["reason"].as_str().map_or(error, str::to_owned);
            return Err(Skipped(format!("the gateway does not relay {protocol} at {at}: {why}")));
        }
        Ok(Contender { who: Who::Roundhouse, at, process: Process::Gateway(gateway) })
    }

    pub(crate) fn nginx(way: Way<'_>) -> Contender {
        Contender::peer(way, Who::Nginx, Peer::nginx(&filled(NGINX_TCP, way, ["", ""]), &[]))
    }

    pub(crate) fn nginx_udp(way: Way<'_>) -> Contender {
        Contender::peer(way, Who::Nginx, Peer::nginx(&filled(NGINX_UDP, way, ["", ""]), &[]))
    }

    /// It takes Fast Open from clients, and has no way to use it towards a server.
    pub(crate) fn nginx_fast_open(way: Way<'_>) -> Contender {
        let config = filled(NGINX_TCP, way, [" fastopen=4096", ""]);
        Contender::peer(way, Who::Nginx, Peer::nginx(&config, &[]))
    }

    pub(crate) fn nginx_tls(way: Way<'_>, certificate: &Certificate) -> Contender {
        let peer = Peer::nginx(&filled(NGINX_TLS, way, ["", ""]), &certificate.files());
        Contender::peer(way, Who::Nginx, peer)
    }

    /// `options`: lines for its `defaults`.
    pub(crate) fn haproxy(way: Way<'_>, options: &str) -> Contender {
        let config = filled(HAPROXY_TCP, way, ["", ""]).replace("# OPTIONS", options);
        Contender::peer(way, Who::Haproxy, Peer::haproxy(&config, &[]))
    }

    pub(crate) fn haproxy_fast_open(way: Way<'_>) -> Contender {
        let config = filled(HAPROXY_TCP, way, [" tfo", " tfo"]);
        Contender::peer(way, Who::Haproxy, Peer::haproxy(&config, &[]))
    }

    pub(crate) fn haproxy_tls(way: Way<'_>, certificate: &Certificate) -> Contender {
        let peer = Peer::haproxy(&filled(HAPROXY_TLS, way, ["", ""]), &certificate.files());
        Contender::peer(way, Who::Haproxy, peer)
    }

    fn peer(way: Way<'_>, who: Who, peer: Peer) -> Contender {
        let proven = way.proof.within(PATIENCE, way.listen);
        peer.assert_runs();
        proven.unwrap_or_else(|error| panic!("{who:?} does not relay at {}: {error}", way.listen));
        // nginx has its worker by now.
        way.cores.to_proxy(peer.pid());
        Contender { who, at: way.listen, process: Process::Peer(peer) }
    }

    pub(crate) fn cpu(&self) -> Cpu {
        Cpu::of(self.pid())
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::of(self.pid())
    }

    pub(crate) fn pid(&self) -> u32 {
        match &self.process {
            Process::Gateway(gateway) => gateway.process().pid(),
            Process::Peer(peer) => peer.pid(),
        }
    }
}

/// What stands for LISTEN and BACKEND in a peer's configuration, with parameters after each.
fn filled(config: &str, way: Way<'_>, parameters: [&str; 2]) -> String {
    let [of_listen, of_backend] = parameters;
    config
        .replace("LISTEN", &format!("{}{of_listen}", way.listen))
        .replace("BACKEND", &format!("{}{of_backend}", way.backend))
}

/// A gateway on an embedded registry with one worker, not started; `OWN` in the settings is its address. Skipped where
/// it does not know the settings.
fn prepared(settings: &str, files: &[(&str, &str)]) -> Result<Gateway, Skipped> {
    let gateway = Gateway::prepared("embedded", settings);
    edit(&gateway, "count = 2", "count = 1");
    if settings.contains("OWN") {
        edit(&gateway, "OWN", &gateway.net.gateway().to_string());
    }
    for (name, text) in files {
        std::fs::write(gateway.folder().join(name), text).expect("the folder is ours");
    }
    let config = gateway.config().display().to_string();
    let checked = gateway.cli(&["check", &config]);
    if !checked.status.success() {
        let said = String::from_utf8_lossy(&checked.stderr).replace(&format!("{config}:"), "");
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
        return Err(Skipped(format!("the gateway refuses the configuration: {first}")));
    }
    Ok(gateway)
}

/// A job that is believed without a check.
pub(crate) fn put_job(gateway: &Gateway, label: &str, protocol: &str) {
    let port = json!({ "name": "main", "port": PORT, "protocol": protocol });
    let record = json!({ "jobname": format!("job.{label}"), "check": null, "ports": [port] });
    let reply = gateway.call("PUT", &format!("/v1/jobs/{label}"), &record.to_string());
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
}

/// One that is there until it is taken out.
pub(crate) fn put_instance(gateway: &Gateway, label: &str, backend: SocketAddr) {
    let record = json!({ "address": backend.ip(), "ports": { "main": backend.port() } });
    let reply = gateway.call("POST", &format!("/v1/instances/{label}"), &record.to_string());
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
}
