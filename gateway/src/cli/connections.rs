//! `roundhouse get connections` and `close`: what is open through the gateway, and its end.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use roundhouse_config::Label;
use roundhouse_registry::InstanceId;
use serde_json::Value;

use super::get::{text, texts};
use super::server::{Server, encoded};
use super::{Outcome, Output, columns, drain, print_json};

pub(super) const HEADS: [&str; 10] =
    ["CONNECTION", "KIND", "CLIENT", "LOCAL", "JOB", "INSTANCE", "OPEN", "IDLE", "UP", "DOWN"];

/// Which connections are meant; what is given must all fit.
#[derive(Debug, Default, Args)]
pub(super) struct Which {
    /// Those to this job.
    #[arg(long)]
    job: Option<Label>,
    /// Those to this instance: its id, or as for `drain`.
    #[arg(long)]
    instance: Option<String>,
    /// Those of this address, or of a range such as 10.0.0.0/8.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CloseOptions {
    /// One connection, as `get connections` shows it.
    #[arg(long, required_unless_present_any = ["job", "instance", "client", "all"])]
    id: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Every connection of the gateway.
    #[arg(long, conflicts_with_all = ["id", "job", "instance", "client"])]
    all: bool,
}

impl Which {
    pub(super) fn is_given(&self) -> bool {
        self.job.is_some() || self.instance.is_some() || self.client.is_some()
    }

    async fn parameters(&self, server: &Server) -> anyhow::Result<Vec<(&'static str, String)>> {
        let instance = match &self.instance {
            Some(name) => Some(instance(name, server).await?),
            None => None,
        };
        let job = self.job.as_ref().map(ToString::to_string);
        let given = [("job", job), ("instance", instance), ("client", self.client.clone())];
        Ok(given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

pub(super) async fn get(
    which: &Which,
    limit: Option<usize>,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let mut parameters = which.parameters(server).await?;
    parameters.extend(limit.map(|limit| ("limit", limit.to_string())));
    let answer: Value = server.get(&path(&parameters)).await?;
    if output == Output::Json {
        print_json(&answer, out)?;
        return Ok(Outcome::Ok);
    }
    let rows: Vec<_> = answer["connections"].as_array().into_iter().flatten().map(row).collect();
    match rows.is_empty() {
        true => writeln!(out, "no connections")?,
        false => columns::print(&HEADS, &rows, out)?,
    }
    if answer["more"] == true {
        writeln!(out, "and more; say which with --job, --instance or --client, or raise --limit")?;
    }
    Ok(Outcome::Ok)
}

pub(super) async fn close(
    options: &CloseOptions,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let mut parameters = options.which.parameters(server).await?;
    parameters.extend(options.id.clone().map(|id| ("id", id)));
    if options.all {
        parameters.push(("all", "true".to_owned()));
    }
    let answer: Value = server.delete(&path(&parameters)).await?;
    match output {
        Output::Json => print_json(&answer, out)?,
        Output::Table => writeln!(out, "closed {}", answer["closed"])?,
    }
    Ok(Outcome::Ok)
}

/// An id needs no look: the instance may be gone, and its connections open.
async fn instance(name: &str, server: &Server) -> anyhow::Result<String> {
    let id = name.rsplit_once('/').map_or(name, |(_, id)| id);
    if id.parse::<InstanceId>().is_ok() {
        return Ok(id.to_owned());
    }
    if name.is_empty() {
        bail!("--instance names nobody; write its id, or app2/<address:port>");
    }
    Ok(text(&drain::find(name, server).await?["id"]))
}

fn path(parameters: &[(&str, String)]) -> String {
    let each: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    match each.is_empty() {
        true => "/v1/connections".to_owned(),
        false => format!("/v1/connections?{}", each.join("&")),
    }
}

pub(super) fn row(item: &Value) -> Vec<String> {
    let mut row = texts(item, &["id", "kind", "client", "local", "job", "address"]);
    row.extend([&item["open_seconds"], &item["idle_seconds"]].map(seconds));
    row.extend([&item["bytes_to_instance"], &item["bytes_to_client"]].map(bytes));
    row
}

/// Whole seconds, minutes or hours: a person compares, and the JSON has the number.
fn seconds(value: &Value) -> String {
    let Some(seconds) = value.as_f64() else { return String::new() };
    match seconds {
        ..120.0 => format!("{seconds:.0}s"),
        120.0..7_200.0 => format!("{:.0}m", seconds / 60.0),
        _ => format!("{:.0}h", seconds / 3_600.0),
    }
}

fn bytes(value: &Value) -> String {
    let Some(bytes) = value.as_f64() else { return String::new() };
    let (mut shown, mut unit) = (bytes, "");
    for larger in ["K", "M", "G", "T"] {
        if shown < 10_000.0 {
            break;
        }
        (shown, unit) = (shown / 1_024.0, larger);
    }
    format!("{shown:.0}{unit}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_connection_is_a_row() {
        let item = json!({"id": "0-17", "kind": "tcp", "client": "10.0.0.1:40001", "local": "127.99.0.7:6379",
            "job": "redis", "instance": "i", "address": "10.1.0.1:6379", "open_seconds": 7_500.0, "idle_seconds": 1.5,
            "bytes_to_instance": 999, "bytes_to_client": 104_857_600});
        assert_eq!(
            row(&item),
            [
                "0-17",
                "tcp",
                "10.0.0.1:40001",
                "127.99.0.7:6379",
                "redis",
                "10.1.0.1:6379",
                "2h",
                "2s",
                "999",
                "100M"
            ]
        );
        assert_eq!(row(&json!({})).len(), HEADS.len());
    }

    #[test]
    fn what_is_asked_is_encoded() {
        assert_eq!(path(&[]), "/v1/connections");
        let both = [("job", "redis".to_owned()), ("client", "10.0.0.0/8".to_owned())];
        assert_eq!(path(&both), "/v1/connections?job=redis&client=10.0.0.0%2F8");
    }

    #[test]
    fn amounts_are_short() {
        let all = [0, 9_999, 10_240, 10_485_759, 1_u64 << 40].map(|count| bytes(&json!(count)));
        assert_eq!(all, ["0", "9999", "10K", "10M", "1024G"]);
        assert_eq!([0.4, 119.0, 120.0, 7_200.0].map(|n| seconds(&json!(n))), ["0s", "119s", "2m", "2h"]);
    }
}
