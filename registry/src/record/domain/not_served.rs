//! What an earlier form or the design has and this version does not: a domain that asks for it would be served wrongly,
//! so it is not.

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NotServed;

impl<'de> Deserialize<'de> for NotServed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<NotServed, D::Error> {
        match Option::<IgnoredAny>::deserialize(from)? {
            None => Ok(NotServed),
            Some(_) => Err(D::Error::custom("is not served by this version; leave it out")),
        }
    }
}
