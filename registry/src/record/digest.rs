//! SHA-256 digests: certificates' fingerprints and the hashes of tokens.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// A SHA-256 digest (FIPS 180-4), 64 lower-case hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
// What was written is not repeated: in this place people paste secrets.
#[error("is no SHA-256; write its 64 lower-case hexadecimal digits, as `sha256sum` prints them")]
pub struct DigestError;

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether they are equal, in a time that does not tell how much of them is.
    pub fn matches(&self, other: &Digest) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        let mut bytes = [0; 32];
        if text.bytes().any(|byte| byte.is_ascii_uppercase())
            || hex::decode_to_slice(text, &mut bytes).is_err()
        {
            return Err(DigestError);
        }
        Ok(Digest(bytes))
    }
}

roundhouse_config::serde_as_text!(Digest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_vector_of_the_standard() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert!(digest.matches(&digest) && !digest.matches(&Digest::of(b"abd")));
    }

    #[test]
    fn one_spelling_and_no_echo() {
        for wrong in ["", "secret", &"AB".repeat(32), &"ab".repeat(33)] {
            let error = wrong.parse::<Digest>().unwrap_err().to_string();
            assert!(error.contains("64 lower-case") && !error.contains("secret"), "{error}");
        }
    }
}
