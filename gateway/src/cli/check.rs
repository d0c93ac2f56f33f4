//! `roundhouse check`: every problem of every file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use roundhouse_config::{JobsFile, Problems, Settings};
use roundhouse_registry::record::Timestamp;
use serde_json::{Value, json};

use super::rules_file::{self, RulesFile};
use super::{Outcome, Output, print_json};

pub(super) fn check(files: &[PathBuf], output: Output, out: &mut impl Write) -> anyhow::Result<Outcome> {
    let checked: Vec<_> = files.iter().map(|file| (file.display(), summary(file))).collect();
    if output == Output::Json {
        let files = checked.iter().map(|(file, found)| match found {
            Ok(summary) => {
                json!({ "file": file.to_string(), "ok": true, "summary": summary, "problems": [] })
            }
            Err(problems) => json!({ "file": file.to_string(), "ok": false, "problems": shown(problems) }),
        });
        print_json(&files.collect(), out)?;
    } else {
        for (file, found) in &checked {
            match found {
                Ok(summary) => writeln!(out, "{file}: ok: {summary}")?,
                Err(problems) => drop(writeln!(io::stderr(), "{problems}")),
            }
        }
    }
    let failed = checked.iter().any(|(_, found)| found.is_err());
    Ok(if failed { Outcome::Failed } else { Outcome::Ok })
}

/// By its name: `.toml` is a gateway's settings, or rules by the tables that it has; anything else is a jobs file.
fn summary(file: &Path) -> Result<String, Problems> {
    if file.extension().is_some_and(|extension| extension == "toml") {
        if rules_file::is_rules_file(file) {
            return Ok(RulesFile::from_file(file)?.summary(Timestamp::now()));
        }
        let settings = Settings::from_file(file)?;
        let files = crate::jobs::check(&settings.jobs.files)?;
        let jobs: usize = files.iter().map(|file| file.jobs.len()).sum();
        let watched = match files.len() {
            0 => String::new(),
            files => format!(", {} of {}", count(jobs, "job"), count(files, "watched file")),
        };
        let (names, entrypoints) = (&settings.names, count(settings.entrypoints.len(), "entrypoint"));
        return Ok(format!(
            "zone {}, VIPs {}, registry {}, admin {}, DNS {}, {entrypoints}{watched}",
            names.zone, names.vips, settings.registry.url, settings.admin.listen, settings.dns.listen,
        ));
    }
    let file = JobsFile::from_file(file)?;
    let domains = file.jobs.iter().map(|job| job.domains.len()).sum();
    let (jobs, hosts) = (count(file.jobs.len(), "job"), count(file.hosts.len(), "host"));
    Ok(format!("{jobs}, {hosts}, {}", count(domains, "domain")))
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

fn shown(problems: &Problems) -> Value {
    let problem = |problem: &roundhouse_config::Problem| {
        json!({ "file": problem.file, "line": problem.line, "column": problem.column, "path": problem.path,
            "message": problem.message, "hint": problem.hint })
    };
    problems.iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples").join(name)
    }

    #[test]
    fn the_examples_are_summed_up() {
        let mut out = Vec::new();
        let files = [example("gateway.toml"), example("stack.jobs")];
        assert_eq!(check(&files, Output::Table, &mut out).unwrap(), Outcome::Ok);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("gateway.toml: ok: zone jobs.coding.net, VIPs 127.99.0.0/16, registry embedded"),
            "{text}"
        );
        assert!(text.contains("stack.jobs: ok: 7 jobs, 5 hosts, 1 domain"), "{text}");
    }

    #[test]
    fn one_bad_file_fails_the_check_and_the_others_are_checked() {
        let mut out = Vec::new();
        let files = [example("stack-as-published.jobs"), example("stack.jobs")];
        assert_eq!(check(&files, Output::Json, &mut out).unwrap(), Outcome::Failed);
        let found: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&found[0]["ok"], &found[1]["ok"]), (&json!(false), &json!(true)));
        assert!(found[0]["problems"][0]["line"].as_u64().unwrap() > 0);
    }

    #[test]
    fn a_rules_file_is_checked_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let [good, bad] = ["good.toml", "bad.toml"].map(|name| folder.path().join(name));
        std::fs::write(&good, "[[guard]]\nselector = \"job.redis\"\n").unwrap();
        std::fs::write(&bad, "[[rule]]\nid = \"a\"\n").unwrap();
        let mut out = Vec::new();
        assert_eq!(check(&[good, bad], Output::Json, &mut out).unwrap(), Outcome::Failed);
        let found: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(found[0]["summary"], json!("0 rules, 1 guard"));
        let paths: Vec<_> = found[1]["problems"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
        assert_eq!(paths, ["rule[0].action", "rule[0].from", "rule[0].to"]);
    }
}
