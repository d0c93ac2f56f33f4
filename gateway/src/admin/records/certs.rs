//! Certificates: shown with what they say of themselves, and never with their key to whoever may not see it.

use std::time::Duration;

use roundhouse_registry::Versioned;
use roundhouse_registry::record::{Cert, CertKey, Key, Name};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::UnixTime;

use super::{Site, Writable};
use crate::admin::Problem;
use crate::admin::certificates;
use crate::admin::visible::Reader;
use crate::tls::{Facts, inspect};

/// With its names and its time beside the record's own fields, for programs that look at no ASN.1.
pub(super) fn shown(record: &Versioned<Cert>, reader: Reader) -> Value {
    let mut shown = match reader {
        Reader::Trusted => json!(record),
        Reader::WithoutSecrets => json!(Versioned { value: record.value.redacted(), ..record.clone() }),
    };
    if let Some(facts) = Facts::of_chain(record.value.chain.pem()) {
        certificates::add(&facts, &mut shown);
    }
    shown
}

impl Writable for Cert {
    fn key(name: &Name) -> Key {
        Key::Cert(name.clone())
    }

    fn refusal(&self, _: &Name, _: &Site<'_>) -> Result<(), Problem> {
        Ok(self.validate_complete()?)
    }

    /// A gateway that cannot serve it goes on with what it has, so it is no refusal.
    fn warnings(&self, _: &Name, site: &Site<'_>) -> Vec<String> {
        let CertKey::Pem(key) = &self.key else { return Vec::new() };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(site.now.seconds()));
        match inspect(self.chain.pem(), key) {
            Err(error) => vec![error.to_string()],
            Ok(facts) if facts.is_expired(now) => {
                vec!["the certificate is expired, and clients refuse it; renew it".to_owned()]
            }
            Ok(facts) if facts.ends_soon(now) => {
                vec![format!("the certificate expires in {} days; renew it", facts.days_left(now))]
            }
            Ok(_) => Vec::new(),
        }
    }
}
