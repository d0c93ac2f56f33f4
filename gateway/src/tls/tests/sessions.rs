//! Client certificates, and connections that come back.

use tokio_rustls::rustls::AlertDescription;
use tokio_rustls::rustls::HandshakeKind::{Full, Resumed};

use super::*;

fn of_job(authority: &Authority, jobname: &str) -> CertificateSource {
    let uri = format!("jobname:{jobname}");
    authority.issue(&Leaf { uris: &[&uri], ..Leaf::of(&[]) }).source("job")
}

/// A server with a client CA, the servers' authority and the clients'.
fn mutual() -> (ServerTls, Authority, Authority) {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let certificates = swappable(&[servers.source(&["app2.example.com"])]);
    let server = ServerTls::new(certificates, Some(&clients.pem()), &[]).unwrap();
    (server, servers, clients)
}

#[tokio::test]
async fn a_certificate_of_the_client_ca_is_let_in_and_proves_a_job() {
    let (server, servers, clients) = mutual();
    let identity = Some(of_job(&clients, "job.app3_cop.coding"));
    let client = ClientTls::new(&Originate { identity, ..to("app2.example.com", &servers) }).unwrap();
    for kind in [Full, Resumed] {
        let (mut accepted, mut connected) = shake(&server, &client).await;
        assert_eq!(accepted.get_ref().1.handshake_kind(), Some(kind));
        let certificates = accepted.get_ref().1.peer_certificates().unwrap();
        assert_eq!(peer_jobname(certificates), Some("job.app3_cop.coding".to_owned()));
        assert_open(&mut accepted, &mut connected).await;
    }
}

#[tokio::test]
async fn another_certificate_or_none_is_refused() {
    let (server, servers, clients) = mutual();
    let with = |identity| {
        let originate = Originate { identity, ..to("app2.example.com", &servers) };
        ClientTls::new(&originate).unwrap()
    };
    let other = of_job(&Authority::new("others"), "job.app3_cop.coding");
    let expired = clients.issue(&Leaf { years: (2020, 2021), ..Leaf::of(&[]) }).source("job");
    for (identity, alert) in [
        (None, AlertDescription::CertificateRequired),
        (Some(other), AlertDescription::UnknownCA),
        (Some(expired), AlertDescription::CertificateExpired),
    ] {
        let (accepted, connected) = try_shake(&server, &with(identity)).await;
        let error = accepted.unwrap_err();
        assert_eq!(error.reason(), "client_certificate", "{error}");
        assert!(error.to_string().contains("that the entrypoint's client CA has signed"), "{error}");
        let error = connected.unwrap_err();
        assert!(matches!(&error, TlsError::Alert(seen) if *seen == alert), "{error}, not {alert:?}");
    }
}

#[tokio::test]
async fn a_session_is_resumed_by_its_ticket() {
    let authority = Authority::new("a");
    let certificates = swappable(&[authority.source(&["app2.example.com"])]);
    let server = server(&certificates);
    for version in VERSIONS {
        let client = ClientTls::of_version(&to("app2.example.com", &authority), version).unwrap();
        for kind in [Full, Resumed, Resumed] {
            let (accepted, connected) = shake(&server, &client).await;
            assert_eq!(accepted.get_ref().1.handshake_kind(), Some(kind), "{version:?}");
            assert_eq!(connected.get_ref().1.handshake_kind(), Some(kind), "{version:?}");
        }
        // Another entrypoint has other keys.
        let (accepted, _) = shake(&super::server(&certificates), &client).await;
        assert_eq!(accepted.get_ref().1.handshake_kind(), Some(Full), "{version:?}");
    }
}

#[test]
fn a_client_ca_that_is_none_is_refused() {
    let refused = |pem: &str| ServerTls::new(swappable(&[]), Some(pem), &[]).unwrap_err().to_string();
    assert!(refused("").contains("client CA: has no certificate"));
    assert!(refused("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").contains("is no PEM"));
    let empty = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert!(refused(empty).contains("certificate 1 cannot sign others"));
}
