//! What a reader may see of the registry: asked for every entry that leaves by the snapshot or the watch.

use roundhouse_registry::record::Key;

/// Kinds with secrets in them: private keys, and what tokens are checked against.
const SECRET: [&str; 2] = ["certs", "tokens"];

/// On whose behalf the registry is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Every reader of this version: no private keys, no tokens.
    WithoutSecrets,
}

/// Whether the entry under this key may be shown. Kinds that this version does not read stay out too: it cannot know
/// what is in them.
pub(super) fn visible(reader: Reader, key: &str) -> bool {
    let kind = key.split_once('/').map_or(key, |(kind, _)| kind);
    match reader {
        Reader::WithoutSecrets => !SECRET.contains(&kind) && Key::parse(key) != Ok(Key::Reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_in_and_records_come_out() {
        let seen = |key| visible(Reader::WithoutSecrets, key);
        for secret in ["certs/blog", "certs/", "certs", "certs/a/b", "tokens/1", "tokens"] {
            assert!(!seen(secret), "{secret}");
        }
        for shown in ["jobs/app2", "jobs/App2", "addresses/tcp/10.0.0.7:1", "vips/app2", "jobz/a", ""] {
            assert!(seen(shown), "{shown}");
        }
    }
}
