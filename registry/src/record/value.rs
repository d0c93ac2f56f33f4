//! JSON in and out, with the limits that every value has.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of one value.
pub const MAX_VALUE: usize = 64 << 10;
/// Levels of `[` and `{`. Our own records need 5.
const MAX_DEPTH: usize = 32;
/// The newest layout of values that this program understands.
const SCHEMA: u64 = 1;

/// Why a value is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("value has {bytes} bytes; the most is {most}")]
    TooLarge { bytes: usize, most: usize },
    #[error("value nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error(
        "schema {0} is newer than this program understands ({SCHEMA}); upgrade it, or write schema {SCHEMA}"
    )]
    Schema(serde_json::Number),
    #[error("{path}: {message}")]
    Field { path: String, message: String },
    #[error("{0}")]
    Json(String),
}

impl ValueError {
    pub fn field(path: impl Into<String>, message: impl Into<String>) -> ValueError {
        ValueError::Field { path: path.into(), message: message.into() }
    }

    /// The same of a record that is part of another.
    pub(super) fn within(self, outer: &str) -> ValueError {
        match self {
            ValueError::Field { path, message } => {
                ValueError::Field { path: format!("{outer}.{path}"), message }
            }
            error => error,
        }
    }
}

/// Parses a value of the usual size; the error names the field.
pub fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, ValueError> {
    decode_up_to(MAX_VALUE, value)
}

/// Parses a value of at most `most` bytes.
pub(super) fn decode_up_to<T: DeserializeOwned>(most: usize, value: &[u8]) -> Result<T, ValueError> {
    if value.len() > most {
        return Err(ValueError::TooLarge { bytes: value.len(), most });
    }
    if nests_too_deep(value) {
        return Err(ValueError::TooDeep);
    }
    // The parser would take a list for the fields in their order.
    if value.trim_ascii_start().starts_with(b"[") {
        return Err(ValueError::Json("is a list, expected a map: write one JSON object".to_owned()));
    }
    check_schema(value)?;
    let mut reader = serde_json::Deserializer::from_slice(value);
    let record = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let message = in_plain_words(&error.into_inner().to_string());
        if path == "." { ValueError::Json(message) } else { ValueError::Field { path, message } }
    })?;
    reader.end().map_err(|error| ValueError::Json(error.to_string()))?;
    Ok(record)
}

/// A value that says nothing of its schema is of the first.
fn check_schema(value: &[u8]) -> Result<(), ValueError> {
    #[derive(serde::Deserialize)]
    struct Peek {
        #[serde(default)]
        schema: serde_json::Value,
    }

    match serde_json::from_slice(value) {
        Ok(Peek { schema: serde_json::Value::Number(schema) })
            if schema.as_f64().is_some_and(|number| number > SCHEMA as f64) =>
        {
            Err(ValueError::Schema(schema))
        }
        Ok(Peek { schema: serde_json::Value::Number(schema) }) if schema.is_u64() => Ok(()),
        // Not even an object: the parser of the record says it better.
        Ok(Peek { schema: serde_json::Value::Null }) | Err(_) => Ok(()),
        Ok(_) => {
            Err(ValueError::field("schema", format!("is no whole number; write {SCHEMA}, or leave it out")))
        }
    }
}

/// serde names Rust's types; whoever wrote the value wrote JSON.
fn in_plain_words(message: &str) -> String {
    let words = [("u16", "a whole number up to 65535"), ("u32", "a whole number"), ("u64", "a whole number")];
    words.iter().fold(message.to_owned(), |text, (rust, plain)| {
        text.replace(&format!("expected {rust}"), &format!("expected {plain}"))
    })
}

/// A record as it is stored. Records are made of strings, numbers and lists, which always have a JSON form.
pub fn encode<T: Serialize>(record: &T) -> Bytes {
    serde_json::to_vec(record).map(Bytes::from).unwrap_or_default()
}

/// Whether a value nests deeper than any record may.
pub(crate) fn nests_too_deep(text: &[u8]) -> bool {
    depth(text) > MAX_DEPTH
}

/// The deepest nesting, strings skipped: counted before the parser, whose own limit is higher, sees the text.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Instance;

    fn error(text: &str) -> String {
        decode::<Instance>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_field() {
        let text = error(r#"{"address":"10.0.0.7","ports":{"main":"1111"}}"#);
        assert!(text.starts_with("ports.main: invalid type: string"), "{text}");
        let text = error(r#"{"address":"10.0.0.7","ports":{"main":65536}}"#);
        assert!(text.starts_with("ports.main: ") && text.contains("a whole number up to 65535"), "{text}");
        assert!(error("{\"address\":").contains("EOF"));
        assert!(error(r#"["10.0.0.7",{"main":1}]"#).contains("write one JSON object"));
        assert!(error("{\"a\0\":1}").contains("control character"));
    }

    #[test]
    fn a_list_is_no_record() {
        for text in ["[]", " [\"10.0.0.7\",{\"main\":1}]"] {
            assert!(error(text).contains("expected a map"), "{text}");
        }
        assert!(decode::<crate::record::Line>(b"[]").is_err(), "although all of its fields have defaults");
    }

    #[test]
    fn limits_come_before_the_parser() {
        assert!(error(&"[".repeat(100_000)).contains("bytes"));
        assert!(error(&"[".repeat(33)).contains("nests deeper"));
        for schema in ["7", "99999999999999999999999", "1.5"] {
            let text = error(&format!(r#"{{"schema":{schema},"anything":1}}"#));
            assert!(text.starts_with("schema ") && text.contains(" is newer"), "{text}");
        }
        for schema in ["\"1\"", "-1", "0.5", "[]"] {
            let text = error(&format!(r#"{{"schema":{schema}}}"#));
            assert!(text.contains("schema: is no whole number; write 1"), "{text}");
        }
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(depth(br#"{"a":"[[[[\"[[[["}"#), 1);
    }
}
