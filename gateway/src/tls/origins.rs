//! What jobs say of TLS to their instances, as it is spoken: looked up at every dial, made when the record is new.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use roundhouse_config::{OriginateTls, TrustedCa};

use super::{Ca, CertificateSource, ClientTls, Originate, Originations};

/// Files that a record names, and certificates, are looked at again after this.
const KEPT: Duration = Duration::from_secs(10);
/// Kept at once; a fleet has fewer jobs with TLS to their instances.
const MOST: usize = 10_000;

/// Protocols that are offered (RFC 7301), the favourite first.
pub type Alpn = &'static [&'static [u8]];

type Key = (String, OriginateTls, Alpn);

/// Shared by the workers.
#[derive(Default)]
pub struct Origins {
    made: Originations,
    /// As they were made, by server name and record: what they have in common is made once, by `made`.
    known: DashMap<Key, (Instant, Result<ClientTls, String>)>,
    /// Those that jobs may name as their client certificate.
    certificates: ArcSwap<Vec<CertificateSource>>,
}

impl Origins {
    /// The certificates of the registry, as they are now.
    pub fn certificates(&self, sources: Vec<CertificateSource>) {
        self.certificates.store(Arc::new(sources));
    }

    /// `name`: what the instances are called when the record does not say. The error is for the log.
    pub fn client(
        &self,
        tls: &OriginateTls,
        alpn: Alpn,
        name: impl FnOnce() -> String,
    ) -> Result<ClientTls, String> {
        let name = tls.server_name.as_ref().map_or_else(name, ToString::to_string);
        let key = (name, tls.clone(), alpn);
        if let Some(known) = self.known.get(&key)
            && known.0.elapsed() < KEPT
        {
            return known.1.clone();
        }
        let made = self.make(tls, alpn, &key.0);
        if self.known.len() >= MOST {
            self.known.retain(|_, (since, _)| since.elapsed() < KEPT);
        }
        self.known.insert(key, (Instant::now(), made.clone()));
        made
    }

    fn make(&self, tls: &OriginateTls, alpn: Alpn, name: &str) -> Result<ClientTls, String> {
        let identity = match &tls.certificate {
            None => None,
            Some(wanted) => {
                let certificates = self.certificates.load();
                let found = certificates.iter().find(|source| *source.name == *wanted.as_str());
                Some(found.cloned().ok_or_else(|| {
                    format!("there is no certificate `{wanted}`, which the job's `tls` names")
                })?)
            }
        };
        let ca = match &tls.ca {
            None => Ca::System,
            Some(TrustedCa::Pem(pem)) => Ca::Pem(pem.clone()),
            Some(TrustedCa::File(file)) => Ca::File(file.clone()),
        };
        let alpn = alpn.iter().map(|protocol| Box::from(*protocol)).collect();
        let originate = Originate { server_name: name.into(), ca, identity, verify: tls.verify, alpn };
        self.made.client(&originate).map_err(|error| error.to_string())
    }
}
