//! `roundhouse get`.

use std::io::Write;

use serde_json::Value;

use super::server::Server;
use super::{Outcome, Output, columns, print_json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum What {
    #[value(alias = "job")]
    Jobs,
    #[value(alias = "instance")]
    Instances,
    #[value(alias = "domain")]
    Domains,
    #[value(alias = "gateway")]
    Gateways,
    Quarantine,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Jobs => "jobs",
            What::Instances => "instances",
            What::Domains => "domains",
            What::Gateways => "gateways",
            What::Quarantine => "quarantine",
        }
    }

    fn heads(self) -> &'static [&'static str] {
        match self {
            What::Jobs => &["JOB", "PORTS", "VIP", "READY", "JOBNAME"],
            What::Instances => &INSTANCE_HEADS,
            What::Domains => &["DOMAIN", "PATH", "TO"],
            What::Gateways => &["GATEWAY", "HOST", "VERSION", "VIPS", "ADMIN"],
            What::Quarantine => &["KEY", "REVISION", "REASON"],
        }
    }

    fn rows(self, item: &Value) -> Vec<Vec<String>> {
        match self {
            What::Jobs => {
                let ready = format!("{}/{}", item["ready_count"], item["instance_count"]);
                vec![vec![
                    text(&item["label"]),
                    ports(item),
                    text(&item["vip"]),
                    ready,
                    text(&item["jobname"]),
                ]]
            }
            What::Instances => vec![instance(item)],
            What::Domains => routes(item),
            What::Gateways => vec![texts(item, &["id", "host", "version", "vips", "admin"])],
            What::Quarantine => vec![texts(item, &["key", "revision", "reason"])],
        }
    }
}

pub(super) const INSTANCE_HEADS: [&str; 10] =
    ["INSTANCE", "ADDRESS", "PORTS", "STATE", "HEALTH", "WEIGHT", "OPEN", "SERVED", "HOST", "KIND"];

pub(super) async fn get(
    what: What,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let answer: Value = server.get(&format!("/v1/{}", what.word())).await?;
    if output == Output::Json {
        print_json(&answer, out)?;
        return Ok(Outcome::Ok);
    }
    let rows: Vec<_> = answer.as_array().into_iter().flatten().flat_map(|item| what.rows(item)).collect();
    match rows.is_empty() {
        true if what == What::Quarantine => writeln!(out, "nothing is quarantined")?,
        true => writeln!(out, "no {}", what.word())?,
        false => columns::print(what.heads(), &rows, out)?,
    }
    Ok(Outcome::Ok)
}

/// In the order of [`INSTANCE_HEADS`].
pub(super) fn instance(item: &Value) -> Vec<String> {
    let name = format!("{}/{}", text(&item["job"]), text(&item["id"]));
    let each = |field: &str, show: fn((&String, &Value)) -> String| -> String {
        let pairs = item[field].as_object().into_iter().flatten();
        pairs.map(show).collect::<Vec<_>>().join(",")
    };
    let ports = each("ports", |(name, port)| format!("{name}={port}"));
    let health = match text(&item["refused"]) {
        refused if !refused.is_empty() => "refused".into(),
        _ => each("health", |(name, health)| format!("{name}={}", text(health))),
    };
    let mut row = vec![name, text(&item["address"]), ports, text(&item["state"]), health];
    row.extend(texts(item, &["weight", "open", "served", "host"]));
    row.push(if item["static"] == true { "static" } else { "leased" }.into());
    row
}

fn routes(item: &Value) -> Vec<Vec<String>> {
    let to = |to: &Value| {
        let port = to["port"].as_str().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port} ({})", text(&to["job"]), to["weight"])
    };
    let row = |route: &Value| {
        let all: Vec<_> = route["to"].as_array().into_iter().flatten().map(to).collect();
        vec![text(&item["host"]), text(&route["match"]["path"]), all.join(", ")]
    };
    item["routes"].as_array().into_iter().flatten().map(row).collect()
}

pub(super) fn ports(job: &Value) -> String {
    let port = |port: &Value| format!("{}={}/{}", text(&port["name"]), port["port"], text(&port["protocol"]));
    job["ports"].as_array().into_iter().flatten().map(port).collect::<Vec<_>>().join(",")
}

fn texts(item: &Value, fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| text(&item[*field])).collect()
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_have_as_many_cells_as_heads() {
        for what in [What::Jobs, What::Instances, What::Gateways, What::Quarantine] {
            assert!(what.rows(&json!({})).iter().all(|row| row.len() == what.heads().len()), "{what:?}");
        }
        let domain =
            json!({"host": "a.b", "routes": [{"match": {"path": "/"}, "to": [{"job": "x", "weight": 100}]}]});
        assert_eq!(What::Domains.rows(&domain), [["a.b", "/", "x (100)"].map(str::to_owned).to_vec()]);
    }

    #[test]
    fn an_instance_shows_its_health_by_port_or_why_it_is_out() {
        let mut item = json!({"job": "a", "id": "i", "address": "10.0.0.7", "ports": {"main": 1, "web": 2},
            "state": "up", "weight": 100, "health": {"main": "healthy", "web": "unknown"}, "refused": null});
        assert_eq!(instance(&item)[4], "main=healthy,web=unknown");
        item["refused"] = json!("it is the gateway's own");
        assert_eq!(instance(&item)[4], "refused");
    }
}
