//! A gateway with an entrypoint in the clear and one in TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use roundhouse_tests::{Authority, Gateway, SOON, eventually, http};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The names that its certificate is for: two jobs' and a domain.
const NAMES: [&str; 3] = ["web.jobs", "api.jobs", DOMAIN];
pub(crate) const DOMAIN: &str = "www.example.org";

pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) authority: Authority,
    pub(crate) https: SocketAddr,
}

impl Stage {
    pub(crate) fn start() -> Stage {
        Stage::with("")
    }

    /// More lines for the gateway's configuration.
    pub(crate) fn with(more: &str) -> Stage {
        let mut gateway = Gateway::prepared("embedded", "");
        let authority = Authority::new(&gateway.folder().join("tls"));
        authority.sign(&NAMES);
        let https = SocketAddr::new(gateway.net.gateway(), 8443);
        gateway.add(&format!(
            "[[entrypoint]]\nname = \"https\"\nlisten = \"{https}\"\nprotocol = \"https\"\n\
             [[certificate]]\ncert = \"tls/{0}.pem\"\nkey = \"tls/{0}-key.pem\"\n{more}",
            NAMES[0]
        ));
        gateway.run();
        Stage { gateway, authority, https }
    }

    pub(crate) fn app(&self, n: u8) -> SocketAddr {
        SocketAddr::new(self.gateway.net.app(n), 9000)
    }

    /// A job whose instances speak as `port` says (JSON fields, `""` for HTTP/1.1), served at these addresses.
    #[track_caller]
    pub(crate) fn job(&self, label: &str, port: &str, instances: &[SocketAddr]) -> SocketAddr {
        self.job_with(label, port, "", instances)
    }

    /// The same with fields of the job's own.
    #[track_caller]
    pub(crate) fn job_with(
        &self,
        label: &str,
        port: &str,
        more: &str,
        instances: &[SocketAddr],
    ) -> SocketAddr {
        let comma = if port.is_empty() { "" } else { "," };
        let protocol = if port.contains("\"protocol\"") { "" } else { r#","protocol":"http""# };
        self.gateway.write_job(label, &format!(r#""port":9000{protocol}{comma}{port}"#), more);
        for address in instances {
            self.gateway.register(label, *address);
        }
        self.gateway.wait_up(label, instances.len());
        self.gateway.listening_vip(label, 9000)
    }

    /// [`DOMAIN`] leads to the job.
    pub(crate) fn domain(&self, job: &str) {
        let record = format!(r#"{{"routes":[{{"to":[{{"job":"{job}"}}]}}]}}"#);
        let reply = self.gateway.call("PUT", &format!("/v1/domains/{DOMAIN}"), &record);
        assert_eq!(reply.status, 201, "{reply:?}");
        eventually(SOON, "the domain leads somewhere", || {
            // Whatever an instance makes of the request.
            let reply = http::get(self.gateway.http(), DOMAIN, "/");
            reply.is_ok_and(|reply| reply.header("x-roundhouse-reason") != Some("no-route"))
        });
    }

    /// A TLS client that trusts the stage's authority and offers this protocol (RFC 7301).
    pub(crate) fn tls(&self, protocol: &[u8]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    }

    /// Until nobody is at work for the job any more.
    #[track_caller]
    pub(crate) fn wait_quiet(&self, label: &str) {
        eventually(SOON, &format!("nothing is under way at {label}"), || {
            roundhouse_tests::seen(self.gateway.connections(&format!("?job={label}")), Vec::is_empty)
        });
    }
}
