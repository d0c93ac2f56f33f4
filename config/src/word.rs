//! Values that are one word of a few.

use thiserror::Error;

use crate::text::quoted;

/// What is wrong with a word, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WordError {
    #[error("`{word}` is unknown; write {instead}")]
    Unknown { word: String, instead: String },
}

impl WordError {
    /// `word` is none of `known`.
    pub(crate) fn unknown(word: &str, known: &[&str]) -> Self {
        let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
        let instead = match known.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => known.concat(),
        };
        Self::Unknown { word: quoted(word), instead }
    }
}

/// `FromStr` and `Display` of an enum that has a word for each variant.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl std::str::FromStr for $type {
            type Err = $crate::WordError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::WordError::unknown(text, &[$($word),+])),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $word),+
                })
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_is_told_the_known_ones() {
        let error = |known: &[&str]| WordError::unknown("x\n", known).to_string();
        assert_eq!(error(&["a"]), "`x\\n` is unknown; write `a`");
        assert_eq!(error(&["a", "b"]), "`x\\n` is unknown; write `a` or `b`");
        assert_eq!(error(&["a", "b", "c"]), "`x\\n` is unknown; write `a`, `b` or `c`");
    }
}
