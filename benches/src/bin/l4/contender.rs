//! Who is measured: Roundhouse as it is run, and the peers as Debian has them.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::compare::{Contender, Cores, Skipped, Who};
use roundhouse_benches::load::Certificate;
use roundhouse_benches::{PORT, Peer, edit, prepared, put_instance, put_job};
use roundhouse_tests::Gateway;

use crate::proof::Proof;

const NGINX_TCP: &str = include_str!("../../../peers/nginx-stream-tcp.conf");
const NGINX_UDP: &str = include_str!("../../../peers/nginx-stream-udp.conf");
const NGINX_TLS: &str = include_str!("../../../peers/nginx-stream-tls.conf");
const HAPROXY_TCP: &str = include_str!("../../../peers/haproxy-tcp.conf");
const HAPROXY_TLS: &str = include_str!("../../../peers/haproxy-tls.conf");

const JOB: &str = "served";
/// Where an entrypoint of Roundhouse listens, beside its VIPs.
const ENTRYPOINT: u16 = 9_443;
/// For what follows a write in milliseconds, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// A gateway with one worker and this job at its VIP.
pub(crate) fn roundhouse(way: Way<'_>, protocol: &str) -> Result<Contender, Skipped> {
    let gateway = prepared("embedded", "", &[])?;
    started(way, gateway, protocol, None)
}

/// The same with so many workers.
pub(crate) fn with_workers(way: Way<'_>, count: usize) -> Result<Contender, Skipped> {
    let gateway = prepared("embedded", "", &[])?;
    edit(&gateway, "count = 1", &format!("count = {count}"));
    started(way, gateway, "tcp", None)
}

/// TCP Fast Open on both sides: an entrypoint takes it, instances are dialled with it.
pub(crate) fn roundhouse_fast_open(way: Way<'_>) -> Result<Contender, Skipped> {
    let settings = format!(
        "[tcp]\nfast_open = true\n\
         [[entrypoint]]\nname = \"fast\"\nlisten = \"OWN:{ENTRYPOINT}\"\nprotocol = \"tcp\"\njob = \"{JOB}\"\n\
         fast_open = true\n"
    );
    started(way, prepared("embedded", &settings, &[])?, "tcp", Some(ENTRYPOINT))
}

/// TLS ends at an entrypoint, and what was inside goes to the job.
pub(crate) fn roundhouse_tls(way: Way<'_>, certificate: &Certificate) -> Result<Contender, Skipped> {
    let settings = format!(
        "[[certificate]]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n\
         [[entrypoint]]\nname = \"tls\"\nlisten = \"OWN:{ENTRYPOINT}\"\nprotocol = \"tls\"\njob = \"{JOB}\"\n\
         terminate = true\n"
    );
    started(way, prepared("embedded", &settings, &certificate.files())?, "tcp", Some(ENTRYPOINT))
}

fn started(
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
    Ok(Contender::gateway(at, gateway))
}

pub(crate) fn nginx(way: Way<'_>) -> Contender {
    proven(way, Who::Nginx, Peer::nginx(&filled(NGINX_TCP, way, ["", ""]), &[]))
}

pub(crate) fn nginx_udp(way: Way<'_>) -> Contender {
    proven(way, Who::Nginx, Peer::nginx(&filled(NGINX_UDP, way, ["", ""]), &[]))
}

/// It takes Fast Open from clients, and has no way to use it towards a server.
pub(crate) fn nginx_fast_open(way: Way<'_>) -> Contender {
    let config = filled(NGINX_TCP, way, [" fastopen=4096", ""]);
    proven(way, Who::Nginx, Peer::nginx(&config, &[]))
}

pub(crate) fn nginx_tls(way: Way<'_>, certificate: &Certificate) -> Contender {
    let peer = Peer::nginx(&filled(NGINX_TLS, way, ["", ""]), &certificate.files());
    proven(way, Who::Nginx, peer)
}

/// `options`: lines for its `defaults`.
pub(crate) fn haproxy(way: Way<'_>, options: &str) -> Contender {
    let config = filled(HAPROXY_TCP, way, ["", ""]).replace("# OPTIONS", options);
    proven(way, Who::Haproxy, Peer::haproxy(&config, &[]))
}

pub(crate) fn haproxy_fast_open(way: Way<'_>) -> Contender {
    let config = filled(HAPROXY_TCP, way, [" tfo", " tfo"]);
    proven(way, Who::Haproxy, Peer::haproxy(&config, &[]))
}

pub(crate) fn haproxy_tls(way: Way<'_>, certificate: &Certificate) -> Contender {
    let peer = Peer::haproxy(&filled(HAPROXY_TLS, way, ["", ""]), &certificate.files());
    proven(way, Who::Haproxy, peer)
}

fn proven(way: Way<'_>, who: Who, peer: Peer) -> Contender {
    let outcome = way.proof.within(PATIENCE, way.listen);
    peer.assert_runs();
    outcome.unwrap_or_else(|error| panic!("{who:?} does not relay at {}: {error}", way.listen));
    // nginx has its worker by now.
    way.cores.to_proxy(peer.pid());
    Contender::peer(who, way.listen, peer)
}

/// What stands for LISTEN and BACKEND in a peer's configuration, with parameters after each.
fn filled(config: &str, way: Way<'_>, parameters: [&str; 2]) -> String {
    let [of_listen, of_backend] = parameters;
    config
        .replace("LISTEN", &format!("{}{of_listen}", way.listen))
        .replace("BACKEND", &format!("{}{of_backend}", way.backend))
}
