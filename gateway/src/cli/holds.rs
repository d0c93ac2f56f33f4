//! `roundhouse holds release|restore`.

use std::io::Write;

use serde_json::Value;

use super::server::Server;
use super::{Outcome, Output, print_json};

/// `None`: everything.
pub(super) async fn release(
    what: Option<&str>,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let path = match what {
        None => "/v1/holds".to_owned(),
        Some(what) => format!("/v1/holds/{what}"),
    };
    let answer: Value = server.delete(&path).await?;
    match output {
        Output::Json => print_json(&answer, out)?,
        Output::Table => writeln!(out, "released {}", answer["released"])?,
    }
    Ok(Outcome::Ok)
}

pub(super) async fn restore(
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let answer: Value = server.order("/v1/restore").await?;
    match output {
        Output::Json => print_json(&answer, out)?,
        Output::Table => writeln!(out, "written {}, left as they are {}", answer["written"], answer["left"])?,
    }
    Ok(Outcome::Ok)
}
