//! Which registry is meant, and the way to it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use roundhouse_config::{RegistryUrl, Settings};
use roundhouse_registry::Kv;

use super::super::server::Server;
use crate::run::datadir::{DataDir, DataDirError};
use crate::run::registry::{self, EMBEDDED};

/// Past the gateway. With none of these the gateway at --server is asked.
#[derive(Debug, Args)]
pub(in crate::cli) struct Direct {
    /// The registry of this gateway's settings, without the gateway; an embedded one while the gateway is stopped.
    #[arg(long, conflicts_with_all = ["registry", "data_dir", "prefix"])]
    config: Option<PathBuf>,
    /// This registry: etcd://host:2379, or embedded with --data-dir.
    #[arg(long, value_name = "URL")]
    registry: Option<RegistryUrl>,
    /// Where the embedded registry is kept.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// What every key in etcd begins with [default: /roundhouse/v1].
    #[arg(long, requires = "registry")]
    prefix: Option<String>,
}

pub(super) enum Place<'a> {
    Gateway(&'a Server),
    Direct(Box<Settings>),
}

impl Direct {
    pub(super) fn place(self, server: &Server) -> anyhow::Result<Place<'_>> {
        let mut settings = match (&self.config, &self.registry, &self.data_dir) {
            (None, None, None) => return Ok(Place::Gateway(server)),
            (Some(path), ..) => Settings::from_file(path)?,
            (None, ..) => Settings::default(),
        };
        match self.registry {
            Some(url @ RegistryUrl::Http { .. }) => {
                bail!("--registry {url} is a gateway; write --server {url}, which goes through its API")
            }
            Some(url @ RegistryUrl::Etcd { .. }) if self.data_dir.is_some() => {
                bail!(
                    "--data-dir is for the embedded registry, and --registry is {url}; leave one of them out"
                )
            }
            Some(url) => settings.registry.url = url,
            None => {}
        }
        if let Some(prefix) = self.prefix {
            settings.registry.prefix = prefix.trim_end_matches('/').to_owned();
        }
        if let Some(data_dir) = self.data_dir {
            settings.data_dir = data_dir;
        }
        Ok(Place::Direct(Box::new(settings)))
    }
}

/// A registry that is open, and the lock that keeps a gateway from it.
pub(super) struct Opened {
    pub(super) kv: Arc<dyn Kv>,
    pub(super) prefix: String,
    /// Dropped after the registry.
    _lock: Option<DataDir>,
}

/// `new`: an embedded registry that is not there is made.
pub(super) async fn open(settings: &Settings, new: bool) -> anyhow::Result<Opened> {
    let (lock, path) = match settings.registry.url {
        RegistryUrl::Embedded => {
            let file = settings.data_dir.join(EMBEDDED);
            if !new && !file.exists() {
                bail!(
                    "there is no registry at {}; name its folder with --data-dir or --config",
                    file.display()
                );
            }
            let lock = DataDir::lock(&settings.data_dir).map_err(|error| held(error, settings))?;
            let path = lock.path().to_owned();
            (Some(lock), path)
        }
        _ => (None, settings.data_dir.clone()),
    };
    let kv = registry::connect(settings, &path)
        .with_context(|| format!("cannot open the registry {}", settings.registry.url))?;
    Ok(Opened { kv, prefix: settings.registry.prefix.clone(), _lock: lock })
}

/// The embedded registry belongs to the gateway that runs on it.
fn held(error: DataDirError, settings: &Settings) -> anyhow::Error {
    match error {
        DataDirError::Held { path, holder } => anyhow!(
            "the embedded registry in {} is in use by a running gateway ({holder}); go through it with --server \
             http://{}, or stop it first",
            path.display(),
            settings.admin.listen
        ),
        error => error.into(),
    }
}
