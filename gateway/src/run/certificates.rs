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

/// How often it is said of each certificate that it ends soon.
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

/// Those of the registry.
#[derive(Default)]
struct OfRegistry {
    records: Records<Name, Cert>,
    /// That records name.
    key_files: BTreeMap<PathBuf, WatchedFile>,
}

pub(super) struct Keeper {
    shared: Arc<Shared>,
    origins: Arc<Origins>,
    files: Files,
    registry: OfRegistry,
    /// Said in the log.
    said: Vec<CertificateRefused>,
    warned: HashMap<Fingerprint, UnixTime>,
}

impl Files {
    fn new(identities: &[Identity]) -> Files {
        let pair =
            |one: &Identity| FilePair { cert: WatchedFile::new(&one.cert), key: WatchedFile::new(&one.key) };
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

impl OfRegistry {
    fn settled(&mut self) -> bool {
        self.key_files.values_mut().fold(false, |any, file| file.settled() | any)
    }

    fn read(&mut self, sources: &mut Sources) {
        let mut former = std::mem::take(&mut self.key_files);
        let mut key_files: BTreeMap<PathBuf, WatchedFile> = BTreeMap::new();
        for (name, record) in &self.records {
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
            registry: OfRegistry::default(),
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
        if !self.registry.records.ptr_eq(records) {
            self.registry.records = records.clone();
            self.build();
        }
    }

    /// Once a second.
    pub(super) fn look(&mut self) {
        // Each must be asked.
        if self.files.settled() | self.registry.settled() {
            self.build();
        }
        self.warn(UnixTime::now());
    }

    fn build(&mut self) {
        let mut sources = Sources::default();
        self.files.read(&mut sources);
        let of_files = sources.list.len();
        self.registry.read(&mut sources);
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

    /// Of each that is expired or soon will be, once a day.
    fn warn(&mut self, now: UnixTime) {
        let certificates = self.shared.certificates.load();
        let due: Vec<&Served> = certificates.iter().filter(|one| one.facts.ends_soon(now)).collect();
        self.warned.retain(|known, at| {
            now.as_secs() < at.as_secs() + AGAIN.as_secs()
                && due.iter().any(|one| one.facts.fingerprint == *known)
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
                let days = one.facts.days_left(now);
                tracing::warn!(%certificate, %fingerprint, days, "certificate expires soon; renew it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use roundhouse_registry::Snapshot;
    use roundhouse_registry::kv::{Entry, Listing, Revision};
    use tempfile::TempDir;

    use super::*;

    /// The chain and the key, for the name.
    fn issued(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn written(folder: &Path, name: &str) -> Identity {
        let (chain, key) = issued(name);
        let identity = Identity { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&identity.cert, chain).unwrap();
        std::fs::write(&identity.key, key).unwrap();
        identity
    }

    fn rebuilt(files: &mut Files, previous: &Certificates) -> (Certificates, Vec<CertificateRefused>) {
        let mut sources = Sources::default();
        files.read(&mut sources);
        sources.build(previous)
    }

    #[test]
    fn a_file_that_cannot_be_used_refuses_the_start_by_name() {
        let folder = TempDir::new().unwrap();
        let identity = written(folder.path(), "app2.example.com");
        let (_, certificates) = Files::start(std::slice::from_ref(&identity)).unwrap();
        assert_eq!(&*certificates.first().unwrap().name, format!("file:{}", identity.cert.display()));

        let error =
            |identity: &Identity| Files::start(std::slice::from_ref(identity)).err().unwrap().to_string();
        let missing = Identity { cert: folder.path().join("none.pem"), ..identity.clone() };
        let said = error(&missing);
        assert!(said.contains("none.pem: No such file") && said.contains("write a path"), "{said}");
        let keyless = Identity { key: folder.path().join("none.pem"), ..identity.clone() };
        assert!(error(&keyless).contains("key file"), "{}", error(&keyless));
        std::fs::write(&identity.key, issued("other.example.com").1).unwrap();
        assert!(error(&identity).contains("does not fit"), "{}", error(&identity));
    }

    #[test]
    fn a_rotation_is_seen_and_what_becomes_bad_is_served_as_it_was() {
        let folder = TempDir::new().unwrap();
        let identity = written(folder.path(), "app2.example.com");
        let (mut files, first) = Files::start(std::slice::from_ref(&identity)).unwrap();
        assert!(!files.settled() && !files.settled());

        written(folder.path(), "app3.example.com");
        assert!(!files.settled(), "it may still be written");
        assert!(files.settled());
        let (second, refused) = rebuilt(&mut files, &first);
        assert!(refused.is_empty() && second.by_name("app3.example.com").is_some());
        assert!(!files.settled());

        std::fs::remove_file(&identity.cert).unwrap();
        assert!(!files.settled() && files.settled());
        let (third, refused) = rebuilt(&mut files, &second);
        assert!(third.by_name("app3.example.com").is_some());
        assert!(refused[0].serving_former && refused[0].reason.contains("No such file"), "{refused:?}");
    }

    #[test]
    fn records_bring_keys_files_of_keys_or_nothing_to_serve() {
        let folder = TempDir::new().unwrap();
        let key_file = folder.path().join("key.pem");
        let record = |name: &str, chain: &str, key: serde_json::Value| {
            let value = serde_json::json!({ "chain": chain, "key": key }).to_string();
            let (key, value) = (format!("certs/{name}").as_str().into(), Bytes::from(value));
            Entry { key, value, created: Revision(1), modified: Revision(1), lease: None }
        };
        let (a, b, c) = (issued("a.example.com"), issued("b.example.com"), issued("c.example.com"));
        std::fs::write(&key_file, &b.1).unwrap();
        let entries = vec![
            record("a", &a.0, a.1.into()),
            record("b", &b.0, serde_json::json!({ "file": key_file })),
            record("c", &c.0, serde_json::Value::Null),
        ];
        let listing = Listing { origin: "test".into(), revision: Revision(1), entries };
        let records = Snapshot::from_listing(listing).certs;
        let mut registry = OfRegistry { records, ..OfRegistry::default() };
        let mut sources = Sources::default();
        registry.read(&mut sources);
        let (certificates, refused) = sources.build(&Certificates::default());
        let names: Vec<_> = certificates.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((refused.len(), &*refused[0].name), (1, "c"));
        assert!(refused[0].reason.contains("withheld") && !refused[0].serving_former);

        assert!(!registry.settled() && !registry.settled());
        std::fs::write(&key_file, "gone bad").unwrap();
        assert!(!registry.settled() && registry.settled());
        let mut sources = Sources::default();
        registry.read(&mut sources);
        let (certificates, refused) = sources.build(&certificates);
        assert!(certificates.by_name("b.example.com").is_some_and(|one| one.former));
        assert_eq!(
            refused.iter().map(|one| (&*one.name, one.serving_former)).collect::<Vec<_>>(),
            [("b", true), ("c", false)]
        );
    }
}
