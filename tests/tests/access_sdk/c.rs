//! The example in C: compiled against the header and the library that cargo built, and run against a real gateway.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use roundhouse_tests::{Gateway, SOON, Signal, TempDir, eventually, free_port, programs, seen};

use super::Stage;

pub(super) const EXAMPLE: &str = include_str!("../../../registry/capi/examples/check.c");

/// The program, compiled.
struct Check {
    folder: TempDir,
}

impl Check {
    fn compiled() -> Check {
        let folder = TempDir::new().unwrap();
        let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../registry/capi");
        let library = library();
        let mut cc = Command::new("cc");
        cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"]).arg(folder.path().join("check"));
        cc.arg(crate_dir.join("examples/check.c")).arg("-I").arg(crate_dir.join("include"));
        cc.arg("-L").arg(&library).arg("-lroundhouse_access");
        cc.arg(format!("-Wl,-rpath,{}", library.display()));
        let compiled = cc.output().unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        Check { folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(self.folder.path().join("check")).args(arguments).output().unwrap()
    }

    /// Its answer, but for the numbers that differ each time.
    fn says(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.run(arguments);
        let (out, errors) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        let expected = if out.starts_with("allow ") { 0 } else { 1 };
        assert_eq!(status.code(), Some(expected), "{out}{errors}");
        let (said, numbers) = out.split_once(" revision=").expect(&out);
        let (revision, stale) = numbers.trim_end().split_once(" stale=").expect(&out);
        assert!(revision.parse::<u64>().unwrap() > 0 && stale.parse::<u64>().is_ok(), "{out}");
        said.to_owned()
    }
}

/// Where cargo put it. It lies beside the tests first, and is then linked to where programs lie.
fn library() -> PathBuf {
    let folder = programs::profile_folder();
    let folders = [folder.join("deps"), folder];
    let found = folders.iter().find(|folder| folder.join("libroundhouse_access.so").exists());
    found.expect("libroundhouse_access.so is built with this test; run `make test`").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_says_what_the_registry_says() {
    let mut stage = Stage::start().await;
    let gateway = Gateway::on(&stage.etcd.url());
    let (check, url) = (Check::compiled(), gateway.url());
    let snapshot = stage.folder.path().join("c.jsonl");
    let ask = |peer: &str, claimed: &str| {
        check.says(&[&url, "redis", "1111", peer, claimed, snapshot.to_str().unwrap()])
    };
    assert_eq!(ask("10.0.0.2", ""), "allow reason=open rule= identity= shared_ip=0");
    stage.rule("app", r#"{"to":{"job":"redis"},"from":{"jobname":"job.app"},"action":"allow"}"#).await;
    let everybody = || {
        [
            ask("10.0.0.1", ""),
            ask("::ffff:10.0.0.1", "job.app"),
            ask("10.0.0.1", "job.other"),
            ask("10.0.0.2", ""),
            ask("10.0.0.3", "job.app"),
            ask("fe80::1%eth0", ""),
            check.says(&[&url, "nobody", "1111", "10.0.0.1"]),
        ]
    };
    let rule = "allow reason=rule rule=app identity=job.app shared_ip=0";
    // The rule went to etcd, and the gateway hears of it from there.
    eventually(SOON, "the gateway has the rule", || seen(ask("10.0.0.1", ""), |said| said == rule));
    let said = everybody();
    assert_eq!(
        said,
        [
            rule,
            rule,
            "deny reason=false_claim rule= identity= shared_ip=0",
            "deny reason=guarded rule= identity=job.other shared_ip=0",
            "allow reason=rule rule=app identity=job.app shared_ip=1",
            "deny reason=guarded rule= identity= shared_ip=0",
            "deny reason=no_job rule= identity= shared_ip=0",
        ]
    );
    let wrong = check.run(&[&url, "redis", "1111", "localhost"]);
    let wrong = (wrong.status.code(), String::from_utf8(wrong.stdout).unwrap());
    assert_eq!(wrong.0, Some(1));
    assert!(wrong.1.starts_with("deny reason=wrong_argument "), "{}", wrong.1);

    // The gateway and its registry are gone; what they said last is on disk.
    stage.etcd.kill9();
    gateway.process().signal(Signal::KILL);
    gateway.process().wait_exit(SOON);
    assert_eq!(ask("10.0.0.1", ""), said[0]);
    assert_eq!(ask("10.0.0.2", ""), said[3]);
}

#[test]
fn with_nobody_to_ask_it_says_so() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let Output { status, stdout, stderr } = Check::compiled().run(&[&url, "redis", "6379", "10.0.0.7"]);
    let error = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stdout.len()), (Some(2), 0), "{error}");
    assert!(error.starts_with(&format!("check: no registry at {url} (")), "{error}");
}
