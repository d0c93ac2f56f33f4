//! The certificate that the listener shows, read again when its files change.
//!
//! Whoever rotates certificates writes files and tells nobody. So the files are looked at when a client comes, at most
//! once a second; what cannot be read, or does not fit together while only one of the two was written, leaves the
//! former certificate in place.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use roundhouse_config::access::Identity;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{file}: {source}", file = .file.display())]
    Pem { file: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("{file}: has no certificate; write the listener's, the leaf first, in PEM", file = .0.display())]
    Empty(PathBuf),
    #[error("{cert} with {key}: {source}", cert = .files.cert.display(), key = .files.key.display())]
    Unfit { files: Identity, source: rustls::Error },
}

pub struct Certificate {
    files: Identity,
    state: Mutex<State>,
}

struct State {
    acceptor: TlsAcceptor,
    looked: Instant,
    /// Of the files that were last read, with success or without.
    stamps: [Option<Stamp>; 2],
}

/// What changes when a file does. A file that is replaced (mounted secrets are) is another inode.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    inode: u64,
    length: u64,
}

impl Certificate {
    pub fn read(files: Identity) -> Result<Certificate, CertificateError> {
        // Before the files: what is written in between is seen at the next look.
        let stamps = stamps(&files);
        let state = State { acceptor: load(&files)?, looked: Instant::now(), stamps };
        Ok(Certificate { files, state: Mutex::new(state) })
    }

    /// For a handshake that begins now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        // Nothing between lock and unlock can leave it half changed.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK {
            state.looked = Instant::now();
            self.look(&mut state);
        }
        state.acceptor.clone()
    }

    fn look(&self, state: &mut State) {
        let stamps = stamps(&self.files);
        if stamps == state.stamps {
            return;
        }
        state.stamps = stamps;
        match load(&self.files) {
            Ok(acceptor) => {
                tracing::info!(cert = %self.files.cert.display(), "admin: the new certificate is served");
                state.acceptor = acceptor;
            }
            Err(error) => tracing::error!(%error, "admin: the former certificate stays"),
        }
    }
}

fn stamps(files: &Identity) -> [Option<Stamp>; 2] {
    [stamp(&files.cert), stamp(&files.key)]
}

fn stamp(file: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(file).ok()?;
    Some(Stamp { modified: found.modified().ok()?, inode: found.ino(), length: found.len() })
}

fn load(files: &Identity) -> Result<TlsAcceptor, CertificateError> {
    let pem = |file: &Path| {
        let file = file.to_owned();
        move |source| CertificateError::Pem { file, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.cert).map_err(pem(&files.cert))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(pem(&files.cert))?;
    if chain.is_empty() {
        return Err(CertificateError::Empty(files.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(pem(&files.key))?;
    let unfit = |source| CertificateError::Unfit { files: files.clone(), source };
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
