//! Settings that are one word of a few.

use thiserror::Error;

use crate::text::quoted;

/// What is wrong with a word, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WordError {
    #[error("`{word}` is not in this version; write `{instead}`")]
    NotYet { word: String, instead: &'static str },

    #[error("`{word}` is unknown; write `{instead}`")]
    Unknown { word: String, instead: &'static str },
}

/// Accepts `known` alone. The words in `later` are the design's, so whoever writes one is told that it is the
/// version that lacks it.
pub(super) fn only<T>(text: &str, known: &'static str, value: T, later: &[&str]) -> Result<T, WordError> {
    let word = || quoted(text);
    match text {
        _ if text == known => Ok(value),
        _ if later.contains(&text) => Err(WordError::NotYet { word: word(), instead: known }),
        _ => Err(WordError::Unknown { word: word(), instead: known }),
    }
}

/// `FromStr` and `Display` of an enum of which this version has one word.
macro_rules! single_word {
    ($type:ident :: $variant:ident, $word:literal, later: $later:expr) => {
        impl std::str::FromStr for $type {
            type Err = $crate::settings::WordError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::settings::word::only(text, $word, Self::$variant, &$later)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::$variant => f.pad($word),
                }
            }
        }
    };
}

pub(super) use single_word;
