//! `roundhouse access test`: what the rules make of a peer, and why.

mod shown;

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use roundhouse_config::{JobName, Label};
use roundhouse_registry::record::RulePort;
use serde_json::{Map, Value, json};

use super::server::Server;
use super::{Outcome, Output, print_json, rule};

#[derive(Debug, Subcommand)]
pub(super) enum AccessCommand {
    /// Say whether a peer would be let in, by which rule, and what else was looked at. Nothing is dialled.
    ///
    /// Exit status: 0 it would be let in, 2 it would be kept out, 1 it could not be told.
    Test(TestAccess),
}

#[derive(Debug, Args)]
pub(super) struct TestAccess {
    /// The peer's address.
    #[arg(long, value_name = "ADDRESS")]
    from: IpAddr,
    /// Whom the peer says it is; it must be among the jobs at its address.
    #[arg(long = "as", value_name = "JOBNAME")]
    claimed: Option<JobName>,
    /// The job that it wants to reach.
    #[arg(long, value_name = "JOB")]
    to: Label,
    /// The job's port, by number or by name [default: its first].
    #[arg(long, value_parser = rule::port)]
    port: Option<RulePort>,
    /// HTTP: the request's method.
    #[arg(long)]
    method: Option<String>,
    /// HTTP: the request's path.
    #[arg(long)]
    path: Option<String>,
    /// The file that holds the token of the peer's instance, which proves its claim.
    #[arg(long, value_name = "FILE")]
    proof_token_file: Option<PathBuf>,
}

pub(super) async fn run(
    command: AccessCommand,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let AccessCommand::Test(test) = command;
    let answer: Value = server.post("/v1/access/test", &test.body()?).await?;
    if output == Output::Json {
        print_json(&answer, out)?;
        return verdict(&answer);
    }
    let outcome = verdict(&answer)?;
    shown::print(&answer, out)?;
    Ok(outcome)
}

/// Whatever is neither of the two words is no verdict, and must not pass for one.
fn verdict(answer: &Value) -> anyhow::Result<Outcome> {
    match answer["verdict"].as_str() {
        Some("allow") => Ok(Outcome::Ok),
        Some("deny") => Ok(Outcome::Denied),
        _ => bail!(
            "the gateway's answer has no verdict that this program knows; upgrade it, or see it with -o json"
        ),
    }
}

impl TestAccess {
    /// What is not said is not there.
    fn body(&self) -> anyhow::Result<Value> {
        let proof = self.proof_token_file.as_deref().map(token).transpose()?;
        let fields = [
            ("from", json!(self.from)),
            ("as", json!(self.claimed)),
            ("to", json!(self.to)),
            ("port", json!(self.port)),
            ("method", json!(self.method)),
            ("path", json!(self.path)),
            ("proof", json!(proof)),
        ];
        let said = fields.into_iter().filter(|(_, value)| !value.is_null());
        Ok(Value::Object(said.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()))
    }
}

fn token(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    match text.trim() {
        "" => bail!("{} is empty; write the instance's token into it", file.display()),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        test: TestAccess,
    }

    fn body(words: &[&str]) -> anyhow::Result<Value> {
        Line::try_parse_from([&["test"], words].concat())?.test.body()
    }

    #[test]
    fn what_is_not_said_is_left_out() {
        let short = body(&["--from", "10.0.0.7", "--to", "redis"]).unwrap();
        assert_eq!(short, json!({"from": "10.0.0.7", "to": "redis"}));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "secret\n").unwrap();
        let file = file.to_str().unwrap();
        let long = [
            "--from",
            "::1",
            "--as",
            "cop.coding_job.app2",
            "--to",
            "redis",
            "--port",
            "6379",
            "--method",
            "GET",
        ];
        let long = body(&[&long[..], &["--path", "/x", "--proof-token-file", file]].concat()).unwrap();
        let expected = json!({"from": "::1", "as": "job.app2_cop.coding", "to": "redis", "port": 6379, "method": "GET",
            "path": "/x", "proof": "secret"});
        assert_eq!(long, expected);
        let named = body(&["--from", "::1", "--to", "redis", "--port", "main"]).unwrap();
        assert_eq!(named["port"], json!("main"));
        std::fs::write(file, " \n").unwrap();
        let error =
            body(&["--from", "::1", "--to", "a", "--proof-token-file", file]).unwrap_err().to_string();
        assert!(error.ends_with("is empty; write the instance's token into it"), "{error}");
        for wrong in [
            &["--from", "host", "--to", "a"][..],
            &["--from", "::1"],
            &["--from", "::1", "--to", "a", "--as", "x"],
        ] {
            assert!(body(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_exit_status_is_the_verdict() {
        assert_eq!(verdict(&json!({"verdict": "allow"})).unwrap(), Outcome::Ok);
        assert_eq!(verdict(&json!({"verdict": "deny"})).unwrap(), Outcome::Denied);
        for strange in [json!({}), json!({"verdict": "perhaps"}), json!([])] {
            assert!(verdict(&strange).is_err(), "{strange}");
        }
    }
}
