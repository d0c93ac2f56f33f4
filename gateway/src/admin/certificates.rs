//! The certificates that are served, with how long they are good.

use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::UnixTime;

use crate::shared::Shared;
use crate::tls::{Facts, Served};

/// Certificates that are listed; whoever has more asks `/v1/certs`.
const LISTED: usize = 1_000;

pub(super) fn status(shared: &Shared) -> Value {
    let (certificates, now) = (shared.certificates.load(), UnixTime::now());
    let warnings = certificates.iter().filter_map(|one| warning(one, now));
    json!({
        "served": certificates.iter().count(),
        "list": certificates.iter().take(LISTED).map(|one| listed(one, now)).collect::<Vec<_>>(),
        "refused": **shared.certificates_refused.load(),
        "warnings": warnings.take(LISTED).collect::<Vec<_>>(),
    })
}

fn listed(one: &Served, now: UnixTime) -> Value {
    let mut shown = json!({ "name": one.name, "former": one.former, "days_left": one.facts.days_left(now) });
    add(&one.facts, &mut shown);
    shown["fingerprint"] = json!(one.facts.fingerprint.to_string());
    shown
}

/// What a certificate says of itself, in seconds since the epoch where it is a time.
pub(super) fn add(facts: &Facts, shown: &mut Value) {
    shown["names"] = json!(facts.names);
    shown["not_before"] = json!(facts.not_before.as_secs());
    shown["not_after"] = json!(facts.not_after.as_secs());
}

fn warning(one: &Served, now: UnixTime) -> Option<String> {
    let (name, days) = (&one.name, one.facts.days_left(now));
    match (one.facts.is_expired(now), one.facts.ends_soon(now)) {
        (true, _) => Some(format!("certificate `{name}` is expired, and clients refuse it; renew it")),
        (false, true) => Some(format!("certificate `{name}` expires in {days} days; renew it")),
        (false, false) => None,
    }
}
