//! What is wrong with a jobs file, where, and what to write instead.

use super::{parse, problems};
use crate::jobs::JobsFile;

#[test]
fn every_problem_of_meaning_is_reported_at_once() {
    let text = r#"hosts < name: "h" address: "0.0.0.0" >
hosts < name: "H" address: "10.0.0.x" >
hosts < >
jobs <
  name: "App" image: "" host: "h" run_on_host: "i" port: "0" protocol: "quic"
  envs < key: "a=b" > envs < key: "k" > envs < key: "k" >
  line: "Telecom" weight: 0 domains: "10.0.0.1" domains: "ok.net"
  check < kind: "http" interval: "1ms" rise: 0 > instances < address: "10.0.0.1" >
>
jobs < name: "b" port: "1" ports < name: "main" port: "2" > ports < port: "x" > jobname: "job" >
jobs < name: "c" protocol: "tcp" ports < name: "a" port: "65536" > host: "h h" >
jobs < name: "d" port: "1" static: true check < kind: "none" rise: 2 > >
jobs < >
"#;
    let places: Vec<String> = JobsFile::parse(text, "f")
        .unwrap_err()
        .iter()
        .map(|p| format!("{}:{} {}", p.line, p.column, p.path))
        .collect();
    assert_eq!(
        places,
        [
            "1:19 hosts[0].address",
            "2:9 hosts[1].name",
            "2:19 hosts[1].address",
            "3:1 hosts[2].address",
            "3:1 hosts[2].name",
            "5:3 jobs[0].name",
            "5:15 jobs[0].image",
            "5:35 jobs[0].run_on_host",
            "5:52 jobs[0].port",
            "5:62 jobs[0].protocol",
            "6:10 jobs[0].envs[0].key",
            "6:48 jobs[0].envs[2].key",
            "7:3 jobs[0].line",
            "7:19 jobs[0].weight",
            "7:29 jobs[0].domains[0]",
            "8:11 jobs[0].check.kind",
            "8:24 jobs[0].check.interval",
            "8:40 jobs[0].check.rise",
            "8:50 jobs[0].instances",
            "10:28 jobs[1].ports[0]",
            "10:61 jobs[1].ports[1].name",
            "10:69 jobs[1].ports[1].port",
            "10:81 jobs[1].jobname",
            "11:18 jobs[2].protocol",
            "11:52 jobs[2].ports[0].port",
            "11:68 jobs[2].host",
            "12:28 jobs[3].static",
            "12:62 jobs[3].check.rise",
            "13:1 jobs[4].name",
            "13:1 jobs[4].port",
        ]
    );
}

#[test]
fn a_syntax_error_has_its_place_and_a_hint() {
    assert_eq!(
        problems("jobs <\n  imge: \"x\" >"),
        "f:2:3: unknown field `imge`\n  hint: did you mean `image`?"
    );
    assert_eq!(
        problems("jobs < name: \"a\"\njobs < name: \"b\" >"),
        "f:2:1: unknown field `jobs`\n  hint: `jobs` stands at the top of the file: is a `>` missing before it?"
    );
    assert!(problems("jobs <\n port: 9999 >").starts_with("f:2:8: expected a string"));
    assert!(problems("jobs < port: 9999 >").ends_with("hint: put it in quotes: \"9999\""));
    assert!(problems("jobs < name: \"a\" ").ends_with("hint: the bracket opened at f:1:6 is not closed"));
    assert!(problems("jobs < name: \"a\" name: \"b\" >").contains("`name` is already set"));
    assert!(problems("jobs < name: \"a\n\" >").starts_with("f:1:16: "));
    assert!(problems("ü").starts_with("f:1:1: "));
    assert!(problems("jobs < weight: -1 >").starts_with("f:1:"));
}

#[test]
fn two_jobs_do_not_share_a_name() {
    let text = problems(
        "jobs < name: 'a' port: '1' domains: 'x.net' >\n\
         jobs < name: 'a' port: '2' domains: 'X.net.' >\n\
         jobs < name: 'b' port: '3' jobname: 'job.a' >",
    );
    assert!(text.contains("f:2:8: jobs[1].name: there is a job `a` already, at f:1:8"), "{text}");
    assert!(
        text.contains("f:2:28: jobs[1].domains[0]: domain `x.net` is already that of job `a`, at f:1:28"),
        "{text}"
    );
    assert!(
        text.contains("f:3:28: jobs[2].jobname: JOBNAME `job.a` is already that of job `a`, at f:1:1"),
        "{text}"
    );
}

#[test]
fn two_jobs_do_not_share_a_socket() {
    let hosts = "hosts < name: 'h' address: '10.0.0.1' > hosts < name: 'i' address: '10.0.0.1' >\n";
    let pair = |one: &str, other: &str| {
        JobsFile::parse(&format!("{hosts}jobs < name: 'a' {one} >\njobs < name: 'b' {other} >"), "f")
    };
    let clash = |one: &str, other: &str| pair(one, other).unwrap_err().to_string();
    assert!(
        clash("host: 'h' port: '1'", "host: 'i' port: '1'")
            .contains("`h` and `i`, which are one host, port 1")
    );
    assert!(clash("host: 'x' port: '1'", "host: 'X' port: '1'").contains("both on `x` port 1"));
    assert!(
        clash("host: 'h' port: '1'", "host: '10.0.0.1' ports < name: 'x' port: '1' protocol: 'tls' >")
            .contains("port 1")
    );
    let listed = "port: '9' static: true instances < address: '10.0.0.1' port: '1' >";
    assert!(clash("host: 'h' port: '1'", listed).contains("jobs `a` at f:2:28 and `b` at f:3:41"));
    assert!(
        clash("host: 'y' port: '1' ports < name: 'q' port: '1' >", "port: '1'")
            .contains("job `a` has port 1 of `y` twice")
    );
    assert!(pair("host: 'h' port: '53'", "host: 'h' port: '53' protocol: 'udp'").is_ok());
    assert!(pair("port: '1'", "port: '1'").is_ok());
}

#[test]
fn bounds_are_kept() {
    assert!(problems(&"#".repeat(5 << 20)).contains("is longer than 4MiB"));
    assert!(problems(&"jobs < ".repeat(500_000)).contains("nest deeper than 32"));
    assert!(problems(&"[a/roundhouse.JobsFile] <".repeat(100_000)).contains("nest deeper than 32"));
    assert_eq!(parse(""), JobsFile::default());
}

#[test]
fn a_large_file_takes_no_time_to_speak_of() {
    // On one line, where counting columns from its start for each job would take minutes.
    let text: String = (0..40_000).map(|n| format!("jobs<name:'j{n}' host:'h{n}' port:'1'>")).collect();
    assert_eq!(parse(&text).jobs.len(), 40_000);
}

#[test]
fn a_hostile_file_is_read_to_its_end() {
    const MOST: usize = 4 << 20;
    for part in ["'a'", "<>", ",", " ", "é"] {
        assert!(JobsFile::parse(&format!("jobs < {} >", part.repeat(MOST / 4)), "f").is_err());
    }
    for comment in ["#\n".repeat(MOST / 2), format!("#{}", "é".repeat(MOST / 3))] {
        assert_eq!(parse(&comment), JobsFile::default());
    }
    let text = format!("jobs < name: {} >", "'a' ".repeat(MOST / 5));
    assert!(problems(&text).contains("label `aaaa"));
    let text = "jobs<name:'a'port:'0'>".repeat(10_000);
    assert_eq!(JobsFile::parse(&text, "f").unwrap_err().iter().count(), 19_999);
}
