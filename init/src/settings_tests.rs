use std::io::Write;

use clap::Parser;

use super::*;
use crate::options::CommandLine;

fn resolve(arguments: &[&str], file: Option<&str>) -> Result<Settings, Vec<String>> {
    let line = CommandLine::try_parse_from([&["job-init"], arguments, &["app"]].concat()).unwrap();
    let file = file.map(|text| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    });
    Settings::resolve(line.options, file.as_ref().map(tempfile::NamedTempFile::path))
}

fn problems(arguments: &[&str]) -> String {
    resolve(arguments, None).map(drop).unwrap_err().join("; ")
}

#[test]
fn nothing_said_is_a_plain_supervisor() {
    let settings = resolve(&[], None).unwrap();
    assert!(settings.policy.own_session && settings.plan.is_none() && settings.identity.is_none());
    assert_eq!((settings.policy.grace, settings.policy.drain_wait), (GRACE, DRAIN_WAIT));
}

#[test]
fn a_registration_has_its_defaults() {
    let arguments = ["--registry", "http://hub", "--job", "app2", "--port", "dns=53/udp", "--port", "1111"];
    let plan = resolve(&arguments, None).unwrap().plan.unwrap();
    assert_eq!((plan.registry.prefix.as_str(), plan.weight, plan.ttl), ("/roundhouse/v1", WEIGHT, TTL));
    assert_eq!(plan.check, Some(1111), "the first port that a connect says anything about");
    assert_eq!((plan.identity.job.as_str(), plan.identity.jobname), ("app2", None));
}

#[test]
fn the_label_comes_from_the_jobname_where_none_is_given() {
    let arguments = ["--registry", "http://hub", "--jobname", "cop.coding_job.app2", "--port", "1"];
    assert_eq!(resolve(&arguments, None).unwrap().plan.unwrap().identity.job.as_str(), "app2");
    let arguments = [&arguments[..], &["--job", "short"]].concat();
    assert_eq!(resolve(&arguments, None).unwrap().plan.unwrap().identity.job.as_str(), "short");
}

#[test]
fn an_option_wins_over_the_file() {
    let file = "grace = \"1s\"\ndrain_wait = \"2s\"\nsingle_child = true\n";
    let settings = resolve(&["--grace", "7s", "--single-child=false"], Some(file)).unwrap();
    assert_eq!(settings.policy.grace, Duration::from_secs(7));
    assert_eq!(settings.policy.drain_wait, Duration::from_secs(2));
    assert!(settings.policy.own_session);
}

#[test]
fn the_way_into_etcd_comes_from_options_and_file_and_a_files_paths_are_its_own() {
    let file = "registry = \"etcds://h\"\nca = \"ca.pem\"\nuser = \"registrar\"\n";
    let arguments = ["--job", "a", "--port", "1", "--password-file", "password"];
    let access = resolve(&arguments, Some(file)).unwrap().plan.unwrap().registry.access;
    assert!(access.tls.unwrap().ca.is_absolute(), "beside the file");
    let login = access.login.unwrap();
    assert_eq!((login.user.as_str(), login.password_file.as_path()), ("registrar", Path::new("password")));
    let found =
        problems(&["--registry", "etcd://h", "--job", "a", "--port", "1", "--ca", "x", "--user", "u"]);
    assert!(
        found.contains("write `etcds://h:2379`") && found.contains("password_file is missing"),
        "{found}"
    );
}

#[test]
fn no_env_says_nothing_to_the_command_and_registers_all_the_same() {
    let arguments =
        ["--registry", "http://hub", "--job", "app2", "--port", "1", "--no-env", "--check", "none"];
    let settings = resolve(&arguments, None).unwrap();
    assert!(settings.identity.is_none());
    assert_eq!(settings.plan.unwrap().check, None);
}

#[test]
fn a_pool_leads_to_the_first_port() {
    let arguments =
        ["--registry", "http://hub", "--job", "app2", "--port", "dns=53/udp,1111", "--pool", "blog:80"];
    let pool = resolve(&arguments, Some("pool = \"other\"")).unwrap().plan.unwrap().pool.unwrap();
    assert_eq!((pool.name.as_str(), pool.job.as_str(), pool.port), ("blog", "app2", Some(80)));
    assert_eq!((pool.to.name.as_str(), pool.to.port, pool.to.protocol), ("dns", 53, Protocol::Udp));
    let pool = resolve(&arguments[..6], Some("pool = \"other\"")).unwrap().plan.unwrap().pool.unwrap();
    assert_eq!((pool.name.as_str(), pool.port), ("other", None));
    assert!(resolve(&arguments[..6], None).unwrap().plan.unwrap().pool.is_none());
}

#[test]
fn contradictions_are_refused_all_at_once() {
    let found = problems(&["--registry", "embedded", "--ttl", "10ms", "--address", "0.0.0.0"]);
    for part in ["embedded", "without a port", "ttl", "address", "no job"] {
        assert!(found.contains(part), "{part} in {found}");
    }
    assert!(problems(&["--job", "a", "--port", "1,2"]).contains("`main` is given twice"));
    assert!(problems(&["--jobname", "job.instances"]).contains("reserved"));
}
