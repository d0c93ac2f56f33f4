//! `roundhouse get`.

mod certificates;
mod rows;
mod rules;

use std::io::Write;

use roundhouse_registry::record::Timestamp;
use serde_json::Value;

use super::server::Server;
use super::{Outcome, Output, columns, connections, print_json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum What {
    #[value(alias = "job")]
    Jobs,
    #[value(alias = "instance")]
    Instances,
    #[value(alias = "domain")]
    Domains,
    #[value(alias = "cert")]
    Certs,
    #[value(alias = "rule")]
    Rules,
    #[value(alias = "guard")]
    Guards,
    #[value(alias = "line")]
    Lines,
    #[value(alias = "pool")]
    Pools,
    #[value(alias = "entrypoint")]
    Entrypoints,
    #[value(alias = "token")]
    Tokens,
    #[value(alias = "gateway")]
    Gateways,
    #[value(alias = "director")]
    Directors,
    /// Open through this gateway now.
    #[value(alias = "connection")]
    Connections,
    Health,
    #[value(alias = "hold")]
    Holds,
    Quarantine,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Jobs => "jobs",
            What::Instances => "instances",
            What::Domains => "domains",
            What::Certs => "certs",
            What::Rules => "rules",
            What::Guards => "guards",
            What::Lines => "lines",
            What::Pools => "pools",
            What::Entrypoints => "entrypoints",
            What::Tokens => "tokens",
            What::Gateways => "gateways",
            What::Directors => "directors",
            What::Connections => "connections",
            What::Health => "health",
            What::Holds => "holds",
            What::Quarantine => "quarantine",
        }
    }

    fn heads(self) -> &'static [&'static str] {
        match self {
            What::Jobs => &["JOB", "PORTS", "VIP", "READY", "JOBNAME"],
            What::Instances => &INSTANCE_HEADS,
            What::Domains => &["DOMAIN", "ROUTE", "TO", "HTTPS", "CERTIFICATE"],
            What::Certs => &["CERT", "NAMES", "EXPIRES", "STATE", "FINGERPRINT"],
            What::Rules => &rules::HEADS,
            What::Guards => &["GUARD", "COVERS", "RULE", "SINCE", "NOTE"],
            What::Lines => &["LINE", "VIPS", "FALLBACK", "PREFIXES"],
            What::Pools => &["POOL", "TO", "PORT", "SINK", "SCHEDULER", "LINES"],
            What::Entrypoints => &["ENTRYPOINT", "LISTEN", "PROTOCOL", "TO", "ORIGIN", "OPEN", "STATE"],
            What::Tokens => &["TOKEN", "ROLE", "FROM", "JOBNAME", "EXPIRES", "NOTE"],
            What::Gateways => &["GATEWAY", "HOST", "VERSION", "VIPS", "ADMIN"],
            What::Directors => &["DIRECTOR", "HOST", "VERSION", "SINKS", "LINES", "REVISION", "DRIFT"],
            What::Connections => &connections::HEADS,
            What::Health => &["INSTANCE", "HEALTHY", "SINCE", "BY", "REASON"],
            What::Holds => &["HELD", "SINCE", "UNTIL", "BY", "REASON"],
            What::Quarantine => &["KEY", "REVISION", "REASON"],
        }
    }

    fn rows(self, item: &Value) -> Vec<Vec<String>> {
        match self {
            What::Domains => rows::routes(item),
            _ => vec![self.row(item)],
        }
    }

    fn row(self, item: &Value) -> Vec<String> {
        match self {
            What::Jobs => rows::job(item),
            What::Instances => instance(item),
            What::Domains => Vec::new(),
            What::Certs => rows::cert(item),
            What::Rules => rules::rule(item, Timestamp::now()),
            What::Guards => rules::guard(item, Timestamp::now()),
            What::Lines => rows::line(item),
            What::Pools => rows::pool(item),
            What::Entrypoints => rows::entrypoint(item),
            What::Tokens => rows::token(item),
            What::Gateways => texts(item, &["id", "host", "version", "vips", "admin"]),
            What::Directors => rows::director(item),
            What::Connections => connections::row(item),
            What::Health => rows::health(item),
            What::Holds => texts(item, &["key", "since", "until", "by", "reason"]),
            What::Quarantine => texts(item, &["key", "revision", "reason"]),
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
    let mut answer: Value = match what {
        // Those of the gateway's file too, and what became of them.
        What::Entrypoints => {
            let mut status: Value = server.get("/v1/status").await?;
            status["listeners"]["entrypoints"].take()
        }
        _ => server.get(&format!("/v1/{}", what.word())).await?,
    };
    if output == Output::Json {
        print_json(&answer, out)?;
        return Ok(Outcome::Ok);
    }
    if matches!(what, What::Certs | What::Domains) {
        let status: Value = server.get("/v1/status").await?;
        match what {
            What::Certs => certificates::of_certs(&mut answer, &status),
            _ => certificates::of_domains(&mut answer, &status),
        }
    }
    let rows: Vec<_> = answer.as_array().into_iter().flatten().flat_map(|item| what.rows(item)).collect();
    match rows.is_empty() {
        true if what == What::Quarantine => writeln!(out, "nothing is quarantined")?,
        true if what == What::Holds => writeln!(out, "nothing is held")?,
        true if what == What::Health => writeln!(out, "no verdicts")?,
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
    // Gone from the registry and served all the same.
    let state = if item["held"].is_string() { "held".into() } else { text(&item["state"]) };
    let mut row = vec![name, text(&item["address"]), ports, state, health];
    row.extend(texts(item, &["weight", "open", "served", "host"]));
    row.push(if item["static"] == true { "static" } else { "leased" }.into());
    row
}

pub(super) fn ports(job: &Value) -> String {
    let port = |port: &Value| format!("{}={}/{}", text(&port["name"]), port["port"], text(&port["protocol"]));
    job["ports"].as_array().into_iter().flatten().map(port).collect::<Vec<_>>().join(",")
}

pub(super) fn texts(item: &Value, fields: &[&str]) -> Vec<String> {
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
    use clap::ValueEnum as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_have_as_many_cells_as_heads() {
        for what in What::value_variants() {
            assert!(what.rows(&json!({})).iter().all(|row| row.len() == what.heads().len()), "{what:?}");
        }
        let domain =
            json!({"host": "a.b", "routes": [{"match": {"path": "/"}, "to": [{"job": "x", "weight": 100}]}]});
        let row = ["a.b", "/", "x (100)", "", ""];
        assert_eq!(What::Domains.rows(&domain), [row.map(str::to_owned).to_vec()]);
    }

    #[test]
    fn an_instance_shows_its_health_by_port_or_why_it_is_out() {
        let mut item = json!({"job": "a", "id": "i", "address": "10.0.0.7", "ports": {"main": 1, "web": 2},
            "state": "up", "weight": 100, "health": {"main": "healthy", "web": "unknown"}, "refused": null});
        assert_eq!(instance(&item)[4], "main=healthy,web=unknown");
        item["refused"] = json!("it is the gateway's own");
        assert_eq!(instance(&item)[4], "refused");
        assert_eq!(instance(&item)[3], "up");
        item["held"] = json!("12 of 20 instances went at once");
        assert_eq!(instance(&item)[3], "held");
    }
}
