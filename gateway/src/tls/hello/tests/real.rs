//! Hellos that rustls writes.

use std::io::Cursor;
use std::iter::repeat;
use std::sync::Arc;

use tokio_rustls::rustls::client::{EchGreaseConfig, EchMode};
use tokio_rustls::rustls::crypto::aws_lc_rs::hpke::ALL_SUPPORTED_SUITES;
use tokio_rustls::rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{AlertDescription, ClientConfig, ClientConnection, Error, RootCertStore, version};

use super::{feed, hello};
use crate::tls::hello::{HelloError, NameError, Outcome, UNRECOGNIZED_NAME, Version, alert_record, read};

const POST_QUANTUM: &dyn SupportedKxGroup = kx_group::X25519MLKEM768;
const CLASSIC: &dyn SupportedKxGroup = kx_group::X25519;

fn provider(group: &'static dyn SupportedKxGroup) -> Arc<CryptoProvider> {
    CryptoProvider { kx_groups: vec![group], ..default_provider() }.into()
}

fn config(group: &'static dyn SupportedKxGroup) -> ClientConfig {
    ClientConfig::builder_with_provider(provider(group))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

fn connection(config: ClientConfig, name: &'static str) -> ClientConnection {
    ClientConnection::new(config.into(), name.try_into().unwrap()).unwrap()
}

fn bytes(config: ClientConfig, name: &'static str) -> Vec<u8> {
    let mut bytes = Vec::new();
    connection(config, name).write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_post_quantum_hello_is_read() {
    let mut config = config(POST_QUANTUM);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let bytes = bytes(config, "App2.jobs.Coding.net");
    assert!(bytes.len() > 1_400, "{}", bytes.len());
    let hello = hello(&bytes);
    assert_eq!(hello.server_name.as_ref().unwrap().as_str(), "app2.jobs.coding.net");
    assert_eq!(hello.alpn, [&b"h2"[..], b"http/1.1"].map(Box::from));
    assert_eq!((hello.version, hello.ech), (Version::TLS13, false));
    assert_eq!(feed(&bytes, repeat(1)), (Outcome::Hello(hello.clone()), bytes.len()));
    for here in 0..bytes.len() {
        assert_eq!(feed(&bytes, [here, bytes.len()]), (Outcome::Hello(hello.clone()), bytes.len()));
    }
}

#[test]
fn one_in_small_records_is_read() {
    let mut config = config(POST_QUANTUM);
    config.max_fragment_size = Some(64);
    let bytes = bytes(config, "app2.jobs");
    assert_eq!(bytes[3..5], [0, 59], "cut");
    assert_eq!(hello(&bytes).server_name.unwrap().as_str(), "app2.jobs");
    assert_eq!(feed(&bytes, repeat(1)), (read(&bytes), bytes.len()));
}

#[test]
fn one_without_a_name_is_read() {
    let mut silent = config(CLASSIC);
    silent.enable_sni = false;
    assert_eq!(hello(&bytes(silent, "app2.jobs")).server_name, None);
    assert_eq!(hello(&bytes(config(CLASSIC), "10.0.0.7")).server_name, None, "an address is not sent");
    assert_eq!(hello(&bytes(config(CLASSIC), "app2.jobs")).alpn.len(), 0);
}

#[test]
fn one_of_tls_1_2_is_read() {
    let config = ClientConfig::builder_with_provider(provider(CLASSIC))
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    assert_eq!(hello(&bytes(config, "app2.jobs")).version, Version::TLS12);
}

/// What clients send who have no key for the server, so that those who do are not seen.
#[test]
fn one_that_looks_encrypted_shows_its_outer_name() {
    let suite = ALL_SUPPORTED_SUITES[0];
    let (key, _) = suite.generate_key_pair().unwrap();
    let config = ClientConfig::builder_with_provider(provider(CLASSIC))
        .with_ech(EchMode::Grease(EchGreaseConfig::new(suite, key)))
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let hello = hello(&bytes(config, "app2.jobs"));
    assert_eq!((hello.ech, hello.server_name.unwrap().as_str()), (true, "app2.jobs"));
}

/// rustls's server, which a hello may end at, reads the same name.
#[test]
fn a_server_reads_the_same_name() {
    for name in ["app2.jobs", "APP2.jobs.coding.NET", "1111.app2.jobs", "_tcp.app2.jobs"] {
        let bytes = bytes(config(POST_QUANTUM), name);
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut Cursor::new(&bytes)).unwrap();
        let accepted = acceptor.accept().unwrap_or_else(|(error, _)| panic!("{error}")).unwrap();
        let ours = hello(&bytes).server_name.unwrap().to_string();
        assert_eq!(accepted.client_hello().server_name().unwrap().to_ascii_lowercase(), ours);
    }
}

#[test]
fn the_client_understands_the_alert() {
    let mut client = connection(config(CLASSIC), "app2.jobs");
    client.write_tls(&mut Vec::new()).unwrap();
    let tell = |client: &mut ClientConnection, description| {
        client.read_tls(&mut Cursor::new(alert_record(description))).unwrap();
        client.process_new_packets().unwrap_err()
    };
    assert_eq!(
        tell(&mut client, UNRECOGNIZED_NAME),
        Error::AlertReceived(AlertDescription::UnrecognisedName)
    );
    let mut client = connection(config(CLASSIC), "app2.jobs");
    client.write_tls(&mut Vec::new()).unwrap();
    let alert = HelloError::from(NameError::Address).alert();
    assert_eq!(tell(&mut client, alert), Error::AlertReceived(AlertDescription::UnrecognisedName));
}
