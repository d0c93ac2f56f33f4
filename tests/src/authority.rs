//! A certificate authority of the test's own, with its files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

/// Signs certificates into a folder, `<name>.pem` and `<name>-key.pem` each.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    folder: PathBuf,
}

impl Authority {
    /// Its own certificate is `ca.pem` in the folder.
    pub fn new(folder: &Path) -> Authority {
        let mut params = CertificateParams::default();
        // One with the same name as another would be taken for it, and its signatures for broken ones.
        let name = format!("the authority of {}", folder.display());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        std::fs::create_dir_all(folder).expect("the folder is the test's own");
        let authority = Authority { issuer: Issuer::new(params, key), pem, folder: folder.to_owned() };
        authority.write("ca.pem", &authority.pem);
        authority
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for these names, the first of which is that of its files; the same again replaces it. What is
    /// given back is the certificate and the key, in PEM.
    pub fn sign(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names_owned: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names_owned).expect("names of hosts");
        params.distinguished_name.push(DnType::CommonName, names[0]);
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let (certificate, key) = (signed.pem(), key.serialize_pem());
        self.write(&format!("{}-key.pem", names[0]), &key);
        self.write(&format!("{}.pem", names[0]), &certificate);
        (certificate, key)
    }

    /// A client's certificate that names this JOBNAME (URI SAN `jobname:…`), and its key, in PEM.
    pub fn sign_jobname(&self, jobname: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "a client");
        let uri = format!("jobname:{jobname}").try_into().expect("ASCII");
        params.subject_alt_names.push(SanType::URI(uri));
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        (signed.pem(), key.serialize_pem())
    }

    pub fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-key.pem"))
    }

    fn write(&self, name: &str, text: &str) {
        let new = self.folder.join(format!("{name}.new"));
        std::fs::write(&new, text).expect("the folder is the test's own");
        std::fs::rename(new, self.folder.join(name)).expect("the folder is the test's own");
    }
}
