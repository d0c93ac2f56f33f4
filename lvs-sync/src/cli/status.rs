//! `status`: what the director on this host says of itself.

use std::io::Write;

use anyhow::Context as _;
use hyper::Method;
use roundhouse_config::DirectorSettings;
use roundhouse_registry::http::HttpClient;
use serde_json::Value;

use super::Outcome;
use super::options::Output;

pub(super) async fn status(
    settings: &DirectorSettings,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let client = client(settings);
    let answer = client.call(Method::GET, "/status", &[], None).await.context(
        "no director runs here; start it with `lvs-sync run`, or see what it would do with `lvs-sync plan`",
    )?;
    let status: Value = serde_json::from_slice(&answer.body).context("an answer that is no status")?;
    match output {
        Output::Json => writeln!(out, "{status:#}")?,
        Output::Table => print(&status, out)?,
    }
    Ok(Outcome::Ok)
}

/// Of the director that runs with these settings.
pub(super) fn client(settings: &DirectorSettings) -> HttpClient {
    HttpClient::new(settings.listen.socket_addr().to_string())
}

fn print(status: &Value, out: &mut impl Write) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let registry = &status["registry"];
    let lost = match registry["lost"].as_str() {
        Some(reason) => format!("lost for {} s: {reason}; nothing is changed", registry["stale_seconds"]),
        None => "connected".to_owned(),
    };
    writeln!(
        out,
        "director {}   registry {} at revision {}, {lost}",
        text(&status["director"]),
        text(&registry["url"]),
        registry["revision"]
    )?;
    for sink in status["sinks"].as_array().into_iter().flatten() {
        writeln!(
            out,
            "{}: {} service(s), {} destination(s), revision {}, drift {}",
            text(&sink["sink"]),
            sink["services"],
            sink["destinations"],
            sink["revision"],
            sink["counters"]["drift"]
        )?;
        if let Some(error) = sink["error"].as_str() {
            writeln!(out, "  error: {error}")?;
        }
        for warning in sink["warnings"].as_array().into_iter().flatten() {
            writeln!(out, "  warning: {}", text(warning))?;
        }
        for problem in sink["problems"].as_array().into_iter().flatten() {
            writeln!(out, "  problem: pool `{}`: {}", text(&problem["pool"]), text(&problem["message"]))?;
        }
        for failed in sink["failed"].as_array().into_iter().flatten() {
            writeln!(out, "  failed: {}: {}", text(&failed["ipvsadm"]), text(&failed["error"]))?;
        }
        for draining in sink["draining"].as_array().into_iter().flatten() {
            writeln!(
                out,
                "  draining {} of {}: {} connection(s), {} s left",
                text(&draining["destination"]),
                text(&draining["service"]),
                draining["connections"],
                draining["seconds_left"]
            )?;
        }
        for doubted in sink["doubted"].as_array().into_iter().flatten() {
            let n = doubted["vanished"].as_array().map_or(0, Vec::len);
            writeln!(
                out,
                "  waiting {} s: {n} destination(s) of {} vanished together",
                doubted["seconds_left"],
                text(&doubted["service"])
            )?;
        }
        for fallen in sink["fallen"].as_array().into_iter().flatten() {
            writeln!(
                out,
                "  fallen below its quorum: pool `{}` on line `{}`",
                text(&fallen["pool"]),
                text(&fallen["line"])
            )?;
        }
    }
    Ok(())
}
