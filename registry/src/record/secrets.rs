//! What a reader gets who may not see secrets.

use std::borrow::Cow;

use super::{Cert, Key, encode, read};
use crate::kv::Entry;

/// The entry without what is secret in it: a certificate without its key, of a token nothing (`None`). Whatever stands
/// where secrets are kept and cannot be read is not shown either: it may be one, misspelled.
pub fn without_secrets(entry: &Entry) -> Option<Cow<'_, Entry>> {
    if !Key::holds_secret(&entry.key) {
        return Some(Cow::Borrowed(entry));
    }
    match Key::parse(&entry.key) {
        Ok(Key::Cert(_)) => {
            let cert: Cert = read(&entry.value).ok()?;
            Some(Cow::Owned(Entry { value: encode(&cert.redacted()), ..entry.clone() }))
        }
        _ => None,
    }
}
