//! `[registry]`: where records are kept.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::reader::Section;
use crate::access::{Access, RawAccess};
use crate::text::quoted;
use crate::units::RegistryUrl;

/// Keys have at most 512 bytes; what stands under the prefix needs the rest.
const MAX_PREFIX: usize = 200;

/// Where a gateway listens that was told nothing else.
static EXAMPLE_HUB: LazyLock<RegistryUrl> =
    LazyLock::new(|| RegistryUrl::Http { authority: "127.0.0.1:8400".to_owned(), tls: false });

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Embedded or etcd. Default `embedded`, which needs nothing installed.
    pub url: RegistryUrl,
    /// What every key begins with: `/` first, not last. Default `/roundhouse/v1`.
    pub prefix: String,
    /// How to get in (`ca`, `cert`, `key`, `user`, `password_file`; paths relative to the file). Default: neither TLS
    /// nor a user.
    pub access: Access,
    /// A file that gets a line for every listing and revision applied, relative to the file. It grows without bound:
    /// for tests, and for an audit of what a gateway was told. Default: none.
    pub record: Option<PathBuf>,
}

impl RegistrySettings {
    pub(super) fn read(section: &Section<'_>, base: &Path) -> Self {
        let default = Self::default();
        let url = section.parsed("url", default.url);
        if matches!(url, RegistryUrl::Http { .. }) {
            let message = "a gateway keeps the registry itself and cannot borrow another's; \
                           write `embedded` or `etcd://host:2379`";
            section.wrong("url", message);
        }
        let access = access(section, &url, base, None);
        let record = section.file("record", "\"applied.jsonl\"").map(|file| base.join(file));
        let settings = Self { url, prefix: section.string("prefix", default.prefix, prefix), access, record };
        section.refuse_unknown();
        settings
    }

    /// Of a program that has no store of its own: etcd, or a gateway.
    pub(super) fn read_remote(section: &Section<'_>, base: &Path) -> Self {
        let default = Self::default();
        let url = section.required("url", EXAMPLE_HUB.clone());
        if url == RegistryUrl::Embedded {
            let message = "`embedded` is inside a gateway; write that gateway's `http://host:8400`, or `etcd://host:2379`";
            section.wrong("url", message);
        }
        let token_file = section.file("token_file", "\"/etc/roundhouse/token\"");
        let access = access(section, &url, base, token_file);
        let settings =
            Self { url, prefix: section.string("prefix", default.prefix, prefix), access, record: None };
        section.refuse_unknown();
        settings
    }
}

impl Default for RegistrySettings {
    fn default() -> Self {
        let prefix = "/roundhouse/v1".to_owned();
        Self { url: RegistryUrl::Embedded, prefix, access: Access::default(), record: None }
    }
}

fn access(section: &Section<'_>, url: &RegistryUrl, base: &Path, token_file: Option<PathBuf>) -> Access {
    let text = |key, example| section.scalar(key, example, |text| Ok::<_, String>(text.to_owned()));
    let file = |key, example| section.file(key, example);
    let raw = RawAccess {
        ca: file("ca", "\"/etc/roundhouse/etcd-ca.pem\""),
        cert: file("cert", "\"/etc/roundhouse/etcd-client.pem\""),
        key: file("key", "\"/etc/roundhouse/etcd-client-key.pem\""),
        user: text("user", "\"hub\""),
        password_file: file("password_file", "\"/etc/roundhouse/etcd-password\""),
        token_file,
    };
    // A stand-in for a wrong value is no ground for more problems.
    if section.is_wrong() {
        return Access::default();
    }
    raw.relative_to(base).resolve(url).unwrap_or_else(|problems| {
        for (key, message) in problems {
            section.wrong(key, message);
        }
        Access::default()
    })
}

fn prefix(text: &str) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("prefix `{}` {why}; write as in `/roundhouse/v1`", quoted(text)));
    if !text.starts_with('/') {
        return refuse("does not begin with `/`");
    }
    if text.ends_with('/') {
        return refuse("ends with `/`");
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return refuse("has characters other than printable ASCII");
    }
    if text.len() > MAX_PREFIX {
        return refuse("is longer than 200 bytes");
    }
    Ok(text.to_owned())
}
