//! One certificate for all who end TLS, and a client that believes it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{CLOSED_REQUEST, HOST};

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// ECDSA P-256, self-signed.
#[derive(Clone)]
pub struct Certificate {
    cert: String,
    key: String,
    both: String,
    client: Arc<ClientConfig>,
}

impl Certificate {
    pub fn generate() -> Certificate {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let params = CertificateParams::new([HOST.to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let (cert, pem) = (certificate.pem(), key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("a root");
        Certificate { both: format!("{cert}{pem}"), cert, key: pem, client: Arc::new(client(roots)) }
    }

    /// As nginx and Roundhouse want them, and both in one as HAProxy does.
    pub fn files(&self) -> [(&str, &str); 3] {
        [("cert.pem", &self.cert), ("key.pem", &self.key), ("both.pem", &self.both)]
    }

    /// After a whole handshake.
    pub fn connect(&self, at: SocketAddr, timeout: Option<Duration>) -> io::Result<Stream> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(timeout)?;
        let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
        let connection = ClientConnection::new(self.client.clone(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// What [`Self::connect`] uses, with these protocols offered, the best first (RFC 7301).
    pub fn offering(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.client);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// [`Self::exchange`] again and again, so many at once. How many there were.
    pub fn handshakes(&self, at: SocketAddr, at_once: usize, time: Duration) -> u64 {
        let (end, done) = (Instant::now() + time, AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    while Instant::now() < end {
                        self.exchange(at, None).expect("it relays");
                        done.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        done.into_inner()
    }

    /// A connection with one HTTP request and its answer. Bytes of the answer.
    pub fn exchange(&self, at: SocketAddr, timeout: Option<Duration>) -> io::Result<usize> {
        let mut stream = self.connect(at, timeout)?;
        stream.write_all(CLOSED_REQUEST)?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // HAProxy ends the connection without a close_notify, which an answer with a length does not need.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
            read => drop(read?),
        }
        if answer.starts_with(b"HTTP/1.1 200") {
            Ok(answer.len())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

/// Everybody has the same to do: TLS 1.3, no resumption, the key exchange that OpenSSL 3.0 has too, and one cipher.
fn client(roots: RootCertStore) -> ClientConfig {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384];
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&TLS13]).expect("TLS 1.3 is there");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    config
}
