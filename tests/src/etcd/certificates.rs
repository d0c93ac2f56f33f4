//! A certificate authority of the test's own.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use roundhouse_config::access::{Identity, Tls};
use tempfile::TempDir;

/// PEM files: who signs, a server, a client. They go with the value.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
    /// The server's.
    address: String,
}

impl Certificates {
    /// Of a server on 127.0.0.1.
    pub fn new() -> Certificates {
        Certificates::of("127.0.0.1")
    }

    pub fn of(address: &str) -> Certificates {
        let folder = TempDir::new().expect("a temporary directory");
        let certificates = Certificates { folder, address: address.to_owned() };
        certificates.renew();
        certificates
    }

    /// All of them anew, in the same files: nobody who trusted the former signer trusts these.
    pub fn renew(&self) {
        let key = KeyPair::generate().expect("a key");
        let mut params = named("Roundhouse tests", &self.address);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let ca = params.self_signed(&key).expect("a certificate");
        self.write("ca.pem", &ca.pem());
        self.write("ca-key.pem", &key.serialize_pem());
        let issuer = Issuer::new(params, key);
        self.issue("server", &issuer);
        self.issue("client", &issuer);
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn ca_key(&self) -> PathBuf {
        self.folder.path().join("ca-key.pem")
    }

    pub fn server(&self) -> Identity {
        self.identity("server")
    }

    pub fn client(&self) -> Identity {
        self.identity("client")
    }

    /// What a client needs.
    pub fn tls(&self) -> Tls {
        Tls { ca: self.ca(), identity: Some(self.client()) }
    }

    fn identity(&self, name: &str) -> Identity {
        let file = |end: &str| self.folder.path().join(format!("{name}{end}"));
        Identity { cert: file(".pem"), key: file("-key.pem") }
    }

    fn issue(&self, name: &str, issuer: &Issuer<'_, KeyPair>) {
        let key = KeyPair::generate().expect("a key");
        let mut params = named(name, &self.address);
        // etcd dials itself with its own certificate too.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, issuer).expect("a certificate");
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}-key.pem"), &key.serialize_pem());
    }

    fn write(&self, name: &str, pem: &str) {
        std::fs::write(self.folder.path().join(name), pem).expect("the folder is ours");
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Certificates::new()
    }
}

/// Without a common name in the client's certificate: etcd would take it for a user.
fn named(organization: &str, address: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![address.to_owned()]).expect("an address");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params
}
