//! What a reader may see of the registry: asked for every entry that leaves by the snapshot or the watch.

use std::borrow::Cow;

use roundhouse_registry::kv::Entry;
use roundhouse_registry::record::Key;

/// Kinds with secrets in them: private keys, and what tokens are checked against.
const SECRET: [&str; 2] = ["certs", "tokens"];

/// On whose behalf the registry is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Every reader of this version: no private keys, no tokens.
    WithoutSecrets,
}

/// What the reader may see of an entry: all of it, a part, or nothing.
pub(super) fn visible(reader: Reader, entry: &Entry) -> Option<Cow<'_, Entry>> {
    visible_key(reader, &entry.key).then_some(Cow::Borrowed(entry))
}

/// Whether the reader may know of the key at all, as of one that is deleted. Kinds that this version does not read stay
/// out: it cannot know what is in them.
pub(super) fn visible_key(reader: Reader, key: &str) -> bool {
    let kind = key.split_once('/').map_or(key, |(kind, _)| kind);
    match reader {
        Reader::WithoutSecrets => !SECRET.contains(&kind) && Key::parse(key) != Ok(Key::Reserved),
    }
}

#[cfg(test)]
mod tests {
    use roundhouse_registry::Revision;

    use super::*;

    #[test]
    fn secrets_stay_in_and_records_come_out() {
        let seen = |key: &str| {
            let (created, modified) = (Revision(1), Revision(1));
            let entry = Entry { key: key.into(), value: "{}".into(), created, modified, lease: None };
            let seen = visible(Reader::WithoutSecrets, &entry).is_some();
            assert_eq!(visible_key(Reader::WithoutSecrets, key), seen, "{key}");
            seen
        };
        for secret in ["certs/blog", "certs/", "certs", "certs/a/b", "tokens/1", "tokens"] {
            assert!(!seen(secret), "{secret}");
        }
        for shown in ["jobs/app2", "jobs/App2", "addresses/tcp/10.0.0.7:1", "vips/app2", "jobz/a", ""] {
            assert!(seen(shown), "{shown}");
        }
    }
}
