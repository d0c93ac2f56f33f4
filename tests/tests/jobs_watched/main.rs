//! Jobs files that a gateway watches: `[jobs] files` of its settings.
//!
//! ```text
//! edits    what is written to the file is so a moment later, however it is written; what is wrong changes nothing
//! statics  instances that a file puts and takes out again, and those that are none of its business
//! shared   two gateways with one file, and a registry that is away
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod edits;
mod shared;
mod statics;

use std::path::PathBuf;
use std::time::Duration;

use roundhouse_tests::{Gateway, eventually, seen};
use serde_json::Value;

/// Two looks at the file, one second apart, and what a busy machine takes.
const APPLIED: Duration = Duration::from_secs(10);

/// A gateway on the registry, not started, that watches `stack.jobs` beside its settings.
fn prepared(url: &str) -> Gateway {
    Gateway::prepared(url, "[jobs]\nfiles = [\"stack.jobs\"]\n")
}

fn file(gateway: &Gateway) -> PathBuf {
    gateway.config().with_file_name("stack.jobs")
}

fn write(gateway: &Gateway, text: &str) {
    std::fs::write(file(gateway), text).unwrap();
}

/// A running gateway whose file says this, and so does its registry.
fn started(text: &str) -> Gateway {
    let mut gateway = prepared("embedded");
    write(&gateway, text);
    gateway.run();
    applied(&gateway);
    gateway
}

fn job(port: u16) -> String {
    format!("jobs: < name: \"app\" port: \"{port}\" >\n")
}

fn status(gateway: &Gateway) -> Value {
    gateway.api("/v1/status").json()["jobs_files"][0].clone()
}

#[track_caller]
fn applied(gateway: &Gateway) {
    eventually(APPLIED, "the file is applied", || {
        seen(status(gateway), |status| {
            status["applied_revision"].is_number() && status["errors"] == serde_json::json!([])
        })
    });
}

/// The revision of the last application.
fn revision(gateway: &Gateway) -> u64 {
    status(gateway)["applied_revision"].as_u64().unwrap()
}

/// Until an application later than this one is through.
#[track_caller]
fn applied_since(gateway: &Gateway, before: u64) {
    eventually(APPLIED, "the edit is applied", || seen(revision(gateway), |revision| *revision > before));
}

#[track_caller]
fn has_port(gateway: &Gateway, port: u16) {
    eventually(APPLIED, &format!("the job has port {port}"), || {
        seen(gateway.job("app"), |job| job["ports"][0]["port"] == port)
    });
}

/// The first error once it says this.
#[track_caller]
fn error(gateway: &Gateway, says: &str) -> Value {
    eventually(APPLIED, &format!("an error says `{says}`"), || {
        let status = status(gateway);
        let errors = status["errors"].as_array().cloned().unwrap_or_default();
        let found = errors.into_iter().find(|error| error["message"].as_str().unwrap().contains(says));
        found.ok_or(status)
    })
}
