//! pingora-proxy as a peer of `make bench-l7`: the hosts of a list go to one upstream, connections are kept on both
//! sides, nothing is logged.
//!
//! `peer-pingora FILE`, whose lines are those of `benches/peers/pingora.conf`.

use std::collections::HashSet;
use std::error::Error;
use std::fs;

use async_trait::async_trait;
use pingora_core::ErrorType::HTTPStatus;
use pingora_core::apps::HttpServerOptions;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{HttpProxy, ProxyHttp, Session, http_proxy};

/// Streams of one HTTP/2 connection to the upstream; pingora's own choice is one.
const STREAMS: usize = 100;

#[derive(Default)]
struct Settings {
    listen: String,
    tls: Option<[String; 2]>,
    h2c: bool,
    upstream: String,
    upstream_h2: bool,
    hosts: HashSet<String>,
}

impl Settings {
    fn read(file: &str) -> Result<Settings, Box<dyn Error>> {
        let mut settings = Settings::default();
        for line in fs::read_to_string(file)?.lines().filter(|line| !line.starts_with('#')) {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                [] => {}
                ["listen", at] => settings.listen = at.to_owned(),
                ["tls", cert, key] => settings.tls = Some([cert.to_owned(), key.to_owned()]),
                ["h2c"] => settings.h2c = true,
                ["upstream", at] => settings.upstream = at.to_owned(),
                ["upstream", at, "h2"] => (settings.upstream, settings.upstream_h2) = (at.to_owned(), true),
                ["hosts", file] => {
                    settings.hosts = fs::read_to_string(file)?.lines().map(str::to_owned).collect();
                }
                _ => return Err(format!("unknown line: {line}").into()),
            }
        }
        Ok(settings)
    }
}

struct Gateway {
    hosts: HashSet<String>,
    peer: HttpPeer,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, session: &mut Session, (): &mut ()) -> pingora_core::Result<Box<HttpPeer>> {
        let head = session.req_header();
        let named = head.headers.get("host").and_then(|host| host.to_str().ok());
        let host = named.or_else(|| head.uri.authority().map(|authority| authority.as_str()));
        let name = host.map(|host| host.split_once(':').map_or(host, |(name, _)| name));
        match name {
            Some(name) if self.hosts.contains(name) => Ok(Box::new(self.peer.clone())),
            _ => pingora_core::Error::e_explain(HTTPStatus(404), "no such host"),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: peer-pingora FILE")?;
    let Settings { listen, tls, h2c, upstream, upstream_h2, hosts } = Settings::read(&file)?;
    let mut peer = HttpPeer::new(upstream.as_str(), false, String::new());
    if upstream_h2 {
        peer.options.set_http_version(2, 2);
        peer.options.max_h2_streams = STREAMS;
    }
    let mut server = Server::new_with_opt_and_conf(None, ServerConf { threads: 1, ..ServerConf::default() });
    server.bootstrap();
    let mut proxy: HttpProxy<Gateway> = http_proxy(&server.configuration, Gateway { hosts, peer });
    let mut options = HttpServerOptions::default();
    options.h2c = h2c;
    proxy.server_options = Some(options);
    let mut service = pingora_core::services::listening::Service::new("proxy".into(), proxy);
    match tls {
        Some([cert, key]) => {
            let mut settings = TlsSettings::intermediate(&cert, &key)?;
            settings.enable_h2();
            service.add_tls_with_settings(&listen, None, settings);
        }
        None => service.add_tcp(&listen),
    }
    server.add_service(service);
    server.run_forever()
}
