//! A client that stays with its instance, by a cookie of the gateway's own.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use roundhouse_config::{duration, serde_as_text};
use serde::{Deserialize, Serialize};

use super::bounds;
use super::field::{is_token, shown};
use crate::record::ValueError;

/// Browsers keep none longer than 400 days (RFC 6265bis, 5.5).
const TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(400 * bounds::DAY);
const MAX_NAME: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticky {
    pub cookie: CookieName,
    /// Left out: until the browser is closed.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Left out: where the request came by https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure: Option<bool>,
    /// Left out: as the browser takes it, which is `lax`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_site: Option<SameSite>,
}

/// A token (RFC 6265, 4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(Box<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    Lax,
    Strict,
    None,
}

impl Sticky {
    pub(super) fn check(&self) -> Result<(), ValueError> {
        bounds::check_seconds("sticky.ttl", self.ttl, &TTL)?;
        let secure = self.secure == Some(true);
        // Browsers drop such a cookie without a word, and every request would go to another instance.
        if self.same_site == Some(SameSite::None) && !secure {
            let message = "\"none\" is for cookies that are secure; write \"secure\": true too";
            return Err(ValueError::field("sticky.same_site", message));
        }
        let name = self.cookie.as_str();
        if (name.starts_with("__Secure-") || name.starts_with("__Host-")) && !secure {
            let message = format!("`{name}` must be secure by its name; write \"secure\": true too");
            return Err(ValueError::field("sticky.cookie", message));
        }
        Ok(())
    }
}

impl CookieName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CookieName {
    type Err = String;

    fn from_str(text: &str) -> Result<CookieName, String> {
        match is_token(text) && text.len() <= MAX_NAME {
            true => Ok(CookieName(text.into())),
            false => Err(format!(
                "`{}` is no cookie's name; write 1 to {MAX_NAME} letters, digits, `-` and `_`",
                shown(text)
            )),
        }
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(CookieName);
