//! A certificate that nobody vouches for: to try a domain, and where no client asks for more.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use roundhouse_config::DomainName;

/// Long enough to try something, short enough that nobody relies on it for years.
const VALID: Duration = Duration::from_secs(90 * 24 * 3600);
/// Clients' clocks are behind at times.
const BEFORE: Duration = Duration::from_secs(3600);

pub struct SelfSigned {
    /// PEM of the one certificate.
    pub chain: String,
    /// PEM.
    pub key: String,
}

/// For these names, with an ECDSA key on P-256, which every client knows. It signs no other.
pub fn self_signed(names: &[DomainName], now: SystemTime) -> Result<SelfSigned, Error> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names.clone())?;
    if let Some(first) = names.into_iter().next() {
        params.distinguished_name.push(DnType::CommonName, first);
    }
    params.not_before = (now - BEFORE).into();
    params.not_after = (now + VALID).into();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    Ok(SelfSigned { chain: certificate.pem(), key: key.serialize_pem() })
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::pki_types::UnixTime;

    use super::*;

    #[test]
    fn it_is_good_for_its_names_and_ninety_days() {
        let names = ["blog.localhost", "*.blog.localhost"].map(|name| name.parse().unwrap());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let SelfSigned { chain, key } = self_signed(&names, now).unwrap();
        let facts = crate::tls::inspect(&chain, &key).unwrap();
        assert_eq!(
            facts.names.iter().map(|name| &**name).collect::<Vec<_>>(),
            ["*.blog.localhost", "blog.localhost"]
        );
        let at = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 + days * 86_400));
        assert_eq!((facts.days_left(at(0)), facts.days_left(at(91))), (90, -1));
        assert!(!facts.ends_soon(at(75)) && facts.ends_soon(at(77)) && !facts.is_expired(at(90)));
        assert!(facts.is_expired(at(91)));
    }
}
