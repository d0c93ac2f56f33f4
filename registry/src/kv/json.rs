//! An [`Entry`] as JSON: the one shape of the API's snapshot, the snapshot on disk and an export.
//!
//! ```json
//! {"key":"jobs/app2","value":{"jobname":"job.app2"},"created":5,"revision":17,"lease":"694d7a"}
//! ```
//!
//! What is read back is what was written, byte for byte. A value stands in it as its own text if that text is one line
//! of JSON that every reader can parse; anything else (a value that is no JSON, one written over several lines or with
//! space around it, one that nests deeper than a record may) is carried as `"base64"` instead of `"value"`. So an entry
//! is always one line, and one strange value cannot make the whole document unreadable.
//!
//! JSON only: the value's text passes through serde by serde_json's own door ([`RawValue`]).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Entry, Revision};
use crate::record::nests_too_deep;

/// Bytes of a key that is read. Records' keys are far shorter (512 bytes); a longer one is quarantined by whoever reads
/// it, and this only bounds what that costs.
pub const MAX_KEY: usize = 64 << 10;

/// Bytes of a value that is read. etcd takes no request over 1.5 MiB unless it is told to, so whatever is in a
/// registry passes; what is too large for a record is quarantined by whoever reads it.
pub const MAX_VALUE: usize = 2 << 20;

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let fields = 4 + usize::from(self.lease.is_some());
        let mut entry = to.serialize_struct("Entry", fields)?;
        entry.serialize_field("key", &self.key)?;
        match as_text(&self.value) {
            Some(text) => entry.serialize_field("value", text)?,
            None => entry.serialize_field("base64", &STANDARD.encode(&self.value))?,
        }
        entry.serialize_field("created", &self.created)?;
        entry.serialize_field("revision", &self.modified)?;
        if let Some(lease) = self.lease {
            entry.serialize_field("lease", &format_args!("{lease}"))?;
        }
        entry.end()
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Entry, D::Error> {
        Written::deserialize(from)?.entry().map_err(serde::de::Error::custom)
    }
}

/// The fields as they stand. Unknown ones are left alone: a newer gateway may say more.
#[derive(Deserialize)]
struct Written {
    key: String,
    #[serde(default, deserialize_with = "present")]
    value: Option<Box<RawValue>>,
    base64: Option<String>,
    created: Revision,
    revision: Revision,
    lease: Option<String>,
}

/// `null` is a value too, which serde would take for none.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(from).map(Some)
}

#[derive(Debug, thiserror::Error)]
enum EntryError {
    #[error("key has {0} bytes; the most is {MAX_KEY}")]
    Key(usize),
    #[error("`{key}`: value has {length} bytes; the most is {MAX_VALUE}")]
    Value { key: String, length: usize },
    #[error("`{key}`: {source}")]
    Base64 { key: String, source: base64::DecodeError },
    #[error("`{0}`: an entry has either `value` or `base64`")]
    EitherOr(String),
    #[error("`{key}`: {reason}")]
    Lease { key: String, reason: String },
    #[error("`{key}` was made at revision {created} and written at {revision}, before that")]
    Revisions { key: String, created: Revision, revision: Revision },
}

impl Written {
    fn entry(self) -> Result<Entry, EntryError> {
        let Written { key, value, base64, created, revision, lease } = self;
        if key.len() > MAX_KEY {
            return Err(EntryError::Key(key.len()));
        }
        let value = match (value, base64) {
            (Some(text), None) => Box::<str>::from(text).into_string().into_bytes(),
            (None, Some(text)) => {
                STANDARD.decode(text).map_err(|source| EntryError::Base64 { key: key.clone(), source })?
            }
            (Some(_), Some(_)) | (None, None) => return Err(EntryError::EitherOr(key)),
        };
        if value.len() > MAX_VALUE {
            return Err(EntryError::Value { key, length: value.len() });
        }
        if created > revision {
            return Err(EntryError::Revisions { key, created, revision });
        }
        let lease = lease.map(|lease| lease.parse()).transpose();
        let lease = lease.map_err(|reason| EntryError::Lease { key: key.clone(), reason })?;
        Ok(Entry { key, value: Bytes::from(value), created, modified: revision, lease })
    }
}

/// The value as JSON text that any reader of the document around it can parse, if it is that.
fn as_text(value: &[u8]) -> Option<&RawValue> {
    if value.contains(&b'\n') || value.contains(&b'\r') || nests_too_deep(value) {
        return None;
    }
    serde_json::from_slice::<Sound>(value).ok()?;
    let text: &RawValue = serde_json::from_slice(value).ok()?;
    // Space around it would be lost.
    (text.get().len() == value.len()).then_some(text)
}

/// JSON whose every part has a meaning. The raw text alone is only skipped over by the parser: it may still hold half a
/// surrogate pair or the number 1e999, at which a reader that wants the value would stop.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Sound, D::Error> {
        from.deserialize_any(Sound)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Sound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Sound, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Sound, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Sound, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Sound, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Sound, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Sound, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Sound, A::Error> {
        while items.next_element::<Sound>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Sound, A::Error> {
        while fields.next_entry::<Sound, Sound>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kv::LeaseId;

    fn entry(value: &[u8]) -> Entry {
        let value = Bytes::copy_from_slice(value);
        Entry {
            key: "jobs/app2".into(),
            value,
            created: Revision(5),
            modified: Revision(17),
            lease: Some(LeaseId(0x694d)),
        }
    }

    #[test]
    fn a_record_is_carried_as_its_own_text() {
        let json = serde_json::to_string(&entry(br#"{"weight": 1.0, "weight":100}"#)).unwrap();
        let text = r#"{"key":"jobs/app2","value":{"weight": 1.0, "weight":100},"created":5,"revision":17,"lease":"694d"}"#;
        assert_eq!(json, text);
        let unleased = serde_json::to_string(&Entry { lease: None, ..entry(b"null") }).unwrap();
        assert_eq!(unleased, r#"{"key":"jobs/app2","value":null,"created":5,"revision":17}"#);
    }

    #[test]
    fn what_others_could_not_read_is_carried_as_bytes() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for value in [
            "",
            "no",
            "{}\n",
            " {}",
            "{\r\n}",
            "[1,\n2]",
            r#""\ud800""#,
            "1e999",
            "\u{feff}1",
            "1 2",
            "\"\u{1}\"",
            &deep,
        ] {
            let json = serde_json::to_string(&[entry(value.as_bytes())]).unwrap();
            assert!(json.contains(r#""base64":""#) && !json.contains(r#""value""#), "{json}");
            assert!(
                serde_json::from_str::<serde_json::Value>(&json).is_ok() && !json.contains('\n'),
                "{json}"
            );
        }
    }

    fn error(text: &str) -> String {
        serde_json::from_str::<Entry>(text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_key_and_what_is_wrong() {
        assert!(
            error(r#"{"key":"jobs/a","created":1,"revision":1}"#).contains("`jobs/a`: an entry has either")
        );
        let both = r#"{"key":"jobs/a","value":1,"base64":"","created":1,"revision":1}"#;
        assert!(error(both).contains("either `value` or `base64`"));
        assert!(
            error(r#"{"key":"jobs/a","base64":"?","created":1,"revision":1}"#).contains("`jobs/a`: Invalid")
        );
        assert!(error(r#"{"key":"a","value":1,"created":2,"revision":1}"#).contains("before that"));
        assert!(
            error(r#"{"key":"a","value":1,"created":1,"revision":1,"lease":"0"}"#).contains("no lease id")
        );
        assert!(error(r#"{"value":1,"created":1,"revision":1}"#).contains("missing field `key`"));
        let newer = r#"{"key":"a","value":1,"created":1,"revision":1,"lease":null,"held":true}"#;
        assert_eq!(serde_json::from_str::<Entry>(newer).unwrap().lease, None);
    }

    #[test]
    fn what_is_read_is_bounded() {
        let sized = |key: usize, value: usize| Entry {
            key: "k".repeat(key),
            value: vec![b'v'; value].into(),
            ..entry(b"")
        };
        let read = |entry: &Entry| {
            serde_json::from_str::<Entry>(&serde_json::to_string(entry).unwrap())
                .map_err(|error| error.to_string())
        };
        let most = sized(MAX_KEY, MAX_VALUE);
        assert_eq!(read(&most), Ok(most));
        assert!(read(&sized(MAX_KEY + 1, 0)).unwrap_err().contains("key has 65537 bytes"));
        assert!(read(&sized(1, MAX_VALUE + 1)).unwrap_err().contains("value has 2097153 bytes"));
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        let json = prop_oneof![Just("null".to_owned()), "[0-9]{1,5}", r#""[a-zé\\\\u"/\[\]{}]{0,8}""#]
            .prop_recursive(4, 32, 4, |inner| {
                prop_oneof![
                    prop::collection::vec(inner.clone(), 0..4)
                        .prop_map(|items| format!("[{}]", items.join(", "))),
                    ("[a-z]{0,3}", inner).prop_map(|(name, value)| format!("{{\"{name}\":{value}}}")),
                ]
            });
        let around = ("[ \t\r\n]{0,2}", json, "[ \t\r\n]{0,2}");
        prop_oneof![
            around.prop_map(|(before, json, after)| format!("{before}{json}{after}").into_bytes()),
            prop::collection::vec(any::<u8>(), 0..64),
        ]
    }

    proptest! {
        /// From text and from a stream, alone and in a list.
        #[test]
        fn what_is_read_back_is_what_was_written(
            (key, value) in (any::<String>(), value()),
            (created, later, lease) in (0u64..1 << 60, 0u64..1 << 60, prop::option::of(1i64..)),
        ) {
            let entry = Entry {
                key,
                value: value.into(),
                created: Revision(created),
                modified: Revision(created + later),
                lease: lease.map(LeaseId),
            };
            let line = serde_json::to_string(&entry).unwrap();
            prop_assert!(!line.contains(['\n', '\r']));
            prop_assert_eq!(&serde_json::from_str::<Entry>(&line).unwrap(), &entry);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
            let list = serde_json::to_vec(&[&entry, &entry]).unwrap();
            let read: Vec<Entry> = serde_json::from_reader(&list[..]).unwrap();
            prop_assert_eq!(read, [entry.clone(), entry]);
        }
    }
}
