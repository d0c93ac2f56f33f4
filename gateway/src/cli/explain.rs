//! `roundhouse explain`.

use std::fmt::Write as _;
use std::io::Write;

use super::options::ExplainOptions;
use super::server::{Server, encoded};
use super::{Outcome, Output, columns, print_json};
use crate::admin::explain::{Explanation, Verdict};

pub(super) async fn explain(
    ExplainOptions { target, from, claimed }: &ExplainOptions,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let mut path = format!("/v1/explain?target={}", encoded(target));
    if let Some(from) = from {
        let _ = write!(path, "&from={from}");
    }
    if let Some(claimed) = claimed {
        let _ = write!(path, "&as={}", encoded(claimed.as_str()));
    }
    let explanation: Explanation = server.get(&path).await?;
    match output {
        Output::Json => print_json(&serde_json::to_value(&explanation)?, out)?,
        Output::Table => {
            for step in &explanation.steps {
                writeln!(out, "{:<9} {}", step.what, columns::clean(&step.detail))?;
            }
            writeln!(out, "{:<9} {}", "verdict", sentence(explanation.verdict))?;
        }
    }
    Ok(if explanation.verdict == Verdict::Ok { Outcome::Ok } else { Outcome::Failed })
}

fn sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::NoRoute => "no-route: the name leads nowhere",
        Verdict::NoBackend => "no-backend: the name is known, but nobody serves it",
        Verdict::Denied => "denied: whoever comes from there may not use it",
        Verdict::NotCaught => "not-caught: this gateway does not listen there",
    }
}
