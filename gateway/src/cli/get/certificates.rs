//! What is served of the gateway's certificates, beside the records: with which domain, and for how long.

use serde_json::{Value, json};

/// Each record with what became of it, and those of the gateway's file.
pub(super) fn of_certs(certs: &mut Value, status: &Value) {
    let served = served(status);
    let Some(items) = certs.as_array_mut() else { return };
    for item in items.iter_mut() {
        let name = item["name"].clone();
        let own = served.iter().find(|one| one["name"] == name);
        item["days_left"] = own.map_or(Value::Null, |one| one["days_left"].clone());
        item["state"] = json!(state(&name, own.is_some(), status));
    }
    let files: Vec<&Value> =
        served.iter().filter(|one| one["name"].as_str().is_some_and(|name| name.contains(':'))).collect();
    for one in files {
        let mut item = one.clone();
        item["fingerprints"] = json!([one["fingerprint"]]);
        item["state"] = json!(state(&one["name"], true, status));
        items.push(item);
    }
}

fn state(name: &Value, is_served: bool, status: &Value) -> String {
    let refused = status["certificates"]["refused"].as_array().into_iter().flatten();
    let refused = refused.into_iter().find(|one| one["name"] == *name);
    match (refused.and_then(|one| one["reason"].as_str()), is_served) {
        (Some(reason), true) => format!("served as before: {reason}"),
        (Some(reason), false) => format!("not served: {reason}"),
        (None, true) => "served".to_owned(),
        (None, false) => "not served yet".to_owned(),
    }
}

/// Each domain with the certificate that its clients are shown.
pub(super) fn of_domains(domains: &mut Value, status: &Value) {
    let served = served(status);
    for item in domains.as_array_mut().into_iter().flatten() {
        let host = item["host"].as_str().unwrap_or_default().to_owned();
        let shown = by_name(served, &host).map(|one| format!("{} ({})", name(one), time(one)));
        // One that is named and not there is worth more than none.
        let lacking = item["certificate"].as_str().map(|name| format!("{name} (not served)"));
        item["shown"] = json!(shown.or(lacking));
    }
}

fn name(one: &Value) -> &str {
    one["name"].as_str().unwrap_or_default()
}

/// `61 days`, or that it is over.
pub(super) fn time(one: &Value) -> String {
    match one["days_left"].as_i64() {
        None => String::new(),
        Some(days) if days < 0 => "expired".to_owned(),
        Some(1) => "1 day".to_owned(),
        Some(days) => format!("{days} days"),
    }
}

fn served(status: &Value) -> &[Value] {
    status["certificates"]["list"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The exact name before the wildcard; of several the one that was issued last, as handshakes have it.
fn by_name<'s>(served: &'s [Value], host: &str) -> Option<&'s Value> {
    let with = |name: &str| {
        let has = |one: &&Value| one["names"].as_array().into_iter().flatten().any(|own| own == name);
        let issued = |one: &&Value| (one["not_before"].as_u64(), one["not_after"].as_u64());
        served.iter().filter(has).max_by_key(issued)
    };
    with(host).or_else(|| with(&format!("*.{}", host.split_once('.')?.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Value {
        json!({ "certificates": {
            "list": [
                { "name": "blog", "names": ["blog.a.b"], "not_before": 1, "not_after": 9, "days_left": 61, "fingerprint": "aa" },
                { "name": "newer", "names": ["blog.a.b"], "not_before": 2, "not_after": 9, "days_left": 1, "fingerprint": "bb" },
                { "name": "file:/c.pem", "names": ["*.a.b"], "not_before": 1, "not_after": 9, "days_left": -1, "fingerprint": "cc" },
            ],
            "refused": [{ "name": "bad", "reason": "no key" }, { "name": "newer", "reason": "gone" }],
        }})
    }

    #[test]
    fn a_domain_is_told_what_its_clients_are_shown() {
        let mut domains = json!([{ "host": "blog.a.b" }, { "host": "www.a.b" }, { "host": "x.y", "certificate": "x" },
            { "host": "y.z" }]);
        of_domains(&mut domains, &status());
        let shown: Vec<_> = domains.as_array().unwrap().iter().map(|item| item["shown"].clone()).collect();
        assert_eq!(json!(shown), json!(["newer (1 day)", "file:/c.pem (expired)", "x (not served)", null]));
    }

    #[test]
    fn a_record_is_told_what_became_of_it() {
        let mut certs =
            json!([{ "name": "bad" }, { "name": "blog" }, { "name": "newer" }, { "name": "soon" }]);
        of_certs(&mut certs, &status());
        let state = |i: usize| certs[i]["state"].as_str().unwrap().to_owned();
        assert_eq!([state(0), state(1)], ["not served: no key", "served"]);
        assert_eq!([state(2), state(3)], ["served as before: gone", "not served yet"]);
        assert_eq!((&certs[4]["name"], &certs[4]["fingerprints"][0]), (&json!("file:/c.pem"), &json!("cc")));
        assert_eq!(certs.as_array().unwrap().len(), 5);
        assert_eq!(time(&certs[1]), "61 days");
    }
}
