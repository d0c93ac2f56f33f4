//! A gateway, before it runs, and what it serves.

use std::net::SocketAddr;

use roundhouse_tests::Gateway;
use serde_json::json;

use crate::compare::Skipped;
use crate::domain_record;

/// The port of every job here.
pub const PORT: u16 = 1_111;

/// Another text in the configuration of a gateway that does not run yet.
pub fn edit(gateway: &Gateway, from: &str, to: &str) {
    let config = std::fs::read_to_string(gateway.config()).expect("the harness wrote it");
    assert!(config.contains(from), "no {from} in:\n{config}");
    std::fs::write(gateway.config(), config.replace(from, to)).expect("the folder is ours");
}

/// A gateway with one worker, not started, on an embedded registry or the one at `registry`; `OWN` in the settings is its
/// address. Skipped where it does not know the settings.
pub fn prepared(registry: &str, settings: &str, files: &[(&str, &str)]) -> Result<Gateway, Skipped> {
    let gateway = Gateway::prepared(registry, settings);
    edit(&gateway, "count = 2", "count = 1");
    if settings.contains("OWN") {
        edit(&gateway, "OWN", &gateway.net.gateway().to_string());
    }
    for (name, text) in files {
        std::fs::write(gateway.folder().join(name), text).expect("the folder is ours");
    }
    let config = gateway.config().display().to_string();
    let checked = gateway.cli(&["check", &config]);
    if !checked.status.success() {
        let said = String::from_utf8_lossy(&checked.stderr).replace(&format!("{config}:"), "");
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
        return Err(Skipped(format!("the gateway refuses the configuration: {first}")));
    }
    Ok(gateway)
}

/// A job that is believed without a check.
pub fn put_job(gateway: &Gateway, label: &str, protocol: &str) {
    let port = json!({ "name": "main", "port": PORT, "protocol": protocol });
    let record = json!({ "jobname": format!("job.{label}"), "check": null, "ports": [port] });
    let reply = gateway.call("PUT", &format!("/v1/jobs/{label}"), &record.to_string());
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
}

/// One that is there until it is taken out.
pub fn put_instance(gateway: &Gateway, label: &str, backend: SocketAddr) {
    let record = json!({ "address": backend.ip(), "ports": { "main": backend.port() } });
    let reply = gateway.call("POST", &format!("/v1/instances/{label}"), &record.to_string());
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
}

/// Everything under this host goes to the job.
pub fn put_domain(gateway: &Gateway, host: &str, label: &str) {
    let reply = gateway.call("PUT", &format!("/v1/domains/{host}"), &domain_record(label));
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
}
