//! `adopt` and `release`: what is ours, said by a person. A director that runs is told; else its state file is.

use std::io::Write;

use anyhow::Context as _;
use hyper::Method;
use roundhouse_config::DirectorSettings;
use roundhouse_registry::Snapshot;
use roundhouse_registry::http::HttpError;
use roundhouse_registry::record::Timestamp;
use serde_json::{Value, json};

use super::Outcome;
use super::options::{Output, Release, Which};
use super::status::client;
use crate::run::{self, source};
use crate::sync::{Chosen, StateFile, Sync};

pub(super) async fn adopt(
    settings: &DirectorSettings,
    which: &Which,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    if let Some(answer) =
        told(settings, "/adopt", &json!({ "services": which.services, "all": which.all })).await?
    {
        return print("adopted", &answer["services"], output, out);
    }
    let file = StateFile::open(&settings.state_file)?;
    let listing = source::open(&settings.registry)?.list().await?;
    let snapshot = Snapshot::from_listing(listing);
    let mut adopted = Vec::new();
    for sink in run::sinks(settings)? {
        let kind = sink.kind();
        let mut sync = Sync::new(sink, run::held(settings), file.of(kind));
        adopted.extend(sync.adopt(&chosen(which), &snapshot, Timestamp::now())?);
        file.save(kind, sync.state())?;
    }
    print("adopted", &json!(adopted), output, out)
}

pub(super) async fn release(
    settings: &DirectorSettings,
    Release { which, remove }: &Release,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let body = json!({ "services": which.services, "all": which.all, "remove": remove });
    if let Some(answer) = told(settings, "/release", &body).await? {
        return print("released", &answer["services"], output, out);
    }
    let file = StateFile::open(&settings.state_file)?;
    let mut released = Vec::new();
    for sink in run::sinks(settings)? {
        let kind = sink.kind();
        let mut sync = Sync::new(sink, run::held(settings), file.of(kind));
        released.extend(sync.release(&chosen(which), *remove)?);
        file.save(kind, sync.state())?;
    }
    print("released", &json!(released), output, out)
}

fn chosen(which: &Which) -> Chosen {
    if which.all { Chosen::All } else { Chosen::These(which.services.iter().cloned().collect()) }
}

/// `None`: no director runs here.
async fn told(settings: &DirectorSettings, path: &str, body: &Value) -> anyhow::Result<Option<Value>> {
    match client(settings).call(Method::POST, path, &[], Some(body.to_string().into_bytes())).await {
        Ok(answer) => Ok(Some(serde_json::from_slice(&answer.body).context("an answer that is none")?)),
        Err(HttpError::Unavailable { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn print(word: &str, services: &Value, output: Output, out: &mut impl Write) -> anyhow::Result<Outcome> {
    let services = services.as_array().cloned().unwrap_or_default();
    if output == Output::Json {
        writeln!(out, "{:#}", json!({ "action": word, "services": services }))?;
    } else if services.is_empty() {
        writeln!(out, "nothing {word}")?;
    } else {
        for service in &services {
            writeln!(out, "{word} {}", service.as_str().unwrap_or_default())?;
        }
    }
    Ok(if services.is_empty() { Outcome::Failed } else { Outcome::Ok })
}
