//! `roundhouse pool add`, `set` and `rm`.
//!
//! ```text
//! GET /v1/pools/<name> ─► amend (pure) ─► PUT, only if the record is still as it was read, unless nothing would change
//! GET /v1/domains/<host> ─► published (pure) ─► PUT in the same way, once the pool is there
//! ```
//!
//! A pool that lacks a VIP somewhere is written even if nothing was said: its lines may have one to give by now.

mod amend;
mod domains;
mod options;

use std::io::Write;

use anyhow::bail;
use hyper::Method;
use roundhouse_config::Label;
use roundhouse_registry::Revision;
use roundhouse_registry::record::Pool;
use serde::Deserialize;
use serde_json::{Value, json};

use self::domains::Published;
use self::options::NamedPool;
pub(super) use self::options::PoolCommand;
use super::server::Server;
use super::{Outcome, Output, columns, print_json};
use crate::jobs::differences;

/// What `GET /v1/pools/<name>` answers.
#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    pool: Pool,
    revision: Revision,
}

/// What became of the pool.
struct Done {
    word: &'static str,
    pool: Pool,
    /// A sentence each.
    changes: Vec<String>,
    warnings: Vec<Value>,
}

pub(super) async fn run(
    command: PoolCommand,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let (named, must_be_there) = match command {
        PoolCommand::Add(named) => (named, false),
        PoolCommand::Set(named) => (named, true),
        PoolCommand::Rm { name } => return remove(&name, server, output, out).await,
    };
    let NamedPool { name, options, domain } = named;
    let before: Option<Shown> = server.find(&path(&name)).await?;
    if before.is_none() && must_be_there {
        bail!(
            "there is no pool `{name}`; `roundhouse get pools` lists them, and `roundhouse pool add` adds one"
        );
    }
    let stored = before.as_ref().map(|shown| &shown.pool);
    let wanted = amend::amended(&name, stored, &options, !domain.is_empty())?;
    // Before anything is written: half of what was asked for is nobody's wish.
    let domains = domains::planned(&domain, &name, &options, server).await?;
    let mut done = write(&name, before.as_ref(), wanted, server).await?;
    let mut published = Vec::new();
    for domain in domains {
        let (domain, warnings) = domain.write(server).await?;
        done.warnings.extend(warnings);
        published.push(domain);
    }
    told(&name, &done, &published, output, out)
}

fn path(name: &Label) -> String {
    format!("/v1/pools/{name}")
}

async fn remove(
    name: &Label,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let _: Value = server.delete(&path(name)).await?;
    match output {
        Output::Json => print_json(&json!({ "action": "removed", "pool": name }), out)?,
        Output::Table => writeln!(out, "removed pool {name}")?,
    }
    Ok(Outcome::Ok)
}

async fn write(name: &Label, before: Option<&Shown>, wanted: Pool, server: &Server) -> anyhow::Result<Done> {
    let condition = match before {
        Some(shown) if shown.pool == wanted && !lacks_vips(&wanted) => {
            return Ok(Done { word: "unchanged", pool: wanted, changes: Vec::new(), warnings: Vec::new() });
        }
        Some(shown) => ("If-Match", format!("\"{}\"", shown.revision)),
        None => ("If-None-Match", "*".to_owned()),
    };
    let answer = server.send(Method::PUT, &path(name), &[(condition.0, &condition.1)], &wanted).await?;
    // A gateway that allocates nothing answers no lines.
    let lines = serde_json::from_value(answer["lines"].clone()).unwrap_or_else(|_| wanted.lines.clone());
    let pool = Pool { lines, ..wanted };
    let changes = before.map(|shown| changes(&shown.pool, &pool)).unwrap_or_default();
    let word = match before {
        None => "created",
        Some(_) if changes.is_empty() => "unchanged",
        Some(_) => "changed",
    };
    let warnings = answer["warnings"].as_array().cloned().unwrap_or_default();
    Ok(Done { word, pool, changes, warnings })
}

/// On every line if it names none, and wherever it has none yet.
fn lacks_vips(pool: &Pool) -> bool {
    pool.lines.is_empty() || pool.lines.values().any(Vec::is_empty)
}

fn changes(before: &Pool, after: &Pool) -> Vec<String> {
    let differing = differences(&json!(before), &json!(after)).into_iter();
    differing.map(|change| format!("{}: {} -> {}", change.field, change.from, change.to)).collect()
}

/// What was done and where the pool is now on stdout, what the gateway finds odd about it on stderr.
fn told(
    name: &Label,
    done: &Done,
    domains: &[Published],
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let Done { word, pool, changes, warnings } = done;
    if output == Output::Json {
        let domains: Vec<Value> =
            domains.iter().map(|domain| json!({ "action": domain.word, "host": domain.host })).collect();
        let told = json!({ "action": word, "pool": name, "changes": changes, "lines": pool.lines, "port": pool.port,
            "protocol": pool.protocol, "domains": domains, "warnings": warnings });
        print_json(&told, out)?;
        return Ok(Outcome::Ok);
    }
    writeln!(out, "{word} pool {name}")?;
    for change in changes {
        writeln!(out, "    {}", columns::clean(change))?;
    }
    for (line, vips) in &pool.lines {
        let vips: Vec<String> = vips.iter().map(ToString::to_string).collect();
        let vips = if vips.is_empty() { "no VIP".to_owned() } else { vips.join(", ") };
        writeln!(out, "    {line}: {vips}, port {}/{}", pool.port, pool.protocol.as_str())?;
    }
    for domain in domains {
        writeln!(out, "{} domain {}", domain.word, domain.host)?;
    }
    super::warn(&json!(warnings));
    Ok(Outcome::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(lines: &str) -> Pool {
        serde_json::from_str(&format!(r#"{{"to":{{"hubs":"http"}},"port":80,"lines":{lines}}}"#)).unwrap()
    }

    #[test]
    fn where_the_pool_is_is_told() {
        let pool = pool(r#"{"telecom":["203.0.113.1","2001:db8::1"],"unicom":[]}"#);
        let host = "a.b".parse().unwrap();
        let (changes, warnings) = (vec!["quorum: 1 -> 2".to_owned()], vec![json!("w")]);
        let done = Done { word: "changed", pool, changes, warnings };
        let domains = [Published { word: "changed", host }];
        let said = |output| {
            let mut out = Vec::new();
            told(&"blog".parse().unwrap(), &done, &domains, output, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let table = "changed pool blog\n    quorum: 1 -> 2\n    telecom: 203.0.113.1, 2001:db8::1, port 80/tcp\n    \
                     unicom: no VIP, port 80/tcp\nchanged domain a.b\n";
        assert_eq!(said(Output::Table), table);
        let expected = json!({"action": "changed", "pool": "blog", "changes": ["quorum: 1 -> 2"],
            "lines": {"telecom": ["203.0.113.1", "2001:db8::1"], "unicom": []}, "port": 80, "protocol": "tcp",
            "domains": [{"action": "changed", "host": "a.b"}], "warnings": ["w"]});
        assert_eq!(serde_json::from_str::<Value>(&said(Output::Json)).unwrap(), expected);
    }

    #[test]
    fn what_lacks_a_vip_is_written_again() {
        assert!(lacks_vips(&pool("{}")) && lacks_vips(&pool(r#"{"a":["192.0.2.1"],"b":[]}"#)));
        assert!(!lacks_vips(&pool(r#"{"a":["192.0.2.1"]}"#)));
    }
}
