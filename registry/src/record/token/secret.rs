//! The text of a token: what its bearer presents, and what the registry never holds.

use std::fmt;
use std::str::FromStr;

use rand::Rng;

use crate::record::{Digest, Name};

/// Random bytes of a secret. 128 bits are beyond guessing; 256 cost nothing.
const SECRET: usize = 32;

/// `rh_<id>_<secret>`: the id names the record `tokens/<id>`, the secret is 64 hexadecimal digits. The prefix lets
/// scanners of repositories and logs find a token that leaked.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText {
    id: Name,
    secret: [u8; SECRET],
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
// Nothing of it is repeated: it may be a token with a slip of the pen.
#[error("is no token; a token is `rh_<id>_<64 hexadecimal digits>`")]
pub struct TokenTextError;

impl TokenText {
    /// A new secret from the operating system's randomness by way of the thread's generator (ChaCha12).
    pub fn generate(id: Name) -> TokenText {
        let mut secret = [0; SECRET];
        rand::rng().fill_bytes(&mut secret);
        TokenText { id, secret }
    }

    pub fn id(&self) -> &Name {
        &self.id
    }

    /// What the bearer presents. To be shown once, to the person who asked for the token.
    pub fn reveal(&self) -> String {
        format!("rh_{}_{}", self.id, hex::encode(self.secret))
    }

    /// What the record holds: the digest of the whole text. A slow hash is for secrets that people choose.
    pub fn hash(&self) -> Digest {
        Digest::of(self.reveal().as_bytes())
    }
}

impl FromStr for TokenText {
    type Err = TokenTextError;

    fn from_str(text: &str) -> Result<TokenText, TokenTextError> {
        let (id, hexadecimal) =
            text.strip_prefix("rh_").and_then(|rest| rest.split_once('_')).ok_or(TokenTextError)?;
        let mut secret = [0; SECRET];
        // One spelling, since it is the text that is hashed.
        if hexadecimal.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(TokenTextError);
        }
        hex::decode_to_slice(hexadecimal, &mut secret).map_err(|_| TokenTextError)?;
        Ok(TokenText { id: id.parse().map_err(|_| TokenTextError)?, secret })
    }
}

/// Never the secret.
impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rh_{}_…", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_revealed() {
        let token = TokenText::generate("ci.deploy-1".parse().unwrap());
        assert_eq!(token.reveal().parse(), Ok(token.clone()));
        assert_eq!(token.hash(), Digest::of(token.reveal().as_bytes()));
        assert_eq!(format!("{token:?}"), "rh_ci.deploy-1_…");
        assert_ne!(token, TokenText::generate("ci.deploy-1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_token_is_not_repeated() {
        let right = TokenText::generate("ci".parse().unwrap()).reveal();
        for wrong in ["", "rh_ci", "rh__00", &right[1..], &right[..right.len() - 1], &right.to_uppercase()] {
            let error = wrong.parse::<TokenText>().unwrap_err().to_string();
            assert_eq!(error, TokenTextError.to_string());
        }
    }
}
