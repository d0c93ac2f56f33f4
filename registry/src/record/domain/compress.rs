//! Answers that are compressed on their way to a client that can undo it.

use std::fmt;
use std::str::FromStr;

use roundhouse_config::{ByteSize, serde_as_text};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::field::{is_token, shown};
use crate::record::ValueError;
use crate::record::text::check_list;

const MAX_TYPES: usize = 64;
/// Smaller ones fit into the packet that is sent anyway.
const MIN_SIZE: ByteSize = ByteSize::kib(1);

/// `true` is all defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compress {
    /// By preference, where a client likes several as much.
    pub encodings: Vec<Coding>,
    /// Answers of a known size below it are sent as they are.
    pub min_size: ByteSize,
    /// Empty: [`Compress::TYPES`].
    pub types: Vec<MediaType>,
}

/// A content coding: RFC 7932, RFC 8878, RFC 1952.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    Br,
    Zstd,
    Gzip,
}

/// `text/html`, or `text/*`; in lower case, without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType(Box<str>);

impl Compress {
    /// Text in its many names. Images, video and archives are compressed already.
    pub const TYPES: [&str; 17] = [
        "text/*",
        "application/json",
        "application/javascript",
        "application/x-javascript",
        "application/xml",
        "application/xhtml+xml",
        "application/rss+xml",
        "application/atom+xml",
        "application/ld+json",
        "application/manifest+json",
        "application/problem+json",
        "application/graphql-response+json",
        "application/x-ndjson",
        "application/wasm",
        "image/svg+xml",
        "font/ttf",
        "font/otf",
    ];

    pub(super) fn check(&self) -> Result<(), ValueError> {
        if self.encodings.is_empty() {
            let message =
                "there is none; write some of \"br\", \"zstd\" and \"gzip\", or \"compress\": false";
            return Err(ValueError::field("compress.encodings", message));
        }
        check_list("compress.encodings", &self.encodings, 3)?;
        check_list("compress.types", &self.types, MAX_TYPES)
    }
}

impl Default for Compress {
    fn default() -> Compress {
        let encodings = vec![Coding::Br, Coding::Zstd, Coding::Gzip];
        Compress { encodings, min_size: MIN_SIZE, types: Vec::new() }
    }
}

impl Coding {
    /// As in `Content-Encoding`.
    pub fn as_str(self) -> &'static str {
        match self {
            Coding::Br => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl MediaType {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MediaType {
    type Err = String;

    fn from_str(text: &str) -> Result<MediaType, String> {
        let right = |(main, sub): (&str, &str)| {
            let named = |part: &str| is_token(part) && !part.contains('*');
            named(main) && (sub == "*" || named(sub))
        };
        match text.split_once('/').is_some_and(right) && text.len() <= 128 {
            true => Ok(MediaType(text.to_ascii_lowercase().into())),
            false => Err(format!(
                "`{}` is no media type; write one without parameters, as in text/html or text/*",
                shown(text)
            )),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(MediaType);

#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Raw {
    encodings: Vec<Coding>,
    min_size: ByteSize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<MediaType>,
}

impl Default for Raw {
    fn default() -> Raw {
        let Compress { encodings, min_size, types } = Compress::default();
        Raw { encodings, min_size, types }
    }
}

impl Serialize for Compress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Compress::default() {
            return serializer.serialize_bool(true);
        }
        let Compress { encodings, min_size, types } = self.clone();
        Raw { encodings, min_size, types }.serialize(serializer)
    }
}

/// `false` and `null`: none.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Compress>, D::Error> {
    struct YesOrHow;

    impl<'de> Visitor<'de> for YesOrHow {
        type Value = Option<Compress>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(
                "true, false or {\"encodings\":[\"br\",\"gzip\"],\"min_size\":\"1KiB\",\"types\":[…]}",
            )
        }

        fn visit_unit<E: Error>(self) -> Result<Option<Compress>, E> {
            Ok(None)
        }

        fn visit_bool<E: Error>(self, compress: bool) -> Result<Option<Compress>, E> {
            Ok(compress.then(Compress::default))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<Compress>, A::Error> {
            let Raw { encodings, min_size, types } = Raw::deserialize(MapAccessDeserializer::new(map))?;
            Ok(Some(Compress { encodings, min_size, types }))
        }
    }

    deserializer.deserialize_any(YesOrHow)
}
