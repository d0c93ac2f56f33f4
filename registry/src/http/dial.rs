//! The way to a gateway: TCP, and over it TLS where its URL says https.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore};

/// Who may have signed the gateway's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// Whom the system trusts.
    #[default]
    System,
    /// PEM. Read for every connection, so that what was rotated is taken up.
    File(PathBuf),
}

#[derive(Clone, Debug)]
pub(super) struct Dial {
    /// Host and port.
    pub(super) authority: String,
    /// With them it is TLS.
    pub(super) roots: Option<Roots>,
}

/// A connection, whatever it is made of.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Dial {
    pub(super) fn url(&self) -> String {
        let scheme = if self.roots.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// The error is a sentence. There is no deadline here.
    pub(super) async fn connect(&self) -> Result<Box<dyn Duplex>, String> {
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| error.to_string())?;
        let Some(roots) = &self.roots else { return Ok(Box::new(stream)) };
        let connector = connector(roots)?;
        let shaken = connector.connect(self.server_name()?, stream).await;
        shaken.map(|stream| Box::new(stream) as Box<dyn Duplex>).map_err(|error| reason(&error))
    }

    fn server_name(&self) -> Result<ServerName<'static>, String> {
        let host = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        ServerName::try_from(host).map_err(|error| format!("no name for a certificate: {error}"))
    }
}

fn connector(roots: &Roots) -> Result<TlsConnector, String> {
    let roots = match roots {
        Roots::System => system_roots(),
        Roots::File(path) => {
            let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                let added = certificate.map_err(|error| wrong(&error)).map(|one| roots.add(one));
                added?.map_err(|error| wrong(&error))?;
            }
            if roots.is_empty() {
                return Err(wrong(&"has no certificate; write who signs the gateway's, in PEM"));
            }
            Arc::new(roots)
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Over a hundred files on some systems: read once.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        // What is wrong with one of them is not ours to mend; a server that it signs is refused by name.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    ROOTS.get_or_init(read).clone()
}

/// A certificate that is not trusted is the operator's to mend, and this is how.
fn reason(error: &std::io::Error) -> String {
    let Some(TlsError::InvalidCertificate(wrong)) = error.get_ref().and_then(|inner| inner.downcast_ref())
    else {
        return format!("{error}; does it speak TLS there?");
    };
    match wrong {
        // A signer that was made anew under its former name is known, and its signature is wrong.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("{error}; name the file of who signed its certificate: `ca` (--ca, ROUNDHOUSE_CA)")
        }
        // By its name: the error's type is of a crate that rustls keeps to itself.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "a CA certificate is served as the leaf; serve one that it signed and that is none itself (CA:FALSE)"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(authority: &str, roots: Roots) -> Dial {
        Dial { authority: authority.into(), roots: Some(roots) }
    }

    #[test]
    fn a_certificate_is_for_a_name_or_an_address() {
        for (authority, expected) in [("hub:8400", "hub"), ("[::1]:8400", "::1"), ("10.0.0.1:1", "10.0.0.1")]
        {
            let name = dial(authority, Roots::System).server_name().unwrap();
            assert_eq!(name.to_str(), expected);
        }
        assert!(dial("a b:1", Roots::System).server_name().is_err());
    }

    #[tokio::test]
    async fn a_wrong_file_is_named() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("ca.pem");
        let error = || async { dial(&authority, Roots::File(path.clone())).connect().await.err().unwrap() };
        assert!(error().await.contains("ca.pem: "));
        std::fs::write(&path, "no PEM").unwrap();
        assert!(error().await.contains("has no certificate; write who signs"));
    }
}
