//! Files with mistakes: every one is reported, at its place, and nothing is started or changed.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use roundhouse_tests::{Background, TempDir, programs};

fn check(files: &[&Path]) -> Output {
    programs::roundhouse().arg("check").args(files).output().unwrap()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples").join(name).canonicalize().unwrap()
}

/// What `check` says of a file that fails: its path is cut off each line.
#[track_caller]
fn problems(path: &Path) -> String {
    let output = check(&[path]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty(), "{text}");
    assert!(text.starts_with(&path.display().to_string()), "{text}");
    text.replace(&format!("{}:", path.display()), "f:")
}

#[track_caller]
fn problems_of(name: &str, text: &str) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    problems(&path)
}

#[test]
fn the_shipped_examples_pass() {
    let output = check(&[&example("gateway.toml"), &example("stack.jobs")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("gateway.toml: ok: zone jobs.coding.net"), "{text}");
    assert!(text.contains("stack.jobs: ok: 7 jobs, 5 hosts, 1 domain"), "{text}");
    assert!(output.stderr.is_empty());
}

#[test]
fn the_published_file_is_refused_for_its_clash_and_its_missing_ports() {
    let text = problems(&example("stack-as-published.jobs"));
    for line in [
        "f:3:1: jobs[0].port: job `app` has no port, so nobody can dial it\n  hint: write port: \"8080\"",
        "f:8:1: jobs[1].port: job `app-backend` has no port, so nobody can dial it\n",
        "f:36:3: jobs[5].port: jobs `webhook-listener` at f:29:3 and `updatehook-listener` at f:36:3 \
         are both on `git-app-1` port 9999\n  hint: give one of them another port",
    ] {
        assert!(text.contains(line), "no\n{line}\nin\n{text}");
    }
    assert_eq!(text.matches("\n  hint: ").count(), 3, "{text}");
}

#[test]
fn a_syntax_error_has_its_line_and_column() {
    let text = problems_of("stack.jobs", "jobs: <\n  name: \"a\"\n  port: 9999\n>\n");
    assert!(text.starts_with("f:3:9: expected a string"), "{text}");
    assert!(text.contains("hint: put it in quotes: \"9999\""), "{text}");
    let text = problems_of("stack.jobs", "jobs: <\n  nmae: \"a\"\n>\n");
    assert_eq!(text, "f:2:3: unknown field `nmae`\n  hint: did you mean `name`?\n");
    let text = problems_of("stack.jobs", "jobs: <\n  name: \"a\"\n");
    assert!(text.contains("hint: the bracket opened at f:1:7 is not closed"), "{text}");
    let text = problems_of("gateway.toml", "[names]\nzone = \"a.b\n");
    assert!(text.starts_with("f:2:"), "{text}");
}

#[test]
fn an_unknown_key_is_told_what_it_may_have_meant() {
    let text = problems_of("gateway.toml", "[names]\nzoen = \"jobs.coding.net\"\n");
    assert_eq!(text, "f:2:1: names.zoen: unknown key\n  hint: did you mean `zone`?\n");
    let text = problems_of("gateway.toml", "[names]\ncolour = \"red\"\n");
    assert_eq!(
        text,
        "f:2:1: names.colour: unknown key\n  hint: known here: zone, vips, answer, hub_addresses, catch\n"
    );
}

#[test]
fn all_errors_of_a_file_are_reported_at_once() {
    let toml = "data_dri = \"x\"\n[names]\nzone = \"a..b\"\nvips = \"10.0.0.1/16\"\n[dns]\nttl = 5\n";
    let text = problems_of("gateway.toml", toml);
    for place in ["f:1:1: data_dri: ", "f:3:8: names.zone: ", "f:4:8: names.vips: ", "f:6:7: dns.ttl: "] {
        assert!(text.contains(place), "no {place} in\n{text}");
    }
    let jobs = "jobs: < name: \"A\" port: \"0\" >\njobs: < name: \"b\" port: \"1\" protocol: \"quic\" >\n";
    let text = problems_of("stack.jobs", jobs);
    for place in ["f:1:9: jobs[0].name: ", "f:1:19: jobs[0].port: ", "f:2:29: jobs[1].protocol: "] {
        assert!(text.contains(place), "no {place} in\n{text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named_and_the_others_are_checked() {
    let folder = TempDir::new().unwrap();
    for name in ["none.toml", "none.jobs"] {
        let text = problems(&folder.path().join(name));
        assert!(text.contains("cannot be read: No such file"), "{text}");
    }
    let output = check(&[&folder.path().join("none.jobs"), &example("stack.jobs")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("stack.jobs: ok"));
    // A folder is no file.
    let text = problems(folder.path());
    assert!(text.contains("cannot be read: Is a directory"), "{text}");
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_place() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("stack.jobs");
    std::fs::write(&path, b"jobs: <\n  name: \"\xff\xfe\"\n>\n").unwrap();
    assert_eq!(problems(&path), "f:2:10: is not UTF-8 text from here on\n");
}

#[test]
fn a_gateway_does_not_start_on_a_bad_file() {
    let folder = TempDir::new().unwrap();
    let bad = folder.path().join("gateway.toml");
    std::fs::write(&bad, "[names]\nzoen = \"a.b\"\n[admin]\nlisten = \":8400\"\n").unwrap();
    for path in [bad, folder.path().join("none.toml")] {
        let mut command = programs::roundhouse();
        command.arg("run").arg("--config").arg(&path).current_dir(folder.path());
        let gateway = Background::spawn(command);
        assert_eq!(gateway.wait_exit(Duration::from_secs(5)).code(), Some(1));
        let checked = check(&[&path]);
        assert_eq!(gateway.stderr(), String::from_utf8(checked.stderr).unwrap());
        assert!(gateway.stderr().contains("gateway.toml:2:1: names.zoen: ") || !path.exists());
    }
    assert!(!folder.path().join("roundhouse-data").exists(), "nothing was begun");
}

#[test]
fn nobody_listening_does_not_make_a_bad_file_good() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = programs::roundhouse();
    command.arg("check").arg(example("stack-as-published.jobs")).stderr(writer);
    assert_eq!(command.status().unwrap().code(), Some(1));
}
