//! The certificates that are served: of files (`[[certificate]]`) and of the registry (`certs/`), built anew when one of
//! them changes and swapped in.
//!
//! ```text
//! files, watched ─┐
//!                 ├─► sources ─► Certificates (ArcSwap) ─► handshakes that begin then
//! certs/ records ─┘      └─► Origins: client certificates towards instances
//! ```
//!
//! At the start a file that cannot be used is an error, for somebody is looking. Later nothing that was good is lost: what
//! became bad is served as it was, and shown with its reason.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::access::Identity;
use roundhouse_registry::Records;
use roundhouse_registry::record::{Cert, CertKey, Name};
use serde::Serialize;
use tokio_rustls::rustls::pki_types::UnixTime;

use crate::shared::Shared;
use crate::tls::{
    CertificateSource, Certificates, Fingerprint, Former, KeySource, Origins, Refused, Served, WatchedFile,
};

/// How long before its end a certificate is spoken of: automatic renewal has failed by then, and there is time to act.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// How often that is said of each.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// A certificate that is not served as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateRefused {
    /// Of the record, or `file:` and the path of `cert`.
    pub name: String,
    pub reason: String,
    /// What it was before is served on.
    pub serving_former: bool,
}

/// The certificates of `gateway.toml`.
pub(super) struct Files(Vec<FilePair>);

struct FilePair {
    cert: WatchedFile,
    key: WatchedFile,
}

pub(super) struct Keeper {
    shared: Arc<Shared>,
    origins: Arc<Origins>,
    files: Files,
    records: Records<Name, Cert>,
    /// That records name.
    key_files: BTreeMap<PathBuf, WatchedFile>,
    /// Said in the log.
    said: Vec<CertificateRefused>,
    warned: HashMap<Fingerprint, UnixTime>,
}

impl Files {
    fn new(identities: &[Identity]) -> Files {
        let pair = |one: &Identity| FilePair {
            cert: WatchedFile::new(&one.cert),
            key: WatchedFile::new(&one.key),
        };
        Files(identities.iter().map(pair).collect())
    }

    /// All must be good; the error names each that is not.
    pub(super) fn start(identities: &[Identity]) -> anyhow::Result<(Files, Certificates)> {
        let mut files = Files::new(identities);
        let mut sources = Sources::default();
        files.read(&mut sources);
        let (certificates, refused) = sources.build(&Certificates::default());
        if refused.is_empty() {
            return Ok((files, certificates));
        }
        let each = refused.iter().map(|one| {
            let cert = one.name.strip_prefix("file:").unwrap_or(&one.name);
            format!("[[certificate]] cert {cert}: {}", one.reason)
        });
        Err(anyhow::anyhow!("{}", each.collect::<Vec<_>>().join("\n")))
    }

    fn settled(&mut self) -> bool {
        // Each must be asked.
        self.0.iter_mut().fold(false, |any, pair| pair.cert.settled() | pair.key.settled() | any)
    }

    fn read(&mut self, sources: &mut Sources) {
        for FilePair { cert, key } in &mut self.0 {
            let name = format!("file:{}", cert.path().display());
            // Read for its date; what is served is read from the path with the source.
            let _ = key.read();
            let chain = match cert.read() {
                Ok(chain) => chain,
                Err(error) => {
                    let reason =
                        format!("{}: {error}; write a path that the gateway can read", cert.path().display());
                    sources.wrong.insert(name.clone(), reason);
                    String::new()
                }
            };
            let key = KeySource::File(key.path().to_owned());
            sources.list.push(CertificateSource { name: name.into(), chain: chain.into(), key });
        }
    }
}

/// What is to be served, in order: clients that name no server get the first.
#[derive(Default)]
struct Sources {
    list: Vec<CertificateSource>,
    /// Of those that could not even be read: a better reason than what is found in nothing.
    wrong: HashMap<String, String>,
}

impl Sources {
    fn build(&self, previous: &Certificates) -> (Certificates, Vec<CertificateRefused>) {
        let (certificates, refused) = Certificates::build(&self.list, previous);
        let refused = refused.into_iter().map(|Refused { name, reason, former }| CertificateRefused {
            reason: self.wrong.get(&*name).cloned().unwrap_or_else(|| reason.to_string()),
            name: name.into(),
            serving_former: former == Former::Stays,
        });
        (certificates, refused.collect())
    }
}

impl Keeper {
    /// `files` are those of the start, whose certificates are served already.
    pub(super) fn new(shared: Arc<Shared>, origins: Arc<Origins>, files: Files) -> Keeper {
        Keeper {
            shared,
            origins,
            files,
            records: Records::default(),
            key_files: BTreeMap::new(),
            said: Vec::new(),
            warned: HashMap::new(),
        }
    }

    /// The file of settings may name others.
    pub(super) fn configured(&mut self) {
        self.files = Files::new(&self.shared.file_certificates.load());
        self.build();
    }

    /// Those of the registry.
    pub(super) fn take(&mut self, records: &Records<Name, Cert>) {
        if !self.records.ptr_eq(records) {
            self.records = records.clone();
            self.build();
        }
    }

    /// Once a second.
    pub(super) fn look(&mut self) {
        let changed = self.key_files.values_mut().fold(false, |any, file| file.settled() | any);
        if self.files.settled() | changed {
            self.build();
        }
        self.warn(UnixTime::now());
    }

    fn build(&mut self) {
        let mut sources = Sources::default();
        self.files.read(&mut sources);
        let of_files = sources.list.len();
        self.read_records(&mut sources);
        let (certificates, refused) = sources.build(&self.shared.certificates.load());
        for one in refused.iter().filter(|one| !self.said.contains(one)) {
            let (certificate, reason, serving_former) = (&one.name, &one.reason, one.serving_former);
            tracing::error!(%certificate, %reason, serving_former, "certificate refused");
        }
        for one in self.said.iter().filter(|one| !refused.iter().any(|other| other.name == one.name)) {
            tracing::info!(certificate = %one.name, "certificate no longer refused");
        }
        self.shared.certificates.store(Arc::new(certificates));
        self.shared.certificates_refused.store(Arc::new(refused.clone()));
        self.said = refused;
        let mut of_registry = sources.list.split_off(of_files);
        of_registry.retain(|source| !sources.wrong.contains_key(&*source.name));
        self.origins.certificates(of_registry);
    }

    fn read_records(&mut self, sources: &mut Sources) {
        let mut former = std::mem::take(&mut self.key_files);
        let mut key_files: BTreeMap<PathBuf, WatchedFile> = BTreeMap::new();
        for (name, record) in self.records.iter() {
            let Cert { chain, key } = &record.value;
            let key = match key {
                CertKey::Pem(pem) => KeySource::Pem(pem.clone()),
                CertKey::File(path) => {
                    let known = former.remove(path).unwrap_or_else(|| WatchedFile::new(path));
                    let file = key_files.entry(path.clone()).or_insert(known);
                    // For its date, as above.
                    let _ = file.read();
                    KeySource::File(path.clone())
                }
                CertKey::Withheld => {
                    let reason = "its key is withheld from this gateway; write the record again with its key";
                    sources.wrong.insert(name.to_string(), reason.into());
                    KeySource::Pem("".into())
                }
            };
            let (name, chain) = (name.as_str().into(), chain.pem().into());
            sources.list.push(CertificateSource { name, chain, key });
        }
        self.key_files = key_files;
    }

    /// Of each that is expired or soon will be, once a day.
    fn warn(&mut self, now: UnixTime) {
        let certificates = self.shared.certificates.load();
        let due: Vec<&Served> = certificates.iter().filter(|one| ends_soon(one, now)).collect();
        self.warned.retain(|known, at| {
            now.as_secs() < at.as_secs() + AGAIN.as_secs() && due.iter().any(|one| one.facts.fingerprint == *known)
        });
        for one in due {
            if self.warned.contains_key(&one.facts.fingerprint) {
                continue;
            }
            self.warned.insert(one.facts.fingerprint, now);
            let (certificate, fingerprint) = (&one.name, &one.facts.fingerprint);
            if one.facts.is_expired(now) {
                tracing::error!(%certificate, %fingerprint, "certificate expired; renew it");
            } else {
                let days = one.facts.not_after.as_secs().saturating_sub(now.as_secs()) / (24 * 3600);
                tracing::warn!(%certificate, %fingerprint, days, "certificate expires soon; renew it");
            }
        }
    }
}

fn ends_soon(one: &Served, now: UnixTime) -> bool {
    now.as_secs() + SOON.as_secs() > one.facts.not_after.as_secs()
}
