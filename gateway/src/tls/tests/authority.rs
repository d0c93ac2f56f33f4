//! A certificate authority of the test's own.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::tls::{CertificateSource, KeySource};

pub(in crate::tls) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What a certificate is to have.
#[derive(Clone, Copy)]
pub(in crate::tls) struct Leaf<'a> {
    pub(in crate::tls) names: &'a [&'a str],
    pub(in crate::tls) addresses: &'a [IpAddr],
    pub(in crate::tls) uris: &'a [&'a str],
    /// The first day of one year to that of another.
    pub(in crate::tls) years: (i32, i32),
}

pub(in crate::tls) struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(in crate::tls) fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    pub(in crate::tls) fn pem(&self) -> Box<str> {
        self.pem.as_str().into()
    }

    pub(in crate::tls) fn issue(&self, leaf: &Leaf<'_>) -> Issued {
        let mut params = CertificateParams::default();
        let names = leaf.names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()));
        let uris = leaf.uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        let addresses = leaf.addresses.iter().map(|address| SanType::IpAddress(*address));
        params.subject_alt_names = names.chain(uris).chain(addresses).collect();
        params.not_before = date_time_ymd(leaf.years.0, 1, 1);
        params.not_after = date_time_ymd(leaf.years.1, 1, 1);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { certificate, key }
    }

    /// A source of the first name.
    pub(in crate::tls) fn source(&self, names: &[&str]) -> CertificateSource {
        self.issue(&Leaf::of(names)).source(names[0])
    }
}

impl<'a> Leaf<'a> {
    pub(in crate::tls) fn of(names: &'a [&'a str]) -> Leaf<'a> {
        Leaf { names, addresses: &[], uris: &[], years: (2020, 2090) }
    }
}

impl Issued {
    pub(in crate::tls) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    pub(in crate::tls) fn chain(&self) -> Box<str> {
        self.certificate.pem().into()
    }

    pub(in crate::tls) fn key(&self) -> Box<str> {
        self.key.serialize_pem().into()
    }

    pub(in crate::tls) fn source(&self, name: &str) -> CertificateSource {
        CertificateSource { name: name.into(), chain: self.chain(), key: KeySource::Pem(self.key()) }
    }
}
