//! What is wrong with a chain and its key, before anybody serves them.
//!
//! The set of [certificates](super::Certificates) takes whatever a client could make use of. Whoever hands one in is there
//! to be asked, so more is looked at: that each certificate was issued by the next, without which clients that do not
//! happen to know the issuer refuse the server.

use webpki::EndEntityCert;

use super::source::{CertificateSource, KeySource, SourceError};
use super::{Facts, certificates};

#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("certificate {0} of the chain cannot be read ({1}); write X.509 certificates in PEM")]
    Unreadable(usize, webpki::Error),
    #[error(
        "certificate {next} of the chain did not issue certificate {before}; write the leaf first, then whoever issued \
         it, and so on, and leave out the others",
        before = .next - 1
    )]
    Order { next: usize },
}

/// What the leaf says of itself, if the chain is in order and the key is the leaf's.
pub fn inspect(chain: &str, key: &str) -> Result<Facts, ChainError> {
    let source = CertificateSource { name: "".into(), chain: chain.into(), key: KeySource::Pem(key.into()) };
    source.text()?.certified_key()?;
    let all = certificates(chain).map_err(SourceError::Chain)?;
    let read = |(i, der)| EndEntityCert::try_from(der).map_err(|error| ChainError::Unreadable(i + 1, error));
    let read: Vec<EndEntityCert<'_>> = all.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    for (i, pair) in read.windows(2).enumerate() {
        if pair[0].issuer() != pair[1].subject() {
            return Err(ChainError::Order { next: i + 2 });
        }
    }
    let leaf = all.first().ok_or(SourceError::Empty)?;
    Ok(Facts::of(leaf).map_err(SourceError::Leaf)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::{Authority, Leaf};

    #[test]
    fn each_certificate_is_issued_by_the_next() {
        let (authority, other) = (Authority::new("one"), Authority::new("other"));
        let leaf = authority.issue(&Leaf::of(&["a.example.com"]));
        let (chain, key) = (leaf.chain(), leaf.key());
        let (root, stranger) = (authority.pem(), other.pem());
        let facts = inspect(&format!("{chain}{root}"), &key).unwrap();
        assert!(facts.covers("a.example.com") && !facts.covers("b.example.com"));
        assert!(inspect(&chain, &key).is_ok());
        let error = |chain: &str, key: &str| inspect(chain, key).unwrap_err().to_string();
        assert!(
            error(&format!("{chain}{stranger}"), &key)
                .contains("certificate 2 of the chain did not issue certificate 1")
        );
        assert!(
            error(&format!("{root}{chain}"), &key).contains("does not fit the chain's first certificate")
        );
        assert!(error(&chain, &other.issue(&Leaf::of(&["a"])).key()).contains("does not fit"));
        assert!(error("", &key).contains("no certificate"));
        assert!(error(&chain, "").contains("no private key"));
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let authority = Authority::new("one");
        let leaf = authority.issue(&Leaf::of(&["*.example.com"]));
        let facts = inspect(&leaf.chain(), &leaf.key()).unwrap();
        assert!(facts.covers("a.example.com") && facts.covers("*.example.com"));
        assert!(!facts.covers("example.com") && !facts.covers("a.b.example.com"));
    }
}
