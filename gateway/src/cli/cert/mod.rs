//! `roundhouse cert add` and `rm`.
//!
//! A chain and its key are looked at here before they leave the machine: what the gateway would leave out is refused with
//! the reason, and what clients will soon refuse is said.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use clap::{Args, Subcommand};
use hyper::Method;
use roundhouse_config::DomainName;
use roundhouse_registry::record::Name;
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::UnixTime;

use super::server::Server;
use super::{Outcome, Output, print_json};
use crate::tls::{Facts, SelfSigned, inspect, self_signed};

#[derive(Debug, Subcommand)]
pub(super) enum CertCommand {
    /// Add a certificate, or replace it; handshakes that begin then see it.
    Add(AddCert),
    /// Take out a certificate. Connections that it was shown to go on.
    Rm { name: Name },
}

#[derive(Debug, Args)]
pub(super) struct AddCert {
    name: Name,
    /// The leaf first, then its issuers, in PEM.
    #[arg(long, value_name = "FILE", requires = "key", required_unless_present = "self_signed")]
    chain: Option<PathBuf>,
    /// The leaf's private key in PEM, not encrypted.
    #[arg(long, value_name = "FILE", requires = "chain")]
    key: Option<PathBuf>,
    /// Make one for these names, which no client trusts by itself: ECDSA on P-256, 90 days. The certificate goes to stdout.
    #[arg(long, value_name = "HOST", num_args = 1.., conflicts_with_all = ["chain", "key"])]
    self_signed: Vec<DomainName>,
}

pub(super) async fn run(
    command: CertCommand,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    match command {
        CertCommand::Add(add) => add_cert(&add, server, output, out).await,
        CertCommand::Rm { name } => {
            let _: Value = server.delete(&format!("/v1/certs/{name}")).await?;
            writeln!(out, "removed certificate {name}")?;
            Ok(Outcome::Ok)
        }
    }
}

async fn add_cert(
    add: &AddCert,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let SelfSigned { chain, key } = match (&add.chain, &add.key) {
        (Some(chain), Some(key)) => SelfSigned { chain: read(chain)?, key: read(key)? },
        _ => self_signed(&add.self_signed, SystemTime::now())?,
    };
    let facts = inspect(&chain, &key).with_context(|| named(add))?;
    let path = format!("/v1/certs/{}", add.name);
    let former: Option<Value> = server.find(&path).await?;
    let body = json!({ "chain": chain, "key": key });
    let answer = server.send(Method::PUT, &path, &[], &body).await?;
    let word = if former.is_some() { "replaced" } else { "added" };
    let days = facts.days_left(UnixTime::now());
    let made = !add.self_signed.is_empty();
    match output {
        Output::Json => print_json(
            &json!({ "action": word, "name": add.name, "names": facts.names, "chain": chain,
                "not_after": facts.not_after.as_secs(), "days_left": days, "warnings": answer["warnings"] }),
            out,
        )?,
        // The certificate alone, so that it can be sent straight into a file.
        Output::Table if made => {
            write!(out, "{chain}")?;
            let _ = write!(io::stderr(), "{}{}", summary(word, add, &facts, days), trust(add));
        }
        Output::Table => write!(out, "{}", summary(word, add, &facts, days))?,
    }
    if output == Output::Table {
        super::warn(&answer["warnings"]);
    }
    Ok(Outcome::Ok)
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn named(add: &AddCert) -> String {
    let shown =
        |file: &Option<PathBuf>| file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    format!("{} with {}", shown(&add.chain), shown(&add.key))
}

fn summary(word: &str, add: &AddCert, facts: &Facts, days: i64) -> String {
    let names = match facts.names.is_empty() {
        true => "no DNS name, so that no client finds it".to_owned(),
        false => facts.names.join(", "),
    };
    format!("{word} certificate {}: {names}; {days} days left\n", add.name)
}

/// How whoever made it gets a client to believe it.
fn trust(add: &AddCert) -> String {
    let (name, host) = (&add.name, add.self_signed.first().map_or("", DomainName::as_str));
    let host = host.replace('*', "www");
    format!(
        "no client trusts it by itself; with what was printed in {name}.pem:\n    \
         curl --cacert {name}.pem https://{host}/\n    \
         sudo cp {name}.pem /usr/local/share/ca-certificates/{name}.crt && sudo update-ca-certificates\n"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        add: AddCert,
    }

    fn parsed(words: &[&str]) -> Option<AddCert> {
        Line::try_parse_from([&["add"], words].concat()).ok().map(|line| line.add)
    }

    #[test]
    fn it_is_brought_or_made() {
        assert!(parsed(&["blog", "--chain", "c.pem", "--key", "k.pem"]).is_some());
        let made = parsed(&["blog", "--self-signed", "*.a.b", "a.b"]).unwrap();
        assert_eq!(made.self_signed.len(), 2);
        assert!(trust(&made).contains("curl --cacert blog.pem https://www.a.b/"));
        for wrong in [
            &["blog"][..],
            &["blog", "--chain", "c.pem"],
            &["blog", "--key", "k.pem"],
            &["blog", "--self-signed"],
            &["blog", "--self-signed", "10.0.0.1"],
            &["blog", "--self-signed", "a.b", "--chain", "c.pem", "--key", "k.pem"],
        ] {
            assert!(parsed(wrong).is_none(), "{wrong:?}");
        }
    }
}
