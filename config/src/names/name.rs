//! Names of records that people give and that are no job's.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::serde_as_text;
use crate::text::quoted;

const MAX: usize = 128;

/// The name of a certificate, a rule or a token: 1 to 128 of a-z, 0-9, `-` and `.`. No `_`, which ends the name in a
/// token's text, and no `/`, which ends it in a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// What to write instead of a text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no name; write 1 to {MAX} of a-z, 0-9, `-` and `.`, a letter or digit first and last")]
pub struct NameFormError(String);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameFormError;

    fn from_str(text: &str) -> Result<Name, NameFormError> {
        let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let right = bytes.len() <= MAX
            && bytes.first().is_some_and(word)
            && bytes.last().is_some_and(word)
            && bytes.iter().all(|byte| word(byte) || matches!(byte, b'-' | b'.'));
        let wrong = || NameFormError(quoted(text));
        right.then(|| Name(text.into())).ok_or_else(wrong)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Name);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for text in ["a", "blog.coding.net", "2026-rotation", &"x".repeat(128)] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
        for text in ["", "A", "a_b", "a/b", "-a", "a.", "a\0", "*.coding.net", &"x".repeat(129)] {
            assert!(text.parse::<Name>().unwrap_err().to_string().contains("write 1 to 128"), "{text}");
        }
    }
}
