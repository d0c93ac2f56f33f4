//! What a certificate says of itself, for people and for the index.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use super::certificates;

/// How long before its end a certificate is spoken of: automatic renewal has failed by then, and there is time to act.
const SOON: Duration = Duration::from_secs(14 * DAY);
const DAY: u64 = 24 * 3600;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// DNS names of the subjectAltName (RFC 5280, 4.2.1.6), in lower case and without a trailing dot, some with `*.`
    /// before them.
    pub names: Box<[Box<str>]>,
    pub not_before: UnixTime,
    pub not_after: UnixTime,
    pub fingerprint: Fingerprint,
}

/// SHA-256 of the DER: `openssl x509 -fingerprint -sha256`, in lower case and without the colons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Facts {
    pub(super) fn of(leaf: &CertificateDer<'_>) -> Result<Facts, Error> {
        let certificate = EndEntityCert::try_from(leaf)?;
        let mut names: Vec<_> = certificate.valid_dns_names().map(spelled).collect();
        names.sort_unstable();
        names.dedup();
        Ok(Facts {
            names: names.into(),
            not_before: not_before(&certificate)?,
            not_after: not_after(&certificate)?,
            fingerprint: Fingerprint(Sha256::digest(leaf).into()),
        })
    }

    /// Whether it is for a name in lower case; `*` stands for one label (RFC 9525, 6.3).
    pub fn is_for(&self, name: &str) -> bool {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.names
            .iter()
            .any(|own| **own == *name || own.strip_prefix("*.").is_some_and(|own| Some(own) == parent))
    }

    /// Of the first certificate in PEM; `None`: it cannot be read.
    pub fn of_chain(pem: &str) -> Option<Facts> {
        Facts::of(certificates(pem).ok()?.first()?).ok()
    }

    /// Both ends belong to the validity (RFC 5280, 4.1.2.5).
    pub fn is_expired(&self, now: UnixTime) -> bool {
        now > self.not_after
    }

    /// Or has ended.
    pub fn ends_soon(&self, now: UnixTime) -> bool {
        now.as_secs() + SOON.as_secs() > self.not_after.as_secs()
    }

    /// Whole days, rounded down; negative once it is over.
    pub fn days_left(&self, now: UnixTime) -> i64 {
        let seconds = |time: UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        seconds(self.not_after).saturating_sub(seconds(now)).div_euclid(DAY as i64)
    }

    /// Whether it has the name: itself, or with `*` for its first label (RFC 6125, 6.4.3). In lower case.
    pub fn covers(&self, name: &str) -> bool {
        let under = |wildcard: &str| {
            let parent = wildcard.strip_prefix("*.");
            parent.is_some() && parent == name.split_once('.').map(|(_, parent)| parent)
        };
        self.names.iter().any(|own| &**own == name || under(own))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn spelled(name: &str) -> Box<str> {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into()
}

/// webpki has no accessor for the dates, but its refusal at a time outside of them names the bound.
fn not_before(certificate: &EndEntityCert<'_>) -> Result<UnixTime, Error> {
    let epoch = UnixTime::since_unix_epoch(Duration::ZERO);
    match refusal(certificate, epoch) {
        Error::CertNotValidYet { not_before, .. } => Ok(not_before),
        // What is valid then begins then: webpki reads no earlier year.
        Error::UnknownIssuer | Error::CertExpired { .. } => Ok(epoch),
        error => Err(error),
    }
}

fn not_after(certificate: &EndEntityCert<'_>) -> Result<UnixTime, Error> {
    match refusal(certificate, UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX))) {
        Error::CertExpired { not_after, .. } => Ok(not_after),
        error => Err(error),
    }
}

/// Validity is checked first, and nobody is trusted, so there is always one.
fn refusal(certificate: &EndEntityCert<'_>, at: UnixTime) -> Error {
    match certificate.verify_for_usage(&[], &[], &[], at, KeyUsage::server_auth(), None, None) {
        Err(error) => error,
        Ok(_) => Error::UnknownIssuer,
    }
}
