//! `roundhouse domain add` and `rm`.
//!
//! ```text
//! GET /v1/domains/<host> ─► amend (pure) ─► the same? ─► PUT, only if the record is still as it was read
//! ```

mod amend;
mod options;
mod told;

use std::io::Write;

use hyper::Method;
use roundhouse_config::DomainName;
use roundhouse_registry::{Domain, Revision};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use self::options::DomainCommand;
use self::told::changes;
use super::server::Server;
use super::{Outcome, Output, columns, print_json};

#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    domain: Domain,
    revision: Revision,
}

pub(super) async fn run(
    command: DomainCommand,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    match command {
        DomainCommand::Add(add) => {
            let before = find(&add.host, server).await?;
            let wanted = amend::amended(before.as_ref().map(|shown| &shown.domain), &add)?;
            write(&add.host, before.as_ref(), &wanted, server, output, out).await
        }
        DomainCommand::Rm { host, path: Some(path) } => {
            let Some(before) = find(&host, server).await? else { return Err(missing(&host)) };
            let wanted = amend::without(&before.domain, &host, &path)?;
            write(&host, Some(&before), &wanted, server, output, out).await
        }
        DomainCommand::Rm { host, path: None } => {
            let _: Value = server.delete(&format!("/v1/domains/{host}")).await?;
            told(&host, "removed", &[], &Value::Null, output, out)
        }
    }
}

async fn find(host: &DomainName, server: &Server) -> anyhow::Result<Option<Shown>> {
    Ok(server.find(&format!("/v1/domains/{host}")).await?)
}

fn missing(host: &DomainName) -> anyhow::Error {
    anyhow::anyhow!("there is no domain `{host}`; `roundhouse get domains` lists them")
}

async fn write(
    host: &DomainName,
    before: Option<&Shown>,
    wanted: &Domain,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let (word, condition) = match before {
        Some(shown) if shown.domain == *wanted => {
            return told(host, "unchanged", &[], &Value::Null, output, out);
        }
        Some(shown) => ("changed", ("If-Match", format!("\"{}\"", shown.revision))),
        None => ("created", ("If-None-Match", "*".to_owned())),
    };
    let path = format!("/v1/domains/{host}");
    let answer = server.send(Method::PUT, &path, &[(condition.0, &condition.1)], wanted).await?;
    let changes = before.map(|shown| changes(&shown.domain, wanted)).unwrap_or_default();
    told(host, word, &changes, &answer["warnings"], output, out)
}

/// What was done on stdout, what the gateway finds odd about it on stderr.
fn told(
    host: &DomainName,
    word: &str,
    changes: &[String],
    warnings: &Value,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    if output == Output::Json {
        let warnings = warnings.as_array().cloned().unwrap_or_default();
        print_json(&json!({ "action": word, "host": host, "changes": changes, "warnings": warnings }), out)?;
        return Ok(Outcome::Ok);
    }
    writeln!(out, "{word} domain {host}")?;
    for change in changes {
        writeln!(out, "    {}", columns::clean(change))?;
    }
    super::warn(warnings);
    Ok(Outcome::Ok)
}
