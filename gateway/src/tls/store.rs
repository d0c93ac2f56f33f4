//! The certificates of all entrypoints as one immutable set, found by name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::facts::{Facts, Fingerprint};
use super::source::{CertificateSource, SourceError};

#[derive(Default)]
pub struct Certificates {
    /// In the order of the sources.
    served: Vec<Served>,
    /// By DNS name, to a place in `served`.
    exact: HashMap<Box<str>, usize>,
    /// By what stands after `*.`.
    wildcard: HashMap<Box<str>, usize>,
}

#[derive(Clone)]
pub struct Served {
    /// Of its source.
    pub name: Box<str>,
    pub facts: Arc<Facts>,
    /// The source has become bad since; this is what it was.
    pub former: bool,
    key: Arc<CertifiedKey>,
    /// Of the source when it was read.
    content: [u8; 32],
}

/// A source that is not served as it is written.
#[derive(Debug, thiserror::Error)]
#[error("certificate `{name}`: {reason}; {}", .former.outcome())]
pub struct Refused {
    pub name: Box<str>,
    pub reason: SourceError,
    pub former: Former,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Former {
    /// What the source had before is served on.
    Stays,
    /// It has never been good.
    None,
}

impl Certificates {
    /// Reads the key files that sources name, so it is for the control plane. A bad source is left out, or served as it
    /// was in `previous`, and never stops another. An expired certificate is served, for that is what its clients then
    /// say; it is reported by [`Certificates::expired`].
    pub fn build(sources: &[CertificateSource], previous: &Certificates) -> (Certificates, Vec<Refused>) {
        let former: HashMap<&str, &Served> = previous.served.iter().map(|one| (&*one.name, one)).collect();
        let (mut served, mut refused) = (Vec::with_capacity(sources.len()), Vec::new());
        for source in sources {
            let before = former.get(&*source.name).copied();
            match Served::new(source, before) {
                Ok(one) => served.push(one),
                Err(reason) => {
                    let former = if before.is_some() { Former::Stays } else { Former::None };
                    refused.push(Refused { name: source.name.clone(), reason, former });
                    served.extend(before.map(|before| Served { former: true, ..before.clone() }));
                }
            }
        }
        (Certificates::indexed(served), refused)
    }

    fn indexed(served: Vec<Served>) -> Certificates {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for (place, one) in served.iter().enumerate() {
            for name in &one.facts.names {
                let (index, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut wildcard, parent),
                    None => (&mut exact, &**name),
                };
                match index.entry(Box::from(name)) {
                    Entry::Vacant(vacant) => {
                        vacant.insert(place);
                    }
                    Entry::Occupied(mut other) if served[*other.get()].rank() < one.rank() => {
                        other.insert(place);
                    }
                    Entry::Occupied(_) => {}
                }
            }
        }
        Certificates { served, exact, wildcard }
    }

    /// Whose certificate has the name, or has `*` for its first label (RFC 6125, 6.4.3). In any case of letters; without
    /// an allocation if they are lower-case, as those of a ClientHello are by the time that rustls gives them.
    pub fn by_name(&self, name: &str) -> Option<&Served> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.by_lower_case(&name.to_ascii_lowercase())
        } else {
            self.by_lower_case(name)
        }
    }

    /// Whether the certificate that is shown under one name is for another one too.
    pub fn is_one_for(&self, shown: &str, name: &str) -> bool {
        self.by_name(shown).is_some_and(|served| served.facts.is_for(name))
    }

    fn by_lower_case(&self, name: &str) -> Option<&Served> {
        let place = self.exact.get(name).or_else(|| {
            let (label, parent) = name.split_once('.')?;
            if label.is_empty() { None } else { self.wildcard.get(parent) }
        })?;
        self.served.get(*place)
    }

    /// For clients that name no server: the first of the sources that is served.
    pub fn first(&self) -> Option<&Served> {
        self.served.first()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Served> {
        self.served.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.served.is_empty()
    }

    /// Those that are served and that no client believes any more.
    pub fn expired(&self, now: UnixTime) -> impl Iterator<Item = &Served> {
        self.served.iter().filter(move |one| one.facts.is_expired(now))
    }
}

impl Served {
    fn new(source: &CertificateSource, before: Option<&Served>) -> Result<Served, SourceError> {
        let text = source.text()?;
        let content = text.content();
        if let Some(before) = before.filter(|before| before.content == content) {
            return Ok(Served { former: false, ..before.clone() });
        }
        let key = text.certified_key()?;
        let leaf = key.cert.first().ok_or(SourceError::Empty)?;
        let facts = Arc::new(Facts::of(leaf).map_err(SourceError::Leaf)?);
        Ok(Served { name: source.name.clone(), facts, former: false, key: Arc::new(key), content })
    }

    pub fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// Of two with one name the higher is served: the one that was issued later, whatever the order of the sources.
    fn rank(&self) -> (UnixTime, UnixTime, Fingerprint) {
        (self.facts.not_before, self.facts.not_after, self.facts.fingerprint)
    }
}

impl Former {
    fn outcome(self) -> &'static str {
        match self {
            Former::Stays => "the former one is served on",
            Former::None => "it is not served",
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.served).finish()
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("name", &self.name).field("facts", &self.facts).finish_non_exhaustive()
    }
}
