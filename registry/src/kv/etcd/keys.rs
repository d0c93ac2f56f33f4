//! Keys and entries: the store's are relative to the prefix, etcd's are whole.

use bytes::Bytes;
use etcd_client::KeyValue;

use super::revision;
use crate::kv::{Entry, LeaseId};

#[derive(Clone)]
pub(super) struct Keys {
    /// Ends with a slash, so that `/rh/v1` does not see `/rh/v10`.
    prefix: String,
}

impl Keys {
    /// `prefix` ends without a slash.
    pub(super) fn under(prefix: &str) -> Keys {
        Keys { prefix: format!("{prefix}/") }
    }

    pub(super) fn full(&self, key: &str) -> Vec<u8> {
        format!("{}{key}", self.prefix).into_bytes()
    }

    pub(super) fn entry(&self, kv: &KeyValue) -> Entry {
        let key = String::from_utf8_lossy(kv.key());
        Entry {
            key: key.strip_prefix(&self.prefix).unwrap_or(&key).to_owned(),
            value: Bytes::copy_from_slice(kv.value()),
            created: revision(kv.create_revision()),
            modified: revision(kv.mod_revision()),
            lease: (kv.lease() != 0).then(|| LeaseId(kv.lease())),
        }
    }
}

/// The end of the range of keys that start with `prefix` (etcd, "Key ranges": the last byte, plus one). The prefix
/// ends with `/`, which has a successor.
pub(super) fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
