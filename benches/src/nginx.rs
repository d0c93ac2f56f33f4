//! nginx over HTTP: as a backend, and as a proxy in front of it.

use std::net::SocketAddr;

use roundhouse_tests::Signal;

use crate::Peer;

const BACKEND: &str = include_str!("../peers/nginx-backend.conf");
const PROXY: &str = include_str!("../peers/nginx-proxy.conf");

pub struct Nginx(Peer);

impl Nginx {
    /// Answers the same 30 bytes at every one of the addresses.
    pub fn backend(addresses: &[SocketAddr]) -> Nginx {
        Nginx::backend_with("", addresses)
    }

    /// The same with more parameters of `listen`.
    pub fn backend_with(parameters: &str, addresses: &[SocketAddr]) -> Nginx {
        let listens = lines("listen", addresses, parameters);
        Nginx::start(&BACKEND.replace("# LISTENS", &listens), addresses[0])
    }

    /// The same, with the files that are asked for as `/of/<name>`.
    pub fn with_files(address: SocketAddr, files: &[(&str, &str)]) -> Nginx {
        let config = BACKEND.replace("# LISTENS", &lines("listen", &[address], ""));
        let files: Vec<_> = files.iter().map(|(name, text)| (format!("of-{name}"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        Nginx(Peer::nginx(&config, &files).answering(address))
    }

    /// In front of them, its connections to them kept.
    pub fn proxy(listen: SocketAddr, backends: &[SocketAddr]) -> Nginx {
        let config = PROXY.replace("# LISTENS", &lines("listen", &[listen], ""));
        Nginx::start(&config.replace("# SERVERS", &lines("server", backends, "")), listen)
    }

    /// What `nginx -s reload` does.
    pub fn reload(&self) {
        self.0.signal(Signal::HUP);
    }

    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn start(config: &str, answers_at: SocketAddr) -> Nginx {
        Nginx(Peer::nginx(config, &[]).answering(answers_at))
    }
}

fn lines(directive: &str, addresses: &[SocketAddr], parameters: &str) -> String {
    addresses.iter().map(|address| format!("{directive} {address} {parameters};\n")).collect()
}
