//! What differs between two forms of a domain, route by route: routes are known by what they match, not by their place.

use roundhouse_registry::Domain;
use roundhouse_registry::record::Route;
use serde::Serialize;
use serde_json::Value;

use crate::jobs::differences;

/// A sentence each.
pub(super) fn changes(before: &Domain, after: &Domain) -> Vec<String> {
    let rest = |domain: &Domain| {
        let mut domain = domain.clone();
        domain.routes.clear();
        json(&domain)
    };
    let mut told = fields("", &rest(before), &rest(after));
    for route in &after.routes {
        let name = route.matches.described();
        match same(before, route) {
            None => told.push(format!("new route {name}")),
            Some(former) => told.extend(fields(&format!("route {name}: "), &json(former), &json(route))),
        }
    }
    let gone = before.routes.iter().filter(|route| same(after, route).is_none());
    told.extend(gone.map(|route| format!("no more route {}", route.matches.described())));
    told
}

fn same<'d>(domain: &'d Domain, route: &Route) -> Option<&'d Route> {
    domain.routes.iter().find(|other| other.matches == route.matches)
}

fn fields(at: &str, before: &Value, after: &Value) -> Vec<String> {
    let differing = differences(before, after).into_iter();
    differing.map(|change| format!("{at}{}: {} -> {}", change.field, change.from, change.to)).collect()
}

/// Records always have a JSON form.
fn json(record: &impl Serialize) -> Value {
    serde_json::to_value(record).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_by_what_they_match() {
        let read = |text: &str| roundhouse_registry::record::read::<Domain>(text.as_bytes()).unwrap();
        let before =
            read(r#"{"routes":[{"match":{"path":"/old"},"to":[{"job":"a"}]},{"to":[{"job":"a"}]}]}"#);
        let after = read(
            r#"{"routes":[{"to":[{"job":"b"}]},{"match":{"path":"/new","method":["GET"]},"to":[{"job":"a"}]}],
                "https":"redirect"}"#,
        );
        assert_eq!(
            changes(&before, &after),
            [
                "https: null -> \"redirect\"",
                "route `/`: to[0].job: \"a\" -> \"b\"",
                "new route `GET /new`",
                "no more route `/old`",
            ]
        );
        assert_eq!(changes(&before, &before), [""; 0]);
    }
}
