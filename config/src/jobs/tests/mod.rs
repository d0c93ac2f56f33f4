//! Jobs files as people get them right; [`refusals`] has what they get wrong.

use std::path::Path;
use std::time::Duration;

mod properties;
mod refusals;
mod served;

use super::*;
use crate::service::{Check, Protocol};

fn example(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn parse(text: &str) -> JobsFile {
    JobsFile::parse(text, "f").unwrap()
}

fn problems(text: &str) -> String {
    JobsFile::parse(text, "f").unwrap_err().to_string()
}

#[test]
fn the_example_is_right() {
    let file = JobsFile::from_file(&example("stack.jobs")).unwrap();
    let labels: Vec<_> = file.jobs.iter().map(|job| job.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "app",
            "app-backend",
            "app2",
            "coding-prober",
            "coding-blog",
            "webhook-listener",
            "updatehook-listener"
        ]
    );
    assert!(file.jobs.iter().all(|job| job.address == Some(file.hosts[job.host.as_ref().unwrap()])));
    let webhook = &file.jobs[5];
    assert_eq!(webhook.jobname.to_string(), "job.webhook-listener");
    assert_eq!(webhook.image.as_deref(), Some("webhook-listener:a5af2f2"));
    assert_eq!(webhook.envs, [("http_port".to_owned(), "8990".to_owned())]);
    assert_eq!((webhook.ports[0].port, webhook.ports[0].protocol), (9999, Protocol::Http));
    assert_eq!(webhook.place.column, 1);
    assert_eq!(file.jobs[4].domains[0].as_str(), "blog.coding.net");
}

#[test]
fn the_published_file_is_refused_with_its_reasons() {
    let path = example("stack-as-published.jobs");
    let text = std::fs::read_to_string(path).unwrap();
    let problems = JobsFile::parse(&text, "p.jobs").unwrap_err().to_string();
    assert_eq!(
        problems,
        "p.jobs:3:1: jobs[0].port: job `app` has no port, so nobody can dial it\n  hint: write port: \"8080\"\n\
         p.jobs:8:1: jobs[1].port: job `app-backend` has no port, so nobody can dial it\n  hint: write port: \"8080\"\n\
         p.jobs:36:3: jobs[5].port: jobs `webhook-listener` at p.jobs:29:3 and `updatehook-listener` at p.jobs:36:3 \
         are both on `git-app-1` port 9999\n  hint: give one of them another port"
    );
}

#[test]
fn every_field_is_taken() {
    let file = parse(
        r#"
        hosts { name: "Box" address: "10.0.0.9" }
        jobs {
          name: "db" jobname: "cop.z_job.db" run_on_host: "box" host: "BOX."
          ports { name: "sql" port: "3306" } ports: < name: "stats" port: "8125" protocol: "udp" >
          envs: [ { key: "A" value: "1" }, { key: "B" } ]
          line: "telecom" weight: 50
          check { interval: "5s" rise: 1 }
          static: true
          instances { address: "10.0.0.1" weight: 7 }
          instances { address: "::ffff:10.0.0.2" }
        }
        jobs { name: "quiet" host: "10.0.0.7" port: "1" check { kind: "none" } domains: ["a.net", '*.b.' 'net'] }
        "#,
    );
    let db = &file.jobs[0];
    assert_eq!(db.jobname.to_string(), "job.db_cop.z");
    assert_eq!((db.host.as_deref(), db.address), (Some("box"), Some([10, 0, 0, 9].into())));
    assert_eq!(db.ports.len(), 2);
    assert_eq!(db.envs[1], ("B".to_owned(), String::new()));
    assert_eq!((db.line.as_ref().unwrap().as_str(), db.weight, db.is_static), ("telecom", Some(50), true));
    let check = Check { interval: Duration::from_secs(5), rise: 1, ..Check::default() };
    assert_eq!(db.check, Some(CheckSpec::Check(check)));
    assert_eq!(db.instances[0].weight, Some(7));
    assert_eq!(db.instances[1].address, IpAddr::from([10, 0, 0, 2]));
    let quiet = &file.jobs[1];
    assert_eq!((quiet.address, quiet.check.as_ref()), (Some([10, 0, 0, 7].into()), Some(&CheckSpec::None)));
    assert_eq!(quiet.domains[1].as_str(), "*.b.net");
    assert_eq!((quiet.ports[0].name.as_str(), quiet.place.line), ("main", 13));
}
