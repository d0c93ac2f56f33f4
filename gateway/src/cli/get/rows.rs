//! One row of a table for each kind, in the order of its heads.

use serde_json::Value;

use super::certificates::time;
use super::{ports, text, texts};

pub(super) fn job(item: &Value) -> Vec<String> {
    let ready = format!("{}/{}", item["ready_count"], item["instance_count"]);
    vec![text(&item["label"]), ports(item), text(&item["vip"]), ready, text(&item["jobname"])]
}

/// One for each route.
pub(super) fn routes(item: &Value) -> Vec<Vec<String>> {
    let to = |to: &Value| {
        let port = to["port"].as_str().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port} ({})", text(&to["job"]), to["weight"])
    };
    let row = |route: &Value| {
        let all: Vec<_> = route["to"].as_array().into_iter().flatten().map(to).collect();
        let leads = if route["redirect"].is_object() { redirect(&route["redirect"]) } else { all.join(", ") };
        vec![text(&item["host"]), matches(&route["match"]), leads, https(item), text(&item["shown"])]
    };
    item["routes"].as_array().into_iter().flatten().map(row).collect()
}

/// `GET,POST /api x-beta`: the conditions by their names alone.
fn matches(item: &Value) -> String {
    let headers = item["headers"].as_array().into_iter().flatten().map(|header| text(&header["name"]));
    let parts = [list(&item["method"]), text(&item["path"])].into_iter().chain(headers);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn redirect(item: &Value) -> String {
    let scheme = item["scheme"].as_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let host = match (item["host"].as_str(), scheme.is_empty()) {
        (Some(host), _) => host,
        (None, true) => "",
        (None, false) => "…",
    };
    let port = item["port"].as_u64().map(|port| format!(":{port}")).unwrap_or_default();
    let path = item["path"].as_str().map(str::to_owned);
    let path =
        path.or_else(|| item["prefix"].as_str().map(|prefix| format!("{}/…", prefix.trim_end_matches('/'))));
    format!("{} {scheme}{host}{port}{}", item["status"], path.unwrap_or_default())
}

fn https(item: &Value) -> String {
    let redirect = (item["https"] == "redirect").then(|| "redirect".to_owned());
    let hsts = item["hsts"]["max_age"].as_str().map(|age| format!("hsts {age}"));
    redirect.into_iter().chain(hsts).collect::<Vec<_>>().join(", ")
}

pub(super) fn cert(item: &Value) -> Vec<String> {
    let leaf = item["fingerprints"].as_array().and_then(|all| all.first()).map(text).unwrap_or_default();
    vec![text(&item["name"]), list(&item["names"]), time(item), text(&item["state"]), leaf]
}

pub(super) fn line(item: &Value) -> Vec<String> {
    let prefixes = match item["prefix_list"].as_str() {
        Some(list) => list.to_owned(),
        None => list(&item["prefixes"]),
    };
    vec![text(&item["line"]), list(&item["vips"]), list(&item["fallback"]), prefixes]
}

pub(super) fn pool(item: &Value) -> Vec<String> {
    let line = |(line, vips): (&String, &Value)| match list(vips) {
        vips if vips.is_empty() => line.clone(),
        vips => format!("{line}={vips}"),
    };
    let lines = item["lines"].as_object().into_iter().flatten().map(line).collect::<Vec<_>>().join(" ");
    let port = format!("{}/{}", item["port"], text(&item["protocol"]));
    vec![text(&item["pool"]), target(&item["to"]), port, text(&item["sink"]), text(&item["scheduler"]), lines]
}

pub(super) fn entrypoint(item: &Value) -> Vec<String> {
    let mut row = texts(item, &["name", "listen", "protocol"]);
    row.push(target(item));
    row.extend(texts(item, &["origin", "open"]));
    row.push(match item["reason"].as_str() {
        Some(reason) => format!("{}: {reason}", text(&item["state"])),
        None => text(&item["state"]),
    });
    row
}

pub(super) fn token(item: &Value) -> Vec<String> {
    let mut row = texts(item, &["id", "role"]);
    row.push(list(&item["cidr"]));
    row.extend(texts(item, &["jobname", "expires", "note"]));
    row
}

pub(super) fn director(item: &Value) -> Vec<String> {
    let mut row = texts(item, &["id", "host", "version"]);
    row.extend([list(&item["sinks"]), list(&item["lines"])]);
    row.extend(texts(item, &["revision", "drift"]));
    row
}

pub(super) fn health(item: &Value) -> Vec<String> {
    let name = format!("{}/{}", text(&item["job"]), text(&item["id"]));
    std::iter::once(name).chain(texts(item, &["healthy", "since", "by", "reason"])).collect()
}

/// A job and its port, the hubs, another pool, or jobs of a JOBNAME.
pub(super) fn target(to: &Value) -> String {
    for (field, what) in [("jobname", ""), ("hubs", "hubs at "), ("pool", "pool ")] {
        if let Some(name) = to[field].as_str() {
            return format!("{what}{name}");
        }
    }
    let port = to["port"].as_str().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", text(&to["job"]))
}

pub(super) fn list(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_leads_somewhere_says_where() {
        let pool = json!({"pool": "blog", "to": {"job": "coding-blog", "port": "main"}, "port": 80, "protocol": "tcp",
            "sink": "ipvs", "scheduler": "wrr", "lines": {"telecom": ["203.0.113.10"], "unicom": []}});
        let row = ["blog", "coding-blog:main", "80/tcp", "ipvs", "wrr", "telecom=203.0.113.10 unicom"];
        assert_eq!(super::pool(&pool), row);
        let entrypoint = json!({"name": "redis", "listen": ":6379", "protocol": "tcp", "job": "redis", "port": "main",
            "origin": "registry", "open": 0, "state": "not listening", "reason": "held by nginx"});
        let row = ["redis", ":6379", "tcp", "redis:main", "registry", "0", "not listening: held by nginx"];
        assert_eq!(super::entrypoint(&entrypoint), row);
        assert_eq!(target(&json!({"hubs": "http"})), "hubs at http");
    }

    #[test]
    fn a_domain_has_a_row_for_each_route() {
        let domain = json!({"host": "a.b", "https": "redirect", "hsts": {"max_age": "180d"}, "shown": "blog (61 days)",
            "routes": [
                {"match": {"path": "/api", "method": ["GET", "PUT"], "headers": [{"name": "x-a", "present": true}]},
                    "to": [{"job": "api", "port": "web", "weight": 90}, {"job": "next", "weight": 10}]},
                {"match": {"path": "/old"}, "redirect": {"prefix": "/new", "status": 302}},
                {"match": {"path": "/"}, "redirect": {"scheme": "https", "port": 8443, "status": 308}}]});
        let rows = routes(&domain);
        assert_eq!(
            rows[0],
            ["a.b", "GET,PUT /api x-a", "api:web (90), next (10)", "redirect, hsts 180d", "blog (61 days)"]
        );
        assert_eq!((&*rows[1][2], &*rows[2][2]), ("302 /new/…", "308 https://…:8443"));
    }
}
