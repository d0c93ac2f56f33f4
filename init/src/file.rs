//! `job-init.toml`: the options of the command line as keys, all that is wrong with it reported at once.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, Deserializer, Error};

use crate::options::Options;

/// Reads a file, or says everything that is wrong with it, each as `file:line: key: message`.
pub(crate) fn read(path: &Path) -> Result<Options, Vec<String>> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| vec![format!("{name}: cannot be read: {error}")])?;
    let options = parse(&name, &text)?;
    Ok(options.relative_to(path.parent().unwrap_or(Path::new(""))))
}

fn parse(name: &str, text: &str) -> Result<Options, Vec<String>> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![format!("{name}:{}: {}", line(text, at), one_line(&error))]
    })?;
    let mut options = Options::default();
    let mut problems = Vec::new();
    // One key at a time, because serde stops at the first error of what it is given.
    for (key, value) in table.into_inner() {
        let (place, shown) = (key.span(), key.get_ref().to_string());
        let alone = DeTable::from_iter([(key, value)]);
        match Options::deserialize(Deserializer::from(Spanned::new(place.clone(), alone))) {
            Ok(part) => options = options.or(part),
            Err(error) => problems.push((place.start, format!("{shown}: {}", one_line(&error)))),
        }
    }
    if problems.is_empty() {
        return Ok(options);
    }
    // In the order of the file; the table has its own.
    problems.sort();
    Err(problems.iter().map(|(at, message)| format!("{name}:{}: {message}", line(text, *at))).collect())
}

/// The line of a byte of the text, counted from 1.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn one_line(error: &Error) -> String {
    error.message().replace('\n', "; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_option_is_a_key() {
        let options = parse(
            "f",
            r#"
            single_child = true
            rewrite = ["TERM:QUIT", "HUP:USR1"]
            map_exit = ["143:0"]
            grace = "3s"
            registry = "etcd://10.0.0.1,10.0.0.2"
            prefix = "/other"
            ca = "ca.pem"
            cert = "client.pem"
            key = "client-key.pem"
            user = "registrar"
            password_file = "password"
            token_file = "token"
            job = "app2"
            jobname = "job.app2_cop.coding"
            port = ["1111", "dns=53/udp"]
            address = "2001:db8::1"
            shared_ip = true
            id = "6f2c1c0e-9b59-4a0f-8a53-0d6d3b0a2f11"
            line = "telecom"
            pool = "blog:80"
            weight = 50
            app_version = "59559fd"
            ttl = "15s"
            drain_wait = "0s"
            check = "none"
            no_env = true
            "#,
        )
        .unwrap();
        assert_eq!(options.grace, Some(Duration::from_secs(3)));
        assert_eq!(options.port.as_ref().unwrap().len(), 2);
        // What a port may have besides is no option of its own.
        let printed = format!("{:?}", Options { port: Some(Vec::new()), ..options });
        assert!(!printed.contains(": None"), "{printed}");
    }

    #[test]
    fn all_problems_come_at_once_with_their_lines() {
        let problems =
            parse("f.toml", "grace = 3\njob = \"App\"\nweight = 1\n\ncolour = \"red\"\n").unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("f.toml:1: grace: "), "{problems:?}");
        assert!(
            problems[1].starts_with("f.toml:2: job: ") && problems[1].contains("write `app`"),
            "{problems:?}"
        );
        assert!(problems[2].starts_with("f.toml:5: colour: unknown field"), "{problems:?}");
    }

    #[test]
    fn a_syntax_error_has_its_line() {
        assert!(parse("f", "job = \"a\"\nport = [").unwrap_err()[0].starts_with("f:2: "));
    }

    #[test]
    fn a_missing_file_is_named() {
        assert!(read(Path::new("no/such.toml")).unwrap_err()[0].starts_with("no/such.toml: cannot be read"));
    }
}
