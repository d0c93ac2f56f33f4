//! TLS clients and servers of the tests: openssl's programs, and rustls where the bytes themselves matter.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use roundhouse_tests::{Authority, Background, SOON, dial, eventually};
use tokio_rustls::rustls::client::{EchConfig, EchMode};
use tokio_rustls::rustls::crypto::aws_lc_rs::hpke::ALL_SUPPORTED_SUITES;
use tokio_rustls::rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use tokio_rustls::rustls::crypto::hpke::HpkeSuite;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// `openssl s_server`, which echoes each line the wrong way round.
pub(crate) fn openssl_server(
    address: SocketAddr,
    authority: &Authority,
    name: &str,
    more: &[&str],
) -> Background {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-rev", "-accept", &address.to_string()]);
    command.arg("-cert").arg(authority.certificate(name)).arg("-key").arg(authority.key(name)).args(more);
    let server = Background::spawn(command);
    eventually(SOON, "openssl listens", || TcpStream::connect(address).is_ok());
    server
}

/// What `openssl s_client` says of its handshake and of the answer to `line`, which ends with `answer`; or of how it was
/// refused.
pub(crate) fn openssl_client(
    server: SocketAddr,
    ca: &Path,
    more: &[&str],
    line: &str,
    answer: &str,
) -> String {
    let mut command = Command::new("timeout");
    command.args(["20", "openssl", "s_client", "-connect", &server.to_string(), "-CAfile"]).arg(ca);
    command.arg("-verify_return_error").args(more);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended already, with a word on why.
    let _ = writeln!(stdin, "{line}");
    let (mut said, mut part) = (Vec::new(), [0; 4 << 10]);
    let answered = |said: &[u8]| !answer.is_empty() && String::from_utf8_lossy(said).contains(answer);
    while !answered(&said) {
        match child.stdout.as_mut().unwrap().read(&mut part).unwrap() {
            0 => break,
            n => said.extend_from_slice(&part[..n]),
        }
    }
    // Its end follows that of its input.
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[said, output.stdout, output.stderr].concat()).into_owned()
}

/// How a client's hello is cut.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cut {
    /// Bytes in a write, for the first few thousand.
    pub(crate) segment: Option<usize>,
    /// The size of a record.
    pub(crate) record: Option<usize>,
    /// A key share of more than a segment (X25519MLKEM768).
    pub(crate) post_quantum: bool,
}

pub(crate) type Tls = StreamOwned<ClientConnection, Pieces>;

/// A client that trusts the authority and no one else; connected, and not yet handshaken.
pub(crate) fn tls(server: SocketAddr, authority: &Authority, name: &str, cut: Cut) -> Tls {
    tls_over(dial(server), config(authority, cut), name, cut)
}

pub(crate) fn config(authority: &Authority, cut: Cut) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let mut provider = default_provider();
    provider.kx_groups = match cut.post_quantum {
        true => vec![kx_group::X25519MLKEM768, kx_group::X25519],
        false => vec![kx_group::X25519],
    };
    let config =
        ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.max_fragment_size = cut.record;
    Arc::new(config)
}

/// One that asks for `inner` under the cover of this server's public name (draft-ietf-tls-esni-25): nobody who lacks the
/// key sees the inner name.
pub(crate) fn config_with_ech(authority: &Authority, public_name: &str) -> Arc<ClientConfig> {
    let suite = ALL_SUPPORTED_SUITES[0];
    let (key, _) = suite.generate_key_pair().unwrap();
    let HpkeSuite { kem, sym } = suite.suite();
    let word = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
    // Section 4: ECHConfigContents, with no extensions.
    let mut contents = vec![7];
    contents.extend(u16::from(kem).to_be_bytes());
    contents.extend([&word(key.0.len())[..], &key.0].concat());
    contents.extend([0, 4]);
    contents.extend([u16::from(sym.kdf_id).to_be_bytes(), u16::from(sym.aead_id).to_be_bytes()].concat());
    contents.extend([0, u8::try_from(public_name.len()).unwrap()]);
    contents.extend([public_name.as_bytes(), &[0, 0]].concat());
    let one = [&[0xfe, 0x0d], &word(contents.len())[..], &contents].concat();
    let list = [&word(one.len())[..], &one].concat();
    let ech = EchConfig::new(list.into(), ALL_SUPPORTED_SUITES).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_ech(EchMode::Enable(ech)).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

pub(crate) fn tls_over(stream: TcpStream, config: Arc<ClientConfig>, name: &str, cut: Cut) -> Tls {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(config, name).unwrap();
    StreamOwned::new(connection, Pieces { stream, segment: cut.segment, left: 4_000 })
}

/// Writes in pieces, a segment each (TCP_NODELAY is set).
#[derive(Debug)]
pub(crate) struct Pieces {
    pub(crate) stream: TcpStream,
    segment: Option<usize>,
    left: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = if self.left == 0 { usize::MAX } else { self.segment.unwrap_or(usize::MAX) };
        let n = self.stream.write(&bytes[..bytes.len().min(most)])?;
        self.left = self.left.saturating_sub(n);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends a line and gives the answer's.
pub(crate) fn line(tls: &mut Tls, text: &str) -> io::Result<String> {
    tls.write_all(format!("{text}\n").as_bytes())?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}

/// The leaf that the server showed.
pub(crate) fn leaf(tls: &Tls) -> CertificateDer<'static> {
    tls.conn.peer_certificates().expect("the handshake is done")[0].clone().into_owned()
}

/// What the authority signed for it.
pub(crate) fn certificate_of(authority: &Authority, name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(authority.certificate(name)).unwrap()
}

/// A ClientHello as rustls would send it.
pub(crate) fn hello(authority: &Authority, name: &str) -> Vec<u8> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(config(authority, Cut::default()), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}
