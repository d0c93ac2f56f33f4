//! Real handshakes over loopback sockets.

mod authority;
mod instances;
mod names;
mod refused;
mod sessions;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
pub(super) use authority::{Authority, Leaf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

/// No step of a test takes it; what hangs ends.
const DEADLINE: Duration = Duration::from_secs(20);

/// The servers' certificates, to be swapped.
fn swappable(sources: &[CertificateSource]) -> Arc<ArcSwap<Certificates>> {
    let (certificates, refused) = Certificates::build(sources, &Certificates::default());
    assert!(refused.is_empty(), "{refused:?}");
    Arc::new(ArcSwap::from_pointee(certificates))
}

type Accepted = tokio_rustls::server::TlsStream<TcpStream>;
type Connected = tokio_rustls::client::TlsStream<TcpStream>;

/// Where one connection is accepted and greeted, and what comes of it.
async fn serve_once(tls: &ServerTls) -> (SocketAddr, JoinHandle<Result<Accepted, TlsError>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = tls.clone();
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = accept(stream, &tls, DEADLINE).await?;
        stream.write_all(b"!").await.unwrap();
        stream.flush().await.unwrap();
        Ok(stream)
    });
    (address, accepted)
}

/// Both ends of a finished handshake.
async fn shake(server: &ServerTls, client: &ClientTls) -> (Accepted, Connected) {
    let (accepted, connected) = try_shake(server, client).await;
    (accepted.unwrap(), connected.unwrap())
}

/// What each end has to say of the same handshake.
async fn try_shake(
    server: &ServerTls,
    client: &ClientTls,
) -> (Result<Accepted, TlsError>, Result<Connected, TlsError>) {
    let (address, accepted) = serve_once(server).await;
    let connected = greeted(address, client).await;
    (accepted.await.unwrap(), connected)
}

/// A client of TLS 1.3 is done before its own certificate is looked at: only the greeting says that it was let in.
async fn greeted(address: SocketAddr, client: &ClientTls) -> Result<Connected, TlsError> {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connect(stream, client, DEADLINE).await?;
    match stream.read_u8().await {
        Ok(_) => Ok(stream),
        Err(error) => Err(TlsError::later(error, error::Side::Client)),
    }
}

/// The connection carries bytes both ways.
async fn assert_open(accepted: &mut Accepted, connected: &mut Connected) {
    connected.write_all(b"ask").await.unwrap();
    connected.flush().await.unwrap();
    let mut bytes = [0; 3];
    accepted.read_exact(&mut bytes).await.unwrap();
    accepted.write_all(&bytes).await.unwrap();
    accepted.flush().await.unwrap();
    connected.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ask");
}

fn server(certificates: &Arc<ArcSwap<Certificates>>) -> ServerTls {
    ServerTls::new(Arc::clone(certificates), None, &[]).unwrap()
}

/// A client of the name that trusts the authority.
fn client(name: &str, authority: &Authority) -> ClientTls {
    ClientTls::new(&to(name, authority)).unwrap()
}

fn to(name: &str, authority: &Authority) -> Originate {
    Originate {
        server_name: name.into(),
        ca: Ca::Pem(authority.pem()),
        identity: None,
        verify: true,
        alpn: Vec::new(),
    }
}

/// The name in the certificate that a client was shown: the only one of each in these tests.
fn shown(connected: &Connected) -> Box<str> {
    let certificates = connected.get_ref().1.peer_certificates().unwrap();
    Facts::of(&certificates[0]).unwrap().names[0].clone()
}
