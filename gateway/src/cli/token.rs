//! `roundhouse token add` and `rm`.

use std::io::{self, Write};

use roundhouse_registry::record::{Name, Timestamp};
use serde_json::{Value, json};

use super::get::text;
use super::options::NewToken;
use super::server::Server;
use super::{Outcome, Output, print_json};

/// The text alone on stdout, so that it can be sent straight into a file; what is said about it on stderr.
pub(super) async fn add(
    new: &NewToken,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let expires = new.expires.map(|valid| Timestamp::now() + valid);
    let body = json!({ "id": new.id, "role": new.role, "cidr": new.cidr, "jobname": new.jobname,
        "expires": expires, "note": new.note });
    let made: Value = server.post("/v1/tokens", &body).await?;
    match output {
        Output::Json => print_json(&made, out)?,
        Output::Table => writeln!(out, "{}", text(&made["token"]))?,
    }
    let until = new.expires.map(roundhouse_config::duration::format);
    let until = until.map_or_else(|| "until it is revoked".to_owned(), |valid| format!("for {valid}"));
    let _ = writeln!(
        io::stderr(),
        "token `{}`, role {}, good {until}; this is the only time it is shown",
        new.id,
        new.role
    );
    Ok(Outcome::Ok)
}

pub(super) async fn remove(id: &Name, server: &Server, out: &mut impl Write) -> anyhow::Result<Outcome> {
    let _: Value = server.delete(&format!("/v1/tokens/{id}")).await?;
    writeln!(out, "token `{id}` is revoked")?;
    Ok(Outcome::Ok)
}
