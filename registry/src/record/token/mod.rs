//! `tokens/<id>`: what a bearer token of the API may do, and from where. Its secret is not here, only a hash.

mod role;
mod secret;

pub use role::Role;
pub use secret::{TokenText, TokenTextError};

use std::net::IpAddr;

use roundhouse_config::Selector;
use serde::{Deserialize, Serialize};

use super::text::{check_list, check_note};
use super::{Digest, Network, Timestamp, ValueError};

const MAX_RANGES: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub role: Role,
    /// SHA-256 of the token's whole text.
    pub hash: Digest,
    /// Where its bearer may come from; empty: anywhere. A registrar may come from anywhere: its token names the addresses
    /// at which it registers instances besides its own source address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidr: Vec<Network>,
    /// The only jobs whose instances it may register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobname: Option<Selector>,
    #[serde(default)]
    pub note: Box<str>,
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

impl Token {
    pub fn new(role: Role, hash: Digest) -> Token {
        Token { role, hash, cidr: Vec::new(), jobname: None, note: "".into(), expires: None }
    }

    pub fn validate(&self) -> Result<(), ValueError> {
        check_list("cidr", &self.cidr, MAX_RANGES)?;
        if self.jobname.is_some() && self.role != Role::Register {
            let message = format!("limits registrars, and the role is {}; leave it out", self.role);
            return Err(ValueError::field("jobname", message));
        }
        check_note("note", &self.note)
    }

    /// Whether this is the text that the record's hash is of. Takes the same time however wrong it is.
    pub fn accepts(&self, presented: &TokenText) -> bool {
        self.hash.matches(&presented.hash())
    }

    pub fn allows_from(&self, address: IpAddr) -> bool {
        self.cidr.is_empty() || self.cidr.iter().any(|network| network.contains(address))
    }

    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn the_shape_reads_and_the_right_text_is_accepted() {
        let text = TokenText::generate("ci".parse().unwrap());
        let json = format!(
            r#"{{"role":"register","hash":"{}","cidr":["10.0.0.0/8"],"jobname":"cop.coding","note":"","expires":null}}"#,
            text.hash()
        );
        let token: Token = decode(json.as_bytes()).unwrap();
        assert_eq!(token.validate(), Ok(()));
        assert_eq!(decode::<Token>(&encode(&token)).unwrap(), token);
        assert!(token.accepts(&text) && !token.accepts(&TokenText::generate("ci".parse().unwrap())));
        assert!(token.allows_from("10.0.0.7".parse().unwrap()));
        assert!(!token.allows_from("11.0.0.7".parse().unwrap()));
    }

    #[test]
    fn refusals_say_what_to_write_and_keep_secrets() {
        let refused = |text: &str| {
            decode::<Token>(text.as_bytes()).and_then(|token| token.validate()).unwrap_err().to_string()
        };
        let hash = Digest::of(b"");
        assert!(refused(&format!(r#"{{"role":"root","hash":"{hash}"}}"#)).contains("`read`, `register`"));
        let limited = refused(&format!(r#"{{"role":"admin","hash":"{hash}","jobname":"cop.a"}}"#));
        assert!(limited.contains("the role is admin; leave it out"), "{limited}");
        let pasted = refused(r#"{"role":"read","hash":"rh_ci_secret"}"#);
        assert!(pasted.starts_with("hash: is no SHA-256") && !pasted.contains("secret"), "{pasted}");
        let bits = refused(&format!(r#"{{"role":"read","hash":"{hash}","cidr":["10.0.0.1/8"]}}"#));
        assert!(bits.contains("write `10.0.0.0/8`"), "{bits}");
    }
}
