//! Who is measured: Roundhouse as it is run, nginx and HAProxy as Debian has them, and pingora-proxy.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_benches::compare::{Contender, Cores, Skipped, Stage, Who, within};
use roundhouse_benches::load::Certificate;
use roundhouse_benches::{
    Peer, domain_record, edit, fill_embedded, prepared, put_domain, put_instance, put_job,
};

use crate::proof;
use crate::way::{Spoken, Way};

const NGINX: &str = include_str!("../../../peers/nginx-http.conf");
const NGINX_SERVER: &str = include_str!("../../../peers/nginx-http-server.conf");
const HAPROXY: &str = include_str!("../../../peers/haproxy-http.conf");
const PINGORA: &str = include_str!("../../../peers/pingora.conf");

const JOB: &str = "served";
/// Where Roundhouse ends TLS.
const HTTPS: u16 = 9_443;
/// More hosts are not written one by one.
const MANY: usize = 10;
/// For a start with 10,000 hosts, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const ALL: [Who; 4] = [Who::Roundhouse, Who::Nginx, Who::Haproxy, Who::Pingora];

/// Whoever can.
pub(crate) fn all(stage: &mut Stage, row: u8, way: Way<'_>) -> Vec<Contender> {
    let all = ALL.map(|who| one(who, &stage.cores, way));
    stage.able(row, all)
}

pub(crate) fn one(who: Who, cores: &Cores, way: Way<'_>) -> Result<Contender, Skipped> {
    match who {
        Who::Roundhouse => roundhouse(cores, way, 1),
        Who::Nginx => proven(who, cores, way, way.listen(1), nginx(way, way.listen(1))),
        Who::Haproxy => proven(who, cores, way, way.listen(2), haproxy(way, way.listen(2))),
        Who::Pingora => match pingora(way, way.listen(3)) {
            Some(peer) => proven(who, cores, way, way.listen(3), peer),
            None => Err(Skipped("pingora is not built: `make bench-l7` does that".into())),
        },
    }
}

/// A gateway with so many workers.
pub(crate) fn roundhouse(cores: &Cores, way: Way<'_>, workers: usize) -> Result<Contender, Skipped> {
    let files = way.spoken.certificate().map(Certificate::files);
    let settings = files.map(|_| {
        format!(
            "[[certificate]]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n\
             [[entrypoint]]\nname = \"https\"\nlisten = \"OWN:{HTTPS}\"\nprotocol = \"https\"\n"
        )
    });
    let mut gateway =
        prepared("embedded", &settings.unwrap_or_default(), files.as_ref().map_or(&[], |files| files))?;
    edit(&gateway, "count = 1", &format!("count = {workers}"));
    if way.hosts.len() > MANY {
        let domains = way.hosts.iter().map(|host| (format!("domains/{host}"), domain_record(JOB)));
        fill_embedded(&gateway.data_dir(), domains.collect());
    }
    gateway.run();
    cores.to_proxy(gateway.process().pid());
    put_job(&gateway, JOB, if way.spoken.is_grpc() { "grpc" } else { "http" });
    put_instance(&gateway, JOB, way.backend);
    if way.hosts.len() <= MANY {
        way.hosts.iter().for_each(|host| put_domain(&gateway, host, JOB));
    }
    let at = match way.spoken.certificate() {
        Some(_) => SocketAddr::new(gateway.net.gateway(), HTTPS),
        None => gateway.http(),
    };
    within(PATIENCE, || proof::attempt(at, way)).map_err(|error| cannot(Who::Roundhouse, way, &error))?;
    Ok(Contender::gateway(at, gateway))
}

fn nginx(way: Way<'_>, listen: SocketAddr) -> Peer {
    let (parameters, options) = match way.spoken {
        Spoken::Http1 => ("", ""),
        Spoken::Http2 | Spoken::Grpc => (" http2", ""),
        // One address has both: who offers HTTP/2 gets it.
        Spoken::Http1Tls(_) | Spoken::Http2Tls(_) => (
            " ssl http2",
            "ssl_certificate FOLDER/cert.pem;\n    ssl_certificate_key FOLDER/key.pem;\n    ssl_protocols TLSv1.3;",
        ),
    };
    let pass = if way.spoken.is_grpc() { "grpc_pass grpc://served" } else { "proxy_pass http://served" };
    let mut servers = format!("server {{ listen {listen}{parameters} default_server; return 404; }}\n");
    let server = NGINX_SERVER.replace("LISTEN", &format!("{listen}{parameters}")).replace("PASS", pass);
    servers.extend(way.hosts.iter().map(|host| server.replace("HOST", host)));
    let config = NGINX.replace("# SERVERS", &servers).replace("# OPTIONS", options);
    let config = config.replace("BACKEND", &way.backend.to_string());
    Peer::nginx(&config, way.spoken.certificate().map(Certificate::files).as_ref().map_or(&[], |files| files))
}

fn haproxy(way: Way<'_>, listen: SocketAddr) -> Peer {
    let parameters = match way.spoken {
        Spoken::Http1 => "",
        Spoken::Http2 | Spoken::Grpc => " proto h2",
        Spoken::Http1Tls(_) | Spoken::Http2Tls(_) => {
            " ssl crt FOLDER/both.pem ssl-min-ver TLSv1.3 alpn h2,http/1.1"
        }
    };
    let name = "req.hdr(host),host_only,lower";
    let routes = match way.hosts {
        [host] => format!("use_backend served if {{ {name} -m str {host} }}"),
        _ => format!("use_backend %[{name},map_str(FOLDER/hosts.map,nowhere)]"),
    };
    let to = if way.spoken.is_grpc() { " proto h2" } else { "" };
    let config = HAPROXY.replace("LISTEN", &format!("{listen}{parameters}")).replace("# ROUTES", &routes);
    let config = config.replace("BACKEND", &format!("{}{to}", way.backend)).replace("# OPTIONS", way.haproxy);
    let map: String = way.hosts.iter().map(|host| format!("{host} served\n")).collect();
    let mut files = vec![("hosts.map", map.as_str())];
    files.extend(way.spoken.certificate().iter().flat_map(|certificate| certificate.files()));
    Peer::haproxy(&config, &files)
}

fn pingora(way: Way<'_>, listen: SocketAddr) -> Option<Peer> {
    let options = match way.spoken {
        Spoken::Http1 => "",
        Spoken::Http2 | Spoken::Grpc => "h2c",
        Spoken::Http1Tls(_) | Spoken::Http2Tls(_) => "tls FOLDER/cert.pem FOLDER/key.pem",
    };
    let to = if way.spoken.is_grpc() { " h2" } else { "" };
    let config = PINGORA.replace("LISTEN", &listen.to_string()).replace("# OPTIONS", options);
    let config = config.replace("BACKEND", &format!("{}{to}", way.backend));
    let hosts = way.hosts.join("\n");
    let mut files = vec![("hosts", hosts.as_str())];
    files.extend(way.spoken.certificate().iter().flat_map(|certificate| certificate.files()));
    Peer::pingora(&config, &files)
}

fn proven(who: Who, cores: &Cores, way: Way<'_>, at: SocketAddr, peer: Peer) -> Result<Contender, Skipped> {
    let outcome = within(PATIENCE, || proof::attempt(at, way));
    peer.assert_runs();
    outcome.map_err(|error| cannot(who, way, &error))?;
    // nginx has its worker by now.
    cores.to_proxy(peer.pid());
    Ok(Contender::peer(who, at, peer))
}

fn cannot(who: Who, way: Way<'_>, error: &str) -> Skipped {
    Skipped(format!("{} cannot do {} as the row has it: {error}", who.name(), way.spoken.name()))
}
