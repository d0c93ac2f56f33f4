//! How a program gets into a registry, etcd or another gateway's API: whom it trusts, and who it says it is.
//!
//! The gateway's `[registry]` and job-init say it in the same words, resolved here once. TLS is chosen by the
//! URL's scheme alone (`etcds://`, `https://`), so that a forgotten file never means a connection in the clear. Secrets are named by
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
    /// For a gateway's API only.
    pub token_file: Option<PathBuf>,
}

/// How to get in; the default is neither TLS nor a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// There if the URL is `etcds://`.
    pub tls: Option<Tls>,
    pub login: Option<Login>,
    pub api: ApiAccess,
}

/// How to get into a gateway's API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiAccess {
    /// PEM: who signs the certificate of an `https://` gateway; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// The token and perhaps a line end; `None`: as the environment says.
    pub token_file: Option<PathBuf>,
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
            token_file: place(self.token_file),
        }
    }

    /// What to do, or every contradiction as key and sentence.
    pub fn resolve(self, url: &RegistryUrl) -> Result<Access, Vec<(&'static str, String)>> {
        let mut problems = Vec::new();
        match url {
            RegistryUrl::Etcd { .. } => self.complete(url, &mut problems),
            RegistryUrl::Http { .. } => self.complete_api(url, &mut problems),
            RegistryUrl::Embedded => refuse(&self.given(), url, &mut problems),
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if let RegistryUrl::Http { .. } = url {
            let api = ApiAccess { ca: self.ca, token_file: self.token_file };
            return Ok(Access { api, ..Access::default() });
        }
        let identity = self.cert.zip(self.key).map(|(cert, key)| Identity { cert, key });
        let login = self.user.zip(self.password_file);
        Ok(Access {
            tls: self.ca.map(|ca| Tls { ca, identity }),
            login: login.map(|(user, password_file)| Login { user, password_file }),
            api: ApiAccess::default(),
        })
    }

    fn complete_api(&self, url: &RegistryUrl, problems: &mut Vec<(&'static str, String)>) {
        let mut given = self.given();
        given.retain(|key| !matches!(*key, "ca" | "token_file"));
        refuse(&given, url, problems);
        if self.ca.is_some() && !url.is_tls() {
            let tls = url.to_string().replacen("http://", "https://", 1);
            let message = format!("is for TLS, and `{url}` is without; write `{tls}`, or leave it out");
            problems.push(("ca", message));
        }
    }

    fn complete(&self, url: &RegistryUrl, problems: &mut Vec<(&'static str, String)>) {
        if self.token_file.is_some() {
            refuse(&["token_file"], url, problems);
        }
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
            ("token_file", self.token_file.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }
}

fn refuse(keys: &[&'static str], url: &RegistryUrl, problems: &mut Vec<(&'static str, String)>) {
    for key in keys {
        let of = if *key == "token_file" { "a gateway's API" } else { "etcd" };
        problems.push((*key, format!("is for {of}, and the registry is `{url}`; leave it out")));
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
            token_file: file("token_file"),
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
        let api = resolve("https://hub", "ca token_file").unwrap().api;
        assert_eq!(api.ca.unwrap(), Path::new("/etc/roundhouse/ca"));
        assert_eq!(api.token_file.unwrap(), Path::new("/etc/roundhouse/token_file"));
        assert_eq!(resolve("https://hub", ""), Ok(Access::default()));
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
        assert!(refused("http://hub", "ca").contains("write `https://hub:8400`"));
        assert!(refused("https://hub", "cert").starts_with("cert is for etcd"));
        assert!(refused("etcd://h", "token_file").starts_with("token_file is for a gateway's API"));
        let elsewhere = refused("embedded", "ca user");
        assert!(
            elsewhere.contains("ca is for etcd") && elsewhere.contains("user is for etcd"),
            "{elsewhere}"
        );
    }
}
