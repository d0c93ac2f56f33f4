//! What the tour puts on the screen.

use std::io::{self, Write};
use std::path::Path;

use roundhouse_config::{JobsFile, Settings};
use serde::Deserialize;

#[derive(Deserialize)]
struct Job {
    #[serde(default)]
    vip: Option<String>,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    ports: serde_json::Value,
    #[serde(default)]
    health: serde_json::Value,
}

/// Whether `GET /v1/jobs/<label>` says that somebody healthy is there, behind a VIP.
pub(super) fn is_reachable(body: &[u8]) -> bool {
    let Ok(job) = serde_json::from_slice::<Job>(body) else { return false };
    let healthy = |instance: &Instance| {
        instance.ports.is_object() && instance.health.to_string().contains("\"healthy\"")
    };
    job.vip.is_some() && job.instances.iter().any(healthy)
}

pub(super) fn what_to_try(
    settings: &Settings,
    jobs: &JobsFile,
    logs: &Path,
    out: &mut impl Write,
) -> io::Result<()> {
    let zone = &settings.names.zone;
    let dns = settings.dns.listen.socket_addr();
    let program = std::env::args().next().unwrap_or_else(|| "roundhouse".into());
    writeln!(
        out,
        "\nRoundhouse serves {} jobs of zone {zone}; logs are in {}.\n",
        jobs.jobs.len(),
        logs.display()
    )?;
    for job in &jobs.jobs {
        for port in &job.ports {
            writeln!(out, "  {:<28} {}.{zone}:{}", job.label.as_str(), job.label, port.port)?;
        }
    }
    writeln!(out, "\nTry, in another terminal:\n")?;
    if let Some(job) = jobs.jobs.iter().find(|job| job.label.as_str() == "app2").or(jobs.jobs.first())
        && let Some(port) = job.ports.first()
    {
        let name = format!("{}.{zone}", job.label);
        writeln!(out, "  {program} explain {name}:{}", port.port)?;
        writeln!(out, "  dig @{} -p {} {name} +short", dns.ip(), dns.port())?;
        writeln!(out, "  curl http://$(dig @{} -p {} {name} +short):{}", dns.ip(), dns.port(), port.port)?;
    }
    let http = jobs.jobs.iter().find(|job| job.ports.iter().any(|port| port.protocol.is_http()));
    if let (Some(job), Some(named)) = (http, settings.entrypoints.first()) {
        writeln!(
            out,
            "  curl -H 'Host: {}.{}' http://{}/",
            job.label,
            zone.first_label(),
            named.entrypoint.listen
        )?;
    }
    writeln!(out, "  {program} get instances")?;
    writeln!(out, "  curl http://{}/v1/snapshot", settings.admin.listen)?;
    writeln!(out, "\nCtrl-C ends it all.")?;
    out.flush()
}
