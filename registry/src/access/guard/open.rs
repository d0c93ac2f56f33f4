//! How a guard is opened: the registry, and what decides while that is away.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use roundhouse_config::{Label, RegistrySettings, RegistryUrl};

use crate::access::bootstrap::{self, BootstrapError};
#[cfg(feature = "http")]
use crate::http::{BearerError, HttpClient};
#[cfg(feature = "etcd")]
use crate::kv::etcd::{self, Etcd};
#[cfg(feature = "http")]
use crate::kv::http::Http;
use crate::kv::{KvError, Source};
use crate::saved::{Saved, SavedError, SavedFile};

/// What a guard needs to know. [`Options::new`] and what differs.
#[derive(Clone, Debug)]
pub struct Options {
    /// etcd, or a gateway's API: that needs no credentials for etcd.
    pub registry: RegistrySettings,
    /// Whose door it is.
    pub job: Label,
    /// Where what the registry said last is kept, for starts without it. One file a guard. Default: nowhere.
    pub snapshot: Option<PathBuf>,
    /// What decides where the registry was never heard. Default: nothing does, and the guard is not opened.
    pub bootstrap: Option<PathBuf>,
    /// How long the registry is waited for at the start where there is nothing else to decide from; else 1.5 s. Default
    /// 5 s.
    pub wait: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "registry `embedded` is the store of one gateway and of that process alone; name the gateway's API, as in \
         `http://127.0.0.1:8400`, or an etcd, as in `etcd://h1:2379`"
    )]
    Embedded,
    #[error("this program was built without support for {0}")]
    NotBuilt(RegistryUrl),
    #[cfg(feature = "http")]
    #[error(transparent)]
    Token(#[from] BearerError),
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    #[error("{}", nothing(url, source, snapshot.as_deref()))]
    Nothing { url: RegistryUrl, source: KvError, snapshot: Option<Box<SavedError>> },
    #[error("the guard's thread: {0}")]
    Thread(std::io::Error),
}

/// A start, of which everything was read that is on disk.
pub(super) struct Start {
    pub(super) url: RegistryUrl,
    pub(super) connect: Connect,
    pub(super) file: Option<SavedFile>,
    pub(super) saved: Option<Saved>,
    /// What is wrong with the snapshot on disk.
    pub(super) refused: Option<Box<SavedError>>,
    pub(super) wait: Duration,
}

pub(super) type Connect = Box<dyn FnOnce() -> Result<Arc<dyn Source>, OpenError> + Send>;

impl Options {
    pub fn new(url: RegistryUrl, job: Label) -> Options {
        let registry = RegistrySettings { url, ..RegistrySettings::default() };
        Options { registry, job, snapshot: None, bootstrap: None, wait: Duration::from_secs(5) }
    }

    /// The bootstrap file is read whether it is needed or not: a wrong one is found when it is put there, and not on the
    /// day on which it counts. A saved snapshot is better knowledge, as it was a registry's.
    pub(super) fn prepare(&self) -> Result<Start, OpenError> {
        let registry = self.registry.clone();
        if registry.url == RegistryUrl::Embedded {
            return Err(OpenError::Embedded);
        }
        let bootstrap = self.bootstrap.as_deref().map(bootstrap).transpose()?;
        let file = self.snapshot.as_ref().map(|path| SavedFile::new(path, &*registry.prefix));
        let (saved, refused) = match file.as_ref().map(SavedFile::read) {
            None => (None, None),
            Some(Ok(saved)) => (saved, None),
            Some(Err(error)) => {
                tracing::error!(%error, "saved snapshot refused");
                (None, Some(Box::new(error)))
            }
        };
        let saved = saved.or(bootstrap);
        let url = registry.url.clone();
        let connect = Box::new(move || connect(&registry));
        Ok(Start { url, connect, file, saved, refused, wait: self.wait })
    }
}

/// It is as old as its file.
fn bootstrap(path: &Path) -> Result<Saved, BootstrapError> {
    let snapshot = bootstrap::read(path)?;
    let written = std::fs::metadata(path).and_then(|file| file.modified());
    Ok(Saved { snapshot, contact: written.unwrap_or(SystemTime::UNIX_EPOCH) })
}

fn nothing(url: &RegistryUrl, source: &KvError, snapshot: Option<&SavedError>) -> String {
    let saved = match snapshot {
        None => "there is no snapshot and no bootstrap file to decide from".to_owned(),
        Some(error) => format!("there is no bootstrap file, and the snapshot is of no use: {error}"),
    };
    format!("no registry at {url} ({source}), and {saved}; start it, or correct its URL")
}

fn connect(registry: &RegistrySettings) -> Result<Arc<dyn Source>, OpenError> {
    match &registry.url {
        #[cfg(feature = "etcd")]
        RegistryUrl::Etcd { endpoints } => {
            let (endpoints, prefix) = (endpoints.clone(), registry.prefix.clone());
            let options = etcd::Options { endpoints, prefix, access: registry.access.clone() };
            Ok(Arc::new(Etcd::new(options)))
        }
        #[cfg(feature = "http")]
        url @ RegistryUrl::Http { .. } => match HttpClient::at(url, &registry.access.api)? {
            Some(client) => Ok(Arc::new(Http::new(client))),
            None => Err(OpenError::NotBuilt(url.clone())),
        },
        url => Err(OpenError::NotBuilt(url.clone())),
    }
}
