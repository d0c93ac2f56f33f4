//! The registry: opened, and listed or taken from the snapshot on disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use roundhouse_config::{HoldSettings, RegistryUrl, Settings};
use roundhouse_registry::access::bootstrap;
use roundhouse_registry::follow::Options;
use roundhouse_registry::hold::Policy;
use roundhouse_registry::kv::embedded::Embedded;
use roundhouse_registry::kv::etcd::{self, Etcd};
use roundhouse_registry::recorder::Recorder;
use roundhouse_registry::saved::{Saved, SavedFile};
use roundhouse_registry::{Follower, Kv};

use super::datadir::DataDir;

/// The embedded registry, in the data directory.
pub(crate) const EMBEDDED: &str = "registry.redb";
/// A start without a registry ends within this time, its URL in the error.
const FIRST_LISTING: Duration = Duration::from_secs(4);
/// With `--wait`: between two attempts.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Opened {
    pub(super) kv: Arc<dyn Kv>,
    pub(super) follower: Follower,
    /// Where the snapshot is saved; an embedded registry is on this disk anyway.
    pub(super) saved: Option<SavedFile>,
}

/// `wait`: a registry that is not there yet is waited for, however long it takes.
pub(super) async fn open(
    settings: &Settings,
    data_dir: &DataDir,
    id: &str,
    wait: bool,
) -> anyhow::Result<Opened> {
    let kv = connect(settings, data_dir.path()).with_context(|| no_registry(settings))?;
    let saved = match settings.registry.url {
        RegistryUrl::Embedded => None,
        _ => Some(SavedFile::new(data_dir.path().join("snapshot.jsonl"), settings.registry.prefix.clone())),
    };
    loop {
        let kept = saved.as_ref().and_then(read);
        let known = match kept {
            Some(kept) => Some(kept),
            None => bootstrap(settings)?,
        };
        let options = Options {
            policy: policy(&settings.hold),
            by: id.into(),
            writes: Some(kv.clone()),
            saved: known,
            recorder: recorder(settings)?,
        };
        let started = tokio::time::timeout(FIRST_LISTING, Follower::with(kv.clone(), options)).await;
        let error = match started {
            Ok(Ok(follower)) => return Ok(Opened { kv, follower, saved }),
            Ok(Err(error)) => anyhow!(error),
            Err(_) => anyhow!("no answer within {FIRST_LISTING:?}"),
        };
        if !wait {
            return Err(error.context(no_registry(settings)));
        }
        tracing::warn!(registry = %settings.registry.url, error = format!("{error:#}"), "waiting for the registry");
        tokio::time::sleep(AGAIN).await;
    }
}

/// The embedded one is for whoever holds the lock on the data directory.
pub(crate) fn connect(settings: &Settings, data_dir: &Path) -> anyhow::Result<Arc<dyn Kv>> {
    match &settings.registry.url {
        RegistryUrl::Embedded => {
            let file = data_dir.join(EMBEDDED);
            if !file.exists() {
                tracing::info!(file = %file.display(), "a new, empty registry");
            }
            Ok(Arc::new(Embedded::open(&file)?))
        }
        RegistryUrl::Etcd { endpoints } => {
            let registry = &settings.registry;
            Ok(Arc::new(Etcd::new(etcd::Options {
                endpoints: endpoints.clone(),
                prefix: registry.prefix.clone(),
                access: registry.access.clone(),
            })))
        }
        url @ RegistryUrl::Http { .. } => Err(anyhow!(
            "registry.url = \"{url}\" is for job-init and lvs-sync; a gateway reads embedded or etcd://"
        )),
    }
}

/// A file that cannot be believed is as good as none; the registry has the truth.
fn read(file: &SavedFile) -> Option<Saved> {
    file.read().unwrap_or_else(|error| {
        tracing::error!(%error, "saved snapshot refused");
        None
    })
}

/// What there is to go by before the registry was ever heard. It is as old as its file; one that cannot be read is a reason
/// not to start, since what it would have shut is not known.
fn bootstrap(settings: &Settings) -> anyhow::Result<Option<Saved>> {
    let Some(file) = &settings.access.bootstrap else { return Ok(None) };
    let snapshot = bootstrap::read(file)?;
    let contact = std::fs::metadata(file).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Some(Saved { snapshot, contact }))
}

/// Somebody asked for it in order to rely on it: a start without it would be a gap from the beginning.
fn recorder(settings: &Settings) -> anyhow::Result<Option<Recorder>> {
    let Some(file) = &settings.registry.record else { return Ok(None) };
    let opened = Recorder::open(file);
    Ok(Some(opened.with_context(|| format!("registry.record: {} cannot be written", file.display()))?))
}

fn policy(settings: &HoldSettings) -> Policy {
    Policy {
        share: f64::from(settings.share) / 100.0,
        least: settings.least as usize,
        window: settings.window,
        deadline: settings.deadline,
    }
}

fn no_registry(settings: &Settings) -> String {
    format!(
        "no registry at {} and no snapshot to serve from; start it, or correct registry.url, or wait for it with --wait",
        settings.registry.url
    )
}
