//! What a reader may see of the registry: asked for every entry that leaves by the snapshot, the watch or a list of keys.

use std::borrow::Cow;

use roundhouse_registry::kv::Entry;
use roundhouse_registry::record::{Key, without_secrets};

/// On whose behalf the registry is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// No private keys, no tokens.
    WithoutSecrets,
    /// Hubs and admins.
    Trusted,
}

/// What the reader may see of an entry: all of it, a part, or nothing.
pub(super) fn visible(reader: Reader, entry: &Entry) -> Option<Cow<'_, Entry>> {
    if !visible_key(reader, &entry.key) {
        return None;
    }
    match reader {
        Reader::WithoutSecrets => without_secrets(entry),
        Reader::Trusted => Some(Cow::Borrowed(entry)),
    }
}

/// Whether the reader may know of the key at all, as of one that is deleted. `kv/` is nobody's record. A key where secrets
/// are kept and that is none may be a secret that was pasted into the wrong place.
pub(super) fn visible_key(reader: Reader, key: &str) -> bool {
    match Key::parse(key) {
        Ok(Key::Reserved) => false,
        Ok(Key::Cert(_)) => true,
        _ => reader == Reader::Trusted || !Key::holds_secret(key),
    }
}

#[cfg(test)]
mod tests {
    use roundhouse_registry::Revision;

    use super::*;

    fn seen(reader: Reader, key: &str, value: &str) -> Option<String> {
        let (created, modified) = (Revision(1), Revision(1));
        let entry = Entry { key: key.into(), value: value.to_owned().into(), created, modified, lease: None };
        let seen = visible(reader, &entry).map(Cow::into_owned)?;
        Some(String::from_utf8_lossy(&seen.value).into_owned())
    }

    #[test]
    fn secrets_stay_in_and_records_come_out() {
        let seen = |key: &str, value: &str| seen(Reader::WithoutSecrets, key, value);
        let chain = "-----BEGIN CERTIFICATE-----\\nMAMCAQA=\\n-----END CERTIFICATE-----\\n";
        let secret = chain.replace("CERTIFICATE", "PRIVATE KEY");
        let cert = seen("certs/blog", &format!(r#"{{"chain":"{chain}","key":"{secret}"}}"#)).unwrap();
        assert!(cert.contains("BEGIN CERTIFICATE") && !cert.contains("PRIVATE"), "{cert}");
        // What cannot be read may be a secret, misspelled.
        for hidden in ["certs/blog", "certs", "certs/a/b", "Certs/a", "tokens/1", "tokens", "kv/a"] {
            assert_eq!(seen(hidden, r#"{"key":"hunter2"}"#), None, "{hidden}");
        }
        for shown in ["jobs/app2", "jobs/App2", "addresses/tcp/10.0.0.7:1", "vips/app2", "jobz/a", ""] {
            assert_eq!(seen(shown, "{}").as_deref(), Some("{}"), "{shown}");
        }
    }

    #[test]
    fn keys_are_told_to_whom_they_concern() {
        for (key, everybody) in [
            ("certs/blog", true),
            ("jobs/a", true),
            ("tokens/1", false),
            ("tokens/a b", false),
            ("Tokens/a", false),
        ] {
            assert_eq!(visible_key(Reader::WithoutSecrets, key), everybody, "{key}");
            assert!(visible_key(Reader::Trusted, key), "{key}");
        }
        assert!(!visible_key(Reader::Trusted, "kv/a"));
        assert_eq!(seen(Reader::Trusted, "tokens/ci", "{}").as_deref(), Some("{}"));
    }
}
