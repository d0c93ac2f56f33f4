//! A job's `check` block.

use super::fields::Fields;
use crate::service::{Check, CheckKind, ServiceError};
use crate::units::duration;

/// What the file says of a job's health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckSpec {
    /// `kind: "none"`: it is not to be checked.
    None,
    Check(Check),
}

pub(super) fn read(fields: &Fields<'_>) -> CheckSpec {
    if fields.text("kind") == Some("none") {
        for field in ["interval", "timeout", "rise", "fall"].into_iter().filter(|field| fields.has(field)) {
            fields.wrong(field, "has no meaning with kind: \"none\"; leave it out");
        }
        return CheckSpec::None;
    }
    let default = Check::default();
    let check = Check {
        kind: fields.parsed("kind").unwrap_or(CheckKind::Tcp),
        interval: fields.read("interval", duration::parse).unwrap_or(default.interval),
        timeout: fields.read("timeout", duration::parse).unwrap_or(default.timeout),
        rise: fields.count("rise").unwrap_or(default.rise),
        fall: fields.count("fall").unwrap_or(default.fall),
    };
    for error in check.out_of_bounds() {
        let ServiceError::Bounds { field, .. } = error else { continue };
        fields.wrong(field, error.to_string());
    }
    CheckSpec::Check(check)
}
