//! `gateway.toml` as people get it right; [`refusals`] has what they get wrong.

use std::path::Path;
use std::time::Duration;

mod access_log;
mod entrypoints;
mod l4;
mod properties;
mod refusals;

use super::*;
use crate::units::RegistryUrl;

fn parse(text: &str) -> Settings {
    Settings::parse(text, "g.toml", Path::new("")).unwrap()
}

fn problems(text: &str) -> String {
    Settings::parse(text, "g.toml", Path::new("")).unwrap_err().to_string()
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(parse(""), Settings::default());
    assert_eq!(parse("[names]\n[limits]\n"), Settings::default());
}

#[test]
fn the_example_spells_out_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway.toml");
    let settings = Settings::from_file(&path).unwrap();
    let mut expected = Settings::default();
    expected.names.zone = "jobs.coding.net".parse().unwrap();
    expected.data_dir = path.with_file_name("roundhouse-data");
    assert_eq!(settings, expected);
}

#[test]
fn values_are_taken() {
    let settings = parse(
        r#"
        workers.count = 4
        registry = { url = "etcd://h1,h2:2380", prefix = "/test" }
        entrypoint = []
        [names]
        zone = "Jobs.Example."
        vips = "fd00:99::/64"
        [dns]
        listen = ":53"
        ttl = "0s"
        [limits]
        head = "8KiB"
        idle_timeout = "1d"
        "#,
    );
    assert_eq!(settings.workers, 4);
    assert_eq!(settings.registry.url.to_string(), "etcd://h1:2379,h2:2380");
    assert!(matches!(settings.registry.url, RegistryUrl::Etcd { ref endpoints } if endpoints.len() == 2));
    assert_eq!(settings.names.zone.as_str(), "jobs.example");
    assert_eq!(settings.limits.idle_timeout, Duration::from_secs(86_400));
    assert!(settings.entrypoints.is_empty());
}

#[test]
fn the_way_into_etcd_is_taken_and_its_files_are_relative_to_the_file() {
    let text = "registry = { url = \"etcds://h1,h2\", ca = \"ca.pem\", cert = \"c.pem\", key = \"/k.pem\", \
                user = \"hub\", password_file = \"password\" }";
    let settings = Settings::parse(text, "x", Path::new("/etc/roundhouse")).unwrap();
    assert_eq!(settings.registry.url.to_string(), "etcds://h1:2379,h2:2379");
    let access = settings.registry.access;
    let tls = access.tls.unwrap();
    assert_eq!(tls.ca, Path::new("/etc/roundhouse/ca.pem"));
    assert_eq!(tls.identity.unwrap().key, Path::new("/k.pem"));
    assert_eq!(access.login.unwrap().password_file, Path::new("/etc/roundhouse/password"));
}

#[test]
fn a_data_dir_is_relative_to_its_file() {
    let settings = Settings::parse("data_dir = \"d\"", "x", Path::new("/etc/roundhouse")).unwrap();
    assert_eq!(settings.data_dir, Path::new("/etc/roundhouse/d"));
    let settings = Settings::parse("data_dir = \"/d\"", "x", Path::new("/etc/roundhouse")).unwrap();
    assert_eq!(settings.data_dir, Path::new("/d"));
}

#[test]
fn jobs_files_are_relative_to_their_settings() {
    let text = "[jobs]\nfiles = [\"stack.jobs\", \"/srv/more.jobs\"]";
    let settings = Settings::parse(text, "x", Path::new("/etc/roundhouse")).unwrap();
    assert_eq!(settings.jobs.files, [Path::new("/etc/roundhouse/stack.jobs"), Path::new("/srv/more.jobs")]);
}

#[test]
fn a_record_of_what_was_applied_is_kept_on_request_beside_the_file() {
    assert_eq!(parse("").registry.record, None);
    let text = "registry.record = \"applied.jsonl\"";
    let settings = Settings::parse(text, "x", Path::new("/etc/roundhouse")).unwrap();
    assert_eq!(settings.registry.record.as_deref(), Some(Path::new("/etc/roundhouse/applied.jsonl")));
    assert!(problems("registry.record = \"\"").contains("registry.record"));
}
