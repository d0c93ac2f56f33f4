//! Origination: whom we believe at an instance's address, and what we show.

use std::io;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{AlertDescription, ServerConfig};

use super::*;

/// An instance whose certificate has a name and an address.
fn instance(authority: &Authority) -> ServerTls {
    let addresses = ["127.0.0.1".parse().unwrap()];
    let leaf = Leaf { addresses: &addresses, ..Leaf::of(&["app2.example.com"]) };
    server(&swappable(&[authority.issue(&leaf).source("app2")]))
}

#[tokio::test]
async fn the_right_name_and_authority_are_believed() {
    let authority = Authority::new("a");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &*authority.pem()).unwrap();
    let instance = instance(&authority);
    for name in ["app2.example.com", "127.0.0.1"] {
        for ca in [Ca::Pem(authority.pem()), Ca::File(file.clone())] {
            let client = ClientTls::new(&Originate { ca, ..to(name, &authority) }).unwrap();
            let (mut accepted, mut connected) = shake(&instance, &client).await;
            assert_open(&mut accepted, &mut connected).await;
        }
    }
}

#[tokio::test]
async fn another_name_or_authority_is_not() {
    let authority = Authority::new("a");
    let certificates = swappable(&[authority.source(&["app2.example.com"])]);
    let wrong_name = ("127.0.0.1", &authority, AlertDescription::BadCertificate);
    let wrong_ca = ("app2.example.com", &Authority::new("b"), AlertDescription::UnknownCA);
    for (name, trusted, alert) in [wrong_name, wrong_ca] {
        let (accepted, connected) = try_shake(&server(&certificates), &client(name, trusted)).await;
        let error = connected.unwrap_err();
        assert_eq!(error.reason(), "server_certificate", "{error}");
        assert!(error.to_string().contains("name the server as its certificate does"), "{error}");
        // The alert arrives, though nobody lingers for it.
        let error = accepted.unwrap_err();
        assert!(matches!(&error, TlsError::Alert(seen) if *seen == alert), "{error}, not {alert:?}");
    }
}

#[tokio::test]
async fn without_verification_anybody_is_believed() {
    let originate = Originate { verify: false, ..to("127.0.0.1", &Authority::new("b")) };
    let authority = Authority::new("a");
    let certificates = swappable(&[authority.source(&["app2.example.com"])]);
    for version in VERSIONS {
        let client = ClientTls::of_version(&originate, version).unwrap();
        let (mut accepted, mut connected) = shake(&server(&certificates), &client).await;
        assert_open(&mut accepted, &mut connected).await;
    }
}

/// A copy of a certificate without its key is not enough, verification or not.
#[tokio::test]
async fn without_verification_the_key_must_still_be_there() {
    let authority = Authority::new("a");
    let (shown, other) = (
        authority.issue(&Leaf::of(&["app2.example.com"])),
        authority.issue(&Leaf::of(&["app2.example.com"])),
    );
    let key = Certificates::build(&[other.source("other")], &Certificates::default()).0;
    let key = key.first().unwrap().key().key.clone();
    let forged = CertifiedKey::new(vec![shown.der()], key);
    for version in VERSIONS {
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[*version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(forged.clone())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_ok()
        });
        let originate = Originate { verify: false, ..to("app2.example.com", &authority) };
        let error = greeted(address, &ClientTls::new(&originate).unwrap()).await.unwrap_err();
        assert_eq!(error.reason(), "server_certificate", "{error}");
        assert!(!accepted.await.unwrap());
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_warning_comes_once_for_a_content() {
    let originations = Originations::default();
    let originate = Originate { verify: false, ..to("app2.example.com", &Authority::new("a")) };
    let said = Said::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer({
            let said = said.clone();
            move || said.clone()
        })
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let one = originations.client(&originate).unwrap();
        let again = originations.client(&originate).unwrap();
        assert!(Arc::ptr_eq(one.config(), again.config()));
    });
    let text = said.text();
    assert_eq!(text.matches("verify is off").count(), 1, "{text}");
}

#[test]
fn configurations_are_shared_by_content_and_dropped_when_unused() {
    let originations = Originations::default();
    let (a, b) = (Authority::new("a"), Authority::new("b"));
    let get = |originate: &Originate| originations.client(originate).unwrap();
    let base = get(&to("app2.example.com", &a));
    // Sessions are kept by name, so names share.
    assert!(Arc::ptr_eq(base.config(), get(&to("app3.example.com", &a)).config()));
    let identity = Some(b.source(&["app4.example.com"]));
    for other in [
        to("app2.example.com", &b),
        Originate { verify: false, ..to("app2.example.com", &a) },
        Originate { identity, ..to("app2.example.com", &a) },
        Originate { alpn: vec![Box::from(*b"h2")], ..to("app2.example.com", &a) },
    ] {
        assert!(!Arc::ptr_eq(base.config(), get(&other).config()), "{other:?}");
    }
    // Of the four nobody held one; the last is dropped by the next.
    drop(get(&to("app2.example.com", &Authority::new("c"))));
    assert_eq!(originations.len(), 2);

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    let by_file = Originate { ca: Ca::File(file.clone()), ..to("app2.example.com", &a) };
    std::fs::write(&file, &*a.pem()).unwrap();
    assert!(Arc::ptr_eq(base.config(), get(&by_file).config()));
    std::fs::write(&file, &*b.pem()).unwrap();
    assert!(!Arc::ptr_eq(base.config(), get(&by_file).config()));
}

#[test]
fn refusals_say_what_to_write() {
    let a = Authority::new("a");
    let refused = |originate: &Originate| ClientTls::new(originate).unwrap_err().to_string();
    assert!(refused(&to("app 2", &a)).contains("`app 2`: is neither a DNS name nor an address"));
    let ca = |ca| Originate { ca, ..to("app2.example.com", &a) };
    assert!(refused(&ca(Ca::Pem("".into()))).contains("ca: has no certificate"));
    assert!(refused(&ca(Ca::File("/nowhere/ca.pem".into()))).contains("ca: /nowhere/ca.pem: No such file"));
    let mut identity = a.source(&["app4.example.com"]);
    identity.key = a.source(&["app4.example.com"]).key;
    let identity = Originate { identity: Some(identity), ..to("app2.example.com", &a) };
    assert!(refused(&identity).contains("identity: the key does not fit"));
}
