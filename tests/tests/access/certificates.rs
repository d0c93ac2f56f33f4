//! A client certificate proves who somebody is, and the address has to be right all the same.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use roundhouse_tests::{Authority, Gateway, Server, try_dial};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{lives, put_rule};

struct Stage {
    gateway: Gateway,
    authority: Authority,
    entrypoint: SocketAddr,
    _server: Server,
}

impl Stage {
    fn start() -> Stage {
        let mut gateway = Gateway::prepared("embedded", "");
        let authority = Authority::new(&gateway.folder().join("tls"));
        authority.sign(&["db.jobs"]);
        let entrypoint = SocketAddr::new(gateway.net.gateway(), 7444);
        gateway.add(&format!(
            "[[entrypoint]]\nname = \"mutual\"\nlisten = \"{entrypoint}\"\nprotocol = \"tls\"\nterminate = true\n\
             job = \"db\"\nclient_ca = \"tls/ca.pem\"\n\
             [[certificate]]\ncert = \"tls/db.jobs.pem\"\nkey = \"tls/db.jobs-key.pem\""
        ));
        gateway.run();
        let server = Server::echo(SocketAddr::new(gateway.net.app(90), 3306));
        gateway.tcp_job("db", 3306, "", &[server.address]);
        Stage { gateway, authority, entrypoint, _server: server }
    }

    /// Whether client `n` with a certificate for this JOBNAME gets its echo.
    fn lets_in(&self, n: u8, jobname: &str) -> bool {
        echoes(&self.authority, jobname, self.gateway.net.app(n), self.entrypoint)
    }
}

fn echoes(authority: &Authority, jobname: &str, client: IpAddr, server: SocketAddr) -> bool {
    let (certificate, key) = authority.sign_jobname(jobname);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config =
        ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
    let name = ServerName::try_from("db.jobs").unwrap();
    let Ok(stream) = try_dial(Some(client), server) else { return false };
    let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
    let mut back = [0; 4];
    tls.write_all(b"ping").is_ok() && tls.read_exact(&mut back).is_ok() && back == *b"ping"
}

#[test]
fn a_rule_may_want_a_certificate_and_the_address_has_to_be_right_too() {
    let stage = Stage::start();
    lives(&stage.gateway, "good", 0, r#","shared_ip":true"#);
    lives(&stage.gateway, "other", 0, r#","shared_ip":true"#);
    lives(&stage.gateway, "other", 1, "");
    let rule = r#"{"to":{"job":"db"},"from":{"jobname":"job.good"},"action":"allow","proof":"mtls"}"#;
    put_rule(&stage.gateway, "by-certificate", rule);
    assert!(stage.lets_in(0, "job.good"), "it proves which of the two it is");
    assert!(!stage.lets_in(0, "job.other"), "the other one proves that it is the other one");
    assert!(!stage.lets_in(1, "job.good"), "a stolen certificate from the wrong address");
    assert!(!stage.lets_in(2, "job.good"), "and from nobody's");
    // Without TLS nothing is proved, whatever is claimed.
    let vip = stage.gateway.listening_vip("db", 3306);
    assert!(!super::lets_in(stage.gateway.net.app(0), vip));
}
