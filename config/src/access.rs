//! How a program gets into etcd: whom it trusts, and who it says it is.
//!
//! The gateway's `[registry]` and job-init say it in the same five words, resolved here once. TLS is chosen by the
//! URL's scheme alone (`etcds://`), so that a forgotten file never means a connection in the clear. Secrets are named by
//! file: a URL, an argument or a log line never carries one. The files are read when a connection is made, so that
//! what was rotated is taken up without a restart.

use std::path::{Path, PathBuf};

use crate::text::quoted;
use crate::units::RegistryUrl;

/// What was said, key by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawAccess {
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
}

/// How to get in; the default is neither TLS nor a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// There if the URL is `etcds://`.
    pub tls: Option<Tls>,
    pub login: Option<Login>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM: who signs the servers' certificates, one or more.
    pub ca: PathBuf,
    pub identity: Option<Identity>,
}

/// A client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// PEM: the certificate, then what leads from it to the signer.
    pub cert: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    /// The password and perhaps a line end, nothing else.
    pub password_file: PathBuf,
}

impl RawAccess {
    /// The same, relative paths taken from `base`.
    #[must_use]
    pub fn relative_to(self, base: &Path) -> Self {
        let place = |file: Option<PathBuf>| file.map(|file| base.join(file));
        Self {
            ca: place(self.ca),
            cert: place(self.cert),
            key: place(self.key),
            user: self.user,
            password_file: place(self.password_file),
        }
    }

    /// What to do, or every contradiction as key and sentence.
    pub fn resolve(self, url: &RegistryUrl) -> Result<Access, Vec<(&'static str, String)>> {
        let mut problems = Vec::new();
        if matches!(url, RegistryUrl::Etcd { .. }) {
            self.complete(url, &mut problems);
        } else {
            for key in self.given() {
                problems.push((key, format!("is for etcd, and the registry is `{url}`; leave it out")));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let identity = self.cert.zip(self.key).map(|(cert, key)| Identity { cert, key });
        let login = self.user.zip(self.password_file);
        Ok(Access {
            tls: self.ca.map(|ca| Tls { ca, identity }),
            login: login.map(|(user, password_file)| Login { user, password_file }),
        })
    }

    fn complete(&self, url: &RegistryUrl, problems: &mut Vec<(&'static str, String)>) {
        let mut wrong = |key, message: String| problems.push((key, message));
        if url.is_tls() && self.ca.is_none() {
            let system = "/etc/ssl/certs/ca-certificates.crt";
            wrong(
                "ca",
                format!(
                    "is missing: `{url}` needs the file of who signs its certificate; the system's is {system}"
                ),
            );
        }
        if !url.is_tls() {
            let tls = url.to_string().replacen("etcd://", "etcds://", 1);
            for key in self.given().into_iter().filter(|key| matches!(*key, "ca" | "cert" | "key")) {
                wrong(key, format!("is for TLS, and `{url}` is without; write `{tls}`, or leave it out"));
            }
        }
        match (&self.cert, &self.key) {
            (Some(_), None) => wrong("key", "is missing: a `cert` needs the file of its private key".into()),
            (None, Some(_)) => wrong("cert", "is missing: a `key` needs the file of its certificate".into()),
            _ => {}
        }
        match (&self.user, &self.password_file) {
            (Some(user), _) if user.is_empty() || user.contains(char::is_control) => {
                wrong("user", format!("`{}` is no user; write its name in etcd", quoted(user)));
            }
            (Some(_), None) => {
                wrong("password_file", "is missing: a `user` needs the file that holds its password".into());
            }
            (None, Some(_)) => wrong("user", "is missing: whose password is in `password_file`?".into()),
            _ => {}
        }
    }

    fn given(&self) -> Vec<&'static str> {
        let all = [
            ("ca", self.ca.is_some()),
            ("cert", self.cert.is_some()),
            ("key", self.key.is_some()),
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each word is a key that is set.
    fn resolve(url: &str, keys: &str) -> Result<Access, Vec<(&'static str, String)>> {
        let file = |key: &str| keys.split(' ').any(|given| given == key).then(|| PathBuf::from(key));
        let raw = RawAccess {
            ca: file("ca"),
            cert: file("cert"),
            key: file("key"),
            user: file("user").map(|_| "hub".to_owned()),
            password_file: file("password_file"),
        };
        raw.relative_to(Path::new("/etc/roundhouse")).resolve(&url.parse().unwrap())
    }

    fn refused(url: &str, keys: &str) -> String {
        let problems = resolve(url, keys).unwrap_err();
        problems.into_iter().map(|(key, message)| format!("{key} {message}")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn everything_and_nothing_can_be_said() {
        assert_eq!(resolve("embedded", ""), Ok(Access::default()));
        assert_eq!(resolve("http://hub", ""), Ok(Access::default()));
        assert_eq!(resolve("etcd://h", ""), Ok(Access::default()));
        let access = resolve("etcds://h", "ca cert key user password_file").unwrap();
        let tls = access.tls.unwrap();
        assert_eq!(tls.ca, Path::new("/etc/roundhouse/ca"));
        assert_eq!(tls.identity.unwrap().key, Path::new("/etc/roundhouse/key"));
        assert_eq!(access.login.unwrap().password_file, Path::new("/etc/roundhouse/password_file"));
        assert!(resolve("etcds://h", "ca").unwrap().tls.unwrap().identity.is_none());
        assert!(resolve("etcd://h", "user password_file").unwrap().login.is_some());
    }

    #[test]
    fn contradictions_say_what_to_write() {
        assert!(refused("etcds://h", "").starts_with("ca is missing"));
        let plain = refused("etcd://h1,h2", "ca cert key");
        assert_eq!(plain.lines().count(), 3, "{plain}");
        assert!(plain.contains("write `etcds://h1:2379,h2:2379`"), "{plain}");
        assert!(refused("etcds://h", "ca cert").starts_with("key is missing"));
        assert!(refused("etcds://h", "ca key").starts_with("cert is missing"));
        assert!(refused("etcd://h", "user").starts_with("password_file is missing"));
        assert!(refused("etcd://h", "password_file").starts_with("user is missing"));
        let elsewhere = refused("embedded", "ca user");
        assert!(
            elsewhere.contains("ca is for etcd") && elsewhere.contains("user is for etcd"),
            "{elsewhere}"
        );
    }
}
