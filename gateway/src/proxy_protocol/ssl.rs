//! What the proxy before us knows of a client's TLS (section 2.2.6).

use super::error::ProxyError;
use super::tlv::{Items, MAX_TEXT, once, text};

/// Sub-TLVs have numbers that no TLV has.
const VERSION: u8 = 0x21;
const COMMON_NAME: u8 = 0x22;

/// Bits of the first byte.
const OVER_TLS: u8 = 0x01;
const CERTIFICATE_ON_CONNECTION: u8 = 0x02;
const CERTIFICATE_IN_SESSION: u8 = 0x04;

/// The client's TLS as the sender terminated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssl {
    client: u8,
    /// The sender's own code, such as an X509_V_ERR of OpenSSL's; 0 is no error.
    pub verify: u32,
    /// As in `TLSv1.3`.
    pub version: Option<Box<str>>,
    /// The common name of the client's certificate.
    pub common_name: Option<Box<str>>,
}

impl Ssl {
    pub(super) fn read(value: &[u8]) -> Result<Ssl, ProxyError> {
        let (&[client, verify @ ..], rest) = value.split_first_chunk::<5>().ok_or(ProxyError::TlvCut)?;
        let mut ssl = Ssl { client, verify: u32::from_be_bytes(verify), version: None, common_name: None };
        for item in Items::of(rest) {
            let item = item?;
            match item.kind {
                VERSION => once(VERSION, &mut ssl.version, text(item, MAX_TEXT)?)?,
                COMMON_NAME => once(COMMON_NAME, &mut ssl.common_name, text(item, MAX_TEXT)?)?,
                _ => {}
            }
        }
        Ok(ssl)
    }

    /// The client came over TLS.
    pub fn over_tls(&self) -> bool {
        self.client & OVER_TLS != 0
    }

    /// The client showed a certificate on this very connection.
    pub fn certificate_on_connection(&self) -> bool {
        self.client & CERTIFICATE_ON_CONNECTION != 0
    }

    /// It did so at some time in this TLS session.
    pub fn certificate_in_session(&self) -> bool {
        self.client & CERTIFICATE_IN_SESSION != 0
    }

    /// There was a certificate and the sender found it good. `verify` alone does not say so: HAProxy's is 0 where there
    /// was none.
    pub fn verified(&self) -> bool {
        self.verify == 0 && (self.certificate_on_connection() || self.certificate_in_session())
    }
}
