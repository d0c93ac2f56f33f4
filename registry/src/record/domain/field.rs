//! Names and values of HTTP fields (RFC 9110, 5.1 and 5.5), as they may be written to the wire.

use std::fmt;
use std::str::FromStr;

use roundhouse_config::serde_as_text;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a name. The longest in use (`access-control-allow-private-network` and its like) have a third of it.
const MAX_NAME: usize = 128;
/// Bytes of a value: a Content-Security-Policy fits, and 64 of them fit into nobody's limit of a head.
const MAX_VALUE: usize = 4_096;

/// A token in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldName(Box<str>);

/// Printable ASCII with blanks and tabs inside. Other bytes are for each recipient to guess the meaning of.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldValue(Box<str>);

/// Fields in the order of their names, each name once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(FieldName, FieldValue)>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("`{0}` is no header's name; write 1 to {MAX_NAME} of letters, digits and !#$%&'*+-.^_`|~")]
    Name(String),
    #[error(
        "the value has a control character or is no ASCII; write printable characters, `%`-encode others"
    )]
    Value,
    #[error("the value has a blank at its beginning or end, which is no part of it; leave it out")]
    Blank,
    #[error("the value has {0} bytes; the most is {MAX_VALUE}")]
    TooLong(usize),
}

impl FieldName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FieldValue {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Fields {
    pub fn iter(&self) -> impl Iterator<Item = (&FieldName, &FieldValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|(own, _)| own.as_str().cmp(name)).is_ok()
    }
}

/// RFC 9110, 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    let special = |byte: &u8| b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || special(&byte))
}

/// Enough of a wrong text to recognise it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(48).flat_map(char::escape_debug).collect()
}

impl FromStr for FieldName {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<FieldName, FieldError> {
        match is_token(text) && text.len() <= MAX_NAME {
            true => Ok(FieldName(text.to_ascii_lowercase().into())),
            false => Err(FieldError::Name(shown(text))),
        }
    }
}

impl FromStr for FieldValue {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<FieldValue, FieldError> {
        if text.len() > MAX_VALUE {
            return Err(FieldError::TooLong(text.len()));
        }
        if !text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
            return Err(FieldError::Value);
        }
        if text.trim_matches([' ', '\t']) != text {
            return Err(FieldError::Blank);
        }
        Ok(FieldValue(text.into()))
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

serde_as_text!(FieldName, FieldValue);

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        struct Named;

        impl<'de> Visitor<'de> for Named {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers by their names, as in {\"x-frame-options\":\"DENY\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(FieldName, FieldValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<FieldName, FieldValue>()? {
                    match fields.binary_search_by(|(own, _)| own.cmp(&name)) {
                        Err(place) => fields.insert(place, (name, value)),
                        // One of the two spellings would be lost.
                        Ok(_) => {
                            let message = format!("`{name}` is there twice; write it once");
                            return Err(serde::de::Error::custom(message));
                        }
                    }
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens_in_lower_case() {
        assert_eq!("X-Frame-Options".parse::<FieldName>().unwrap().as_str(), "x-frame-options");
        for text in ["", "a b", "a:", "ä", "a\r\nb", &"x".repeat(129)] {
            assert!(text.parse::<FieldName>().unwrap_err().to_string().contains("write 1 to 128"), "{text}");
        }
    }

    #[test]
    fn a_value_cannot_end_its_line() {
        for text in ["", "DENY", "a \t b", "default-src 'self'"] {
            assert_eq!(text.parse::<FieldValue>().unwrap().as_str(), text);
        }
        for text in ["a\r\nSet-Cookie: b", "a\0", "\u{7f}", "ü"] {
            assert_eq!(text.parse::<FieldValue>(), Err(FieldError::Value), "{text:?}");
        }
        assert_eq!(" a".parse::<FieldValue>(), Err(FieldError::Blank));
        assert_eq!("x".repeat(4_097).parse::<FieldValue>(), Err(FieldError::TooLong(4_097)));
    }

    #[test]
    fn one_name_in_two_spellings_is_refused() {
        let fields: Fields = serde_json::from_str(r#"{"X-B":"2","x-a":"1"}"#).unwrap();
        assert_eq!(serde_json::to_string(&fields).unwrap(), r#"{"x-a":"1","x-b":"2"}"#);
        assert!(fields.contains("x-b") && !fields.contains("x-c"));
        let twice = serde_json::from_str::<Fields>(r#"{"X-A":"1","x-a":"2"}"#).unwrap_err().to_string();
        assert!(twice.contains("`x-a` is there twice"), "{twice}");
    }
}
